"""Draws and fits experiments of a run's binned likelihoods: does the interval cover, and does the formula hold?

python benchmarks/coverage.py --run runs/laptop    # after 07_systematics, which writes the workspaces
"""

import argparse
import json
import time
from pathlib import Path

import harness
from scipy import stats

from higgs_lib.study import likelihood

CLASSIFIERS = ("shallow-high", "modern-low", "kinematic-low")
N_TOYS, SEED = 1000, 1


def main() -> None:
    """Fits and stores, after each classifier."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished run")
    parser.add_argument("--n-toys", type=int, default=N_TOYS, help="experiments of each kind")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results", help="folder")
    options = parser.parse_args()
    result = {"n_toys": options.n_toys, "seed": SEED, "classifiers": {}}
    for name in CLASSIFIERS:
        workspace = json.loads((options.run / "workspaces" / f"{name}.json").read_text())
        start = time.perf_counter()
        toys = likelihood.toys(workspace, options.n_toys, seed=SEED)
        tails = {f"{z}": {"formula": stats.norm.sf(z), "measured": toys.tail(z)._asdict()} for z in (1, 2)}
        coverage = toys.coverage()
        result["classifiers"][name] = {
            "coverage": coverage._asdict(),
            "tails": tails,
            "seconds": time.perf_counter() - start,
        }
        print(f"{name}: the interval of one standard deviation holds the true strength in {coverage:.3f}")
        harness.save(options.results / "coverage.json", result)


if __name__ == "__main__":
    main()
