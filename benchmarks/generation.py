"""Measures how the generation of built-in events scales from one Spark executor to several, on this machine.

    python benchmarks/generation.py --executors 1 2

Each executor is a process with one core. Every number of executors makes the same events, after warming up; the
shortest time counts.
"""

import logging
import tempfile
from pathlib import Path

import harness

from higgs_lib import data, spark
from higgs_lib.performance import timing

PARTS = 12  # of 65,536 events

log = logging.getLogger("generation")


def seconds(executors: int, repeats: int) -> list[float]:
    """Returns the seconds in which the executors make all parts, for each repeat."""
    with spark.session(f"local-cluster[{executors},1,1024]") as session, tempfile.TemporaryDirectory() as folder:
        spark.generate(session, f"{folder}/warm", executors * data.ROW_GROUP, seed=0)
        measured = []
        for number in range(repeats):
            path = str(Path(folder, str(number)))
            measured.append(timing.timed(lambda path=path: spark.generate(session, path, PARTS * data.ROW_GROUP, 1))())
    log.info("%d executors: %s s", executors, ", ".join(f"{t:.1f}" for t in measured))
    return measured


def main() -> None:
    """Measures and stores."""
    parser = harness.arguments(__doc__, "generation.json", repeats=2)
    parser.add_argument("--executors", type=int, nargs="+", default=[1, 2], help="numbers of executors")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    shortest = {str(n): min(seconds(n, options.repeats)) for n in options.executors}
    first = shortest[str(options.executors[0])]
    speed_up = {n: first / taken for n, taken in shortest.items()}
    harness.save(options.result, {"n_events": PARTS * data.ROW_GROUP, "seconds": shortest, "speed_up": speed_up})


if __name__ == "__main__":
    main()
