"""Measures how fast each GPU of this machine trains the deep net; meant to take under ten minutes a GPU.

    python benchmarks/gpu.py                      # TensorFlow: Keras' loop and ours
    KERAS_BACKEND=jax python benchmarks/gpu.py    # where TensorFlow has no CUDA but JAX: `model.fit` alone

Writes a file for each GPU, which 07_gpu_scaling shows with its device, date and versions.
"""

import argparse
import logging
import re
import sys
from pathlib import Path

import contest

from higgs_lib import device
from higgs_lib.performance import measure, throughput
from higgs_lib.performance.throughput import Sweep

BATCH_SIZES = (32, 64, 100, 1024, 4096, 8192, 65_536)  # events a step
LEAST_STEPS = 64  # of a timing, so that what a call costs by itself is little of it

log = logging.getLogger("gpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results" / "gpu")
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=BATCH_SIZES, help="events a step")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if not device.gpus():
        sys.exit("error: NVIDIA's driver shows no GPU here: run this on a machine that has one")
    for gpu in device.gpus():
        sizes = tuple(options.batch_sizes)
        try:
            found = measure.run_sweep(Sweep(f"gpu:{gpu.number}", batch_sizes=sizes, least_steps=LEAST_STEPS))
        except RuntimeError as error:
            sys.exit(f"error: {error}")
        name = re.sub(r"[^a-z0-9]+", "-", gpu.name.lower()).strip("-")
        path = options.results / f"{name}-{gpu.number}-{found.backend}.json"
        contest.save(path, {"gpu": gpu._asdict(), "measured": found.as_dict()}, found.stamp)
        for loop in found.loops:
            size, rate = max(found.rate(loop, throughput.OPTIMIZERS[0]).items(), key=lambda pair: pair[1])
            log.info("%s, %s: at most %s events/s, in batches of %s", gpu.name, loop, f"{rate:,.0f}", f"{size:,}")
        log.info("written: %s", path)


if __name__ == "__main__":
    main()
