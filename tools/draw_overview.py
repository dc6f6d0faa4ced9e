"""Draws figures/overview.svg, the README's figure, from a finished run.

python tools/draw_overview.py runs/evening
"""

import argparse
from itertools import product
from pathlib import Path

import matplotlib.pyplot as plt

from higgs_lib import data, plots, study

DESTINATION = Path(__file__).parent.parent / "figures" / "overview.svg"


def main() -> None:
    """Draws the test AUC of each classifier and feature set, with the published values."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="the folder of a finished run, e.g. runs/evening")
    run = study.Run(parser.parse_args().run)
    keys = [*product(("shallow", "deep", "modern", "trees"), data.FEATURE_SETS)]
    keys += [("kinematic", "low"), ("kinematic", "complete")]
    rows = {", ".join(key): study.comparison.auc(run, *key) for key in keys}
    n_events = data.origin(run.events).n_events
    plots.use_style()
    figure, ax = plt.subplots(figsize=(9, 6.5))
    plots.intervals(
        rows,
        xlabel="test AUC",
        label=f"{n_events:,} built-in events, 95 %",
        references=study.published.auc_marks(keys),
        ax=ax,
    )
    figure.savefig(DESTINATION, metadata={"Date": None})
    print(DESTINATION)


if __name__ == "__main__":
    main()
