"""Our results beside the published ones on the same test events: those of a named split."""

import pandas as pd

from higgs_lib import data
from higgs_lib.data import Origin
from higgs_lib.study import comparison, published
from higgs_lib.study.run import Run

CLASSIFIERS = ("shallow", "deep", "modern", "trees", "kinematic", "tuned")
"""Those of a run, in the order of its rows."""


def split_name(run: Run, events: Origin) -> str:
    """Returns the named split that the results of a run are of; "" for none."""
    recipe = run.published()[0]["recipe"]
    sizes = data.Sizes(recipe["n_test"], recipe["n_validation"], recipe["n_training"])
    return data.named_split(events, sizes.split(events.n_events))


def statement(split: str) -> str:
    """States which test events a table compares, or that there is nothing to compare."""
    if not split:
        named = ", ".join(data.NAMED_SPLITS)
        return (
            f"The test events of this run are not those of a split that others have published results on ({named}), so "
            "that none of their numbers is of the same events."
        )
    return f"All rows are of the same test events, those of the split `{split}`. {data.NAMED_SPLITS[split].source}"


def table(run: Run, split: str) -> pd.DataFrame:
    """Returns the published results of a split and those of a run as a table to read, by feature set."""
    rows = []
    for features in data.FEATURE_SETS:
        rows += [
            (
                f"[{r.source}] {r.model}",
                features,
                f"{r.auc:.{_decimals(r.rounding)}f}",
                f"{r.accuracy:.4f}" if r.accuracy else "",
                f"{r.n_training:,}",
            )
            for r in published.of_split(split)
            if r.features == features
        ]
        rows += [
            (
                f"this run: {classifier}",
                features,
                f"{comparison.auc(run, classifier, features):.4f}",
                f"{comparison.accuracy(run, classifier, features):.4f}",
                f"{run.results(classifier, features)[0]['recipe']['n_training']:,}",
            )
            for classifier in CLASSIFIERS
            if run.has(classifier, features)
        ]
    return pd.DataFrame(rows, columns=["", "features", "test AUC, 95 %", "test accuracy, 95 %", "training events"])


def _decimals(rounding: float) -> int:
    """Returns the decimals of a number that is rounded by up to `rounding`, at most four."""
    return min(next(n for n in range(1, 9) if 10**-n <= 2.1 * rounding), 4)
