"""Measures the training loop on TensorFlow's and on JAX' engine: events per second, by batch size.

    python benchmarks/engines.py

The deep network (3 x 300 tanh, 28 features), Adam, 65,536 events in memory, on the processor; shuffling included.
"""

import os

import harness
from harness import Contender
from training import N_EVENTS, ours

BATCH_SIZES = (100, 1024, 4096)
BACKENDS = {"TensorFlow": "tensorflow", "JAX": "jax"}


def engine(backend: str, batch_size: int):
    """Trains an epoch as `training.fit` does, on this backend of Keras, which the process has not loaded yet."""
    os.environ["KERAS_BACKEND"] = backend
    return ours(batch_size)


def compare(batch_size: int, repeats: int) -> dict:
    """Returns the events per second of both engines, and their ratio."""
    contenders = [
        Contender(name, engine, {"backend": backend, "batch_size": batch_size}) for name, backend in BACKENDS.items()
    ]
    results = harness.run(contenders, repeats)
    print(harness.table(f"batches of {batch_size}", results, N_EVENTS, "events"))
    return {
        "batch_size": batch_size,
        "events_per_second": {name: harness.rate(N_EVENTS, result["seconds"]) for name, result in results.items()},
        "jax_to_tensorflow": harness.ratio(results, "JAX", "TensorFlow"),
    }


def main() -> None:
    """Measures and stores."""
    options = harness.arguments(__doc__, "engines.json").parse_args()
    harness.save(options.result, {"batches": [compare(size, options.repeats) for size in BATCH_SIZES]})


if __name__ == "__main__":
    main()
