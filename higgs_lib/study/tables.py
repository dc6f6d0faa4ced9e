"""Results as tables to read."""

from collections.abc import Iterable, Mapping
from itertools import product

import pandas as pd

from higgs_lib import data, models
from higgs_lib.metrics import CalibrationError, Interval
from higgs_lib.study import comparison
from higgs_lib.study.diagnostics import RangeComparison
from higgs_lib.study.run import Run
from higgs_lib.training import TrainConfig


def networks(specs: Mapping[str, models.ModelSpec], configs: Mapping[str, TrainConfig]) -> pd.DataFrame:
    """Returns the architecture and the training of networks, a column each."""
    columns = {}
    for name, spec in specs.items():
        columns[name] = {
            "hidden layers": f"{len(spec.hidden)} x {spec.hidden[0]} {spec.activation}",
            "learned frequencies": spec.frequencies,
            "augmentation": "yes" if spec.augmented else "no",
            "dropout": spec.dropout,
            "epochs, at most": configs[name].epochs,
            "batch size": configs[name].batch_size,
            "learning rate": spec.learning_rate,
        }
        for features, names in data.FEATURE_SETS.items():
            columns[name][f"parameters, {features}"] = f"{spec.n_parameters(len(names)):,}"
    return pd.DataFrame(columns)


def trainings(run: Run, classifiers: list[str]) -> pd.DataFrame:
    """Returns the validation AUC, mean over the seeds, and the time of each published training."""
    rows = [
        {
            "network": classifier,
            "features": features,
            "validation AUC, 95 %": f"{comparison.auc(run, classifier, features, 'validation')}",
            "seed": result["recipe"]["seed"],
            "best epoch": result["best_epoch"],
            "seconds": f"{result['seconds']:.0f}",
            "events/s": f"{result['events_per_second']:,.0f}",
        }
        for classifier, features in product(classifiers, data.FEATURE_SETS)
        for result in run.results(classifier, features)
    ]
    return pd.DataFrame(rows)


def performance(run: Run, classifiers: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """Returns the AUC and the accuracy on test events, and the other AUCs, means over the seeds.

    `classifiers` are pairs of a classifier and its feature set.
    """
    rows = []
    for classifier, features in classifiers:
        validation, training = (comparison.auc(run, classifier, features, part) for part in ("validation", "training"))
        rows.append(
            {
                "classifier": classifier.replace("_", " "),
                "features": features,
                "test AUC, 95 %": f"{comparison.auc(run, classifier, features)}",
                "test accuracy, 95 %": f"{comparison.accuracy(run, classifier, features)}",
                "validation AUC": f"{validation.value:.3f}",
                "training AUC": f"{training.value:.3f}",
            }
        )
    return pd.DataFrame(rows)


def calibration(brier: Mapping[str, Interval], errors: Mapping[str, CalibrationError]) -> pd.DataFrame:
    """Returns the Brier score and the calibration error of classifiers, by their names."""
    rows = [
        {
            "classifier": classifier,
            "Brier score, 95 %": f"{brier[classifier]:.4f}",
            "ECE corrected, 95 %": f"{error.error:.4f}",
            "ECE as usual": f"{error.uncorrected:.4f}",
            "if exact, 97.5 % below": f"{error.if_calibrated:.4f}",
        }
        for classifier, error in errors.items()
    ]
    return pd.DataFrame(rows)


def ranges(compared: list[RangeComparison], names: tuple[str, str]) -> pd.DataFrame:
    """Returns how often quantities lie in their ranges, in two samples called `names`."""
    rows = [
        {
            "class": ("background", "signal")[row.label],
            "quantity": row.quantity,
            "range": f"{row.low:g} to {row.high:g}" if row.high else f"above {row.low:g}",
            **{name: f"{fraction:.2%}" for name, fraction in zip(names, row.fractions, strict=True)},
            "excess of built-in events, 95 %": f"{Interval(*row.excess):+.0%}",
        }
        for row in compared
    ]
    return pd.DataFrame(rows)
