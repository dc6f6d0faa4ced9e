"""Measures how built-in events scale from one Spark executor to several, in processes of their own on this machine.

    python benchmarks/generation.py benchmarks/results/generation.json --executors 1 2

Each executor has one core. Every number of executors makes the same events, in turn, after warming up.
"""

import argparse
import json
import logging
import tempfile
import time
from pathlib import Path

from higgs_lib import data, files, provenance, spark
from higgs_lib.spark import spark_session

PARTS = 12  # of 65,536 events
ROUNDS = 2

log = logging.getLogger("generation")


def seconds(executors: int) -> list[float]:
    """To make all parts with so many executors, once a round."""
    with spark.session(f"local-cluster[{executors},1,1024]") as session, tempfile.TemporaryDirectory() as folder:
        spark_session.generate(session, f"{folder}/warm", executors * data.ROW_GROUP, seed=0)
        taken = []
        for number in range(ROUNDS):
            start = time.perf_counter()
            spark_session.generate(session, f"{folder}/{number}", PARTS * data.ROW_GROUP, seed=1)
            taken.append(time.perf_counter() - start)
    log.info("%d executors: %s s", executors, ", ".join(f"{t:.1f}" for t in taken))
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path, help="the JSON file to write")
    parser.add_argument("--executors", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    found = {n: min(seconds(n)) for n in arguments.executors}
    one = found[arguments.executors[0]]
    result = {
        "n_events": PARTS * data.ROW_GROUP,
        "seconds": {str(n): taken for n, taken in found.items()},
        "speed_up": {str(n): one / taken for n, taken in found.items()},
        "made_with": {"device": provenance.stamp(), "commit": provenance.commit()},
    }
    with files.write_atomically(arguments.result) as path:
        path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
