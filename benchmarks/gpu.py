"""Measures how fast each GPU of this machine trains the deep network; meant to take under ten minutes per GPU.

    python benchmarks/gpu.py                      # TensorFlow: Keras' loop and the library's
    KERAS_BACKEND=jax python benchmarks/gpu.py    # where JAX has CUDA and TensorFlow has not: `model.fit` only

Writes a file for each GPU, which 07_gpu_scaling shows with its device, date and versions.
"""

import argparse
import logging
import re
import sys
from pathlib import Path

import harness

from higgs_lib import device
from higgs_lib.models import OPTIMIZERS
from higgs_lib.performance import measure
from higgs_lib.performance.throughput import Sweep

MIN_STEPS = 64  # per timing, so that the cost of a call itself is a small part of it

log = logging.getLogger("gpu")


def main() -> None:
    """Measures and stores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results" / "gpu", help="folder")
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=Sweep().batch_sizes, help="events per step")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if not device.gpus():
        sys.exit("error: NVIDIA's driver shows no GPU here: run this on a machine that has one")
    sweep = Sweep(batch_sizes=tuple(options.batch_sizes), min_steps=MIN_STEPS)
    for gpu in device.gpus():
        try:
            throughput = measure.run_sweep(sweep._replace(train_on=f"gpu:{gpu.number}"))
        except RuntimeError as error:
            sys.exit(f"error: {error}")
        name = re.sub(r"[^a-z0-9]+", "-", gpu.name.lower()).strip("-")
        path = options.results / f"{name}-{gpu.number}-{throughput.backend}.json"
        harness.save(path, {"gpu": gpu._asdict(), "measured": throughput.as_dict()}, throughput.stamp)
        for loop in throughput.loops:
            size, rate = max(throughput.median_rates(loop, OPTIMIZERS[0]).items(), key=lambda pair: pair[1])
            log.info("%s, %s: at most %s events/s, in batches of %s", gpu.name, loop, f"{rate:,.0f}", f"{size:,}")
        log.info("written: %s", path)


if __name__ == "__main__":
    main()
