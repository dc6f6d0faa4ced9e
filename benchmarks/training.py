"""Measures training against Keras' loop, PyTorch and JAX: events per second against the batch size.

    make bench            # this and others, with their competitors installed

The deep network (3 x 300 tanh, 28 features), Adam at its default rate, events in memory, on the processor. The time of
an epoch includes the shuffling of its events in all loops.
"""

import harness
import numpy as np
from harness import Contender

N_EVENTS = 65_536
N_FEATURES, HIDDEN, RATE = 28, 300, 1e-3
BATCH_SIZES = (100, 256, 1024, 4096, 8192)


def events() -> tuple[np.ndarray, np.ndarray]:
    """Returns random features (n, 28) and labels (n,), which take as long as events."""
    rng = np.random.default_rng(1)
    features = rng.standard_normal((N_EVENTS, N_FEATURES), np.float32)
    return features, (rng.random(N_EVENTS) < 0.5).astype(np.float32)


def _network(batch_size: int, **changes):
    """Returns the deep network, or one with `changes` of its `ModelSpec`, and its optimizer."""
    from dataclasses import replace

    from higgs_lib import models

    spec = replace(models.PRESETS["deep"], **changes)
    standard = models.Standardisation(np.zeros(N_FEATURES), np.ones(N_FEATURES))
    optimizer = models.optimizer(spec, n_events=N_EVENTS, batch_size=batch_size, epochs=10)
    return models.build(spec, standard, seed=1), optimizer


def ours(batch_size: int, jit_compile: bool | None = None, **changes):
    """Trains an epoch as `training.fit` does."""
    from higgs_lib.data import Sample
    from higgs_lib.performance import timing

    network = _network(batch_size, **changes)
    return timing.library_epoch(*network, Sample(*events()), batch_size, jit_compile=jit_compile)


def keras_fit(batch_size: int):
    """Trains by `model.fit`, as Keras' documentation shows it."""
    from higgs_lib.data import Sample
    from higgs_lib.performance import timing

    return timing.keras_epoch(*_network(batch_size), Sample(*events()), batch_size)


def keras_fit_tuned(batch_size: int):
    """Trains by `model.fit` on a tf.data pipeline, with several steps per call and XLA."""
    import tensorflow as tf

    network, optimizer = _network(batch_size)
    network.compile(optimizer, "binary_crossentropy", steps_per_execution=64, jit_compile=True)
    pipeline = tf.data.Dataset.from_tensor_slices(events()).cache().shuffle(N_EVENTS)
    pipeline = pipeline.batch(batch_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
    return lambda: network.fit(pipeline, shuffle=False, verbose=0) and None


def pytorch(batch_size: int):
    """Trains by the usual loop over tensors in memory, with the fused Adam."""
    from itertools import pairwise

    import torch
    from torch.nn import BCEWithLogitsLoss, Linear, Sequential, Tanh

    hidden = [layer for sizes in pairwise((N_FEATURES, HIDDEN, HIDDEN, HIDDEN)) for layer in (Linear(*sizes), Tanh())]
    network, loss = Sequential(*hidden, Linear(HIDDEN, 1)), BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(network.parameters(), RATE, fused=True)
    features, labels = map(torch.tensor, events())

    def epoch():
        for rows in torch.randperm(N_EVENTS).split(batch_size):
            optimizer.zero_grad()
            loss(network(features[rows])[:, 0], labels[rows]).backward()
            optimizer.step()

    return epoch


def jax_scan(batch_size: int):
    """Trains by a scan over the batches of an epoch inside one compiled function, Adam written out."""
    from itertools import pairwise

    import jax
    import jax.numpy as jnp

    sizes = list(pairwise((N_FEATURES, HIDDEN, HIDDEN, HIDDEN, 1)))
    keys = jax.random.split(jax.random.key(1), len(sizes))
    weights = [(jax.random.normal(k, size) * 0.05, jnp.zeros(size[1])) for k, size in zip(keys, sizes, strict=True)]
    zeros = jax.tree.map(jnp.zeros_like, weights)
    features, labels = map(jnp.array, events())

    def objective(weights, x, y):
        for kernel, bias in weights[:-1]:
            x = jnp.tanh(x @ kernel + bias)
        score = (x @ weights[-1][0] + weights[-1][1])[:, 0]
        return jnp.mean(jnp.logaddexp(0, score) - y * score)

    def step(state, rows):
        weights, first, second, time = state
        gradients, time = jax.grad(objective)(weights, features[rows], labels[rows]), time + 1
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
        rate = RATE * jnp.sqrt(1 - 0.999**time) / (1 - 0.9**time)
        weights = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), weights, first, second)
        return (weights, first, second, time), None

    scan = jax.jit(lambda state, order: jax.lax.scan(step, state, order)[0])
    rng, state = np.random.default_rng(1), [(weights, zeros, zeros, jnp.float32(0))]

    def epoch():
        order = rng.permutation(N_EVENTS)[: N_EVENTS // batch_size * batch_size].reshape(-1, batch_size)
        state[0] = jax.block_until_ready(scan(state[0], jnp.array(order)))

    return epoch


def matrix_peak():
    """Measures the float32 peak of matrix products, operations/s."""
    from higgs_lib.performance import timing

    return lambda: timing.matrix_peak(repeats=7)


CHANGED = {"plain": {}, "dropout": {"dropout": 0.3}, "bfloat16": {"precision": "bfloat16"}}
COMPILER_REPEATS = 3
COMPILER_SIZES = (128, 2048, 4096)

CONTENDERS = {
    "higgs_lib": ours,
    "Keras model.fit": keras_fit,
    "Keras model.fit, tuned": keras_fit_tuned,
    "PyTorch loop": pytorch,
    "JAX scan": jax_scan,
}
PEERS = [name for name in CONTENDERS if name != "higgs_lib"]


def compare(batch_size: int, peak: float, repeats: int) -> dict:
    """Returns the events per second of all loops, and the library's ratios to the others and to the peak."""
    contenders = [Contender(name, make, {"batch_size": batch_size}) for name, make in CONTENDERS.items()]
    contenders.append(Contender("higgs_lib, bfloat16", ours, {"batch_size": batch_size, "precision": "bfloat16"}))
    results = harness.run(contenders, repeats)
    print(harness.table(f"batches of {batch_size}", results, N_EVENTS, "events"))
    rates = {name: harness.rate(N_EVENTS, result["seconds"]) for name, result in results.items()}
    ratios = {name: harness.ratio(results, "higgs_lib", name) for name in PEERS}
    fastest = min(PEERS, key=lambda name: np.median(results[name]["seconds"]))
    fraction = rates["higgs_lib"]["median"] * operations() / peak
    for name, ratio in ratios.items():
        print(harness.describe_ratio("higgs_lib", name, ratio))
    print(f"  {fraction:.2f} of the matrix products' {peak / 1e9:.0f} GFLOP/s; fastest peer: {fastest}", flush=True)
    return {"rates": rates, "ratios": ratios, "fastest_peer": fastest, "matrix_peak": peak, "share_of_peak": fraction}


def compare_compilers(repeats: int) -> dict:
    """Returns the rates of XLA and of the plain graph, between which `tensorflow_engine.prefers_xla` decides."""
    rates = {}
    for network, changes in CHANGED.items():
        for size in COMPILER_SIZES:
            contenders = [
                Contender(name, ours, {"batch_size": size, "jit_compile": xla} | changes)
                for name, xla in (("XLA", True), ("plain graph", False))
            ]
            results = harness.run(contenders, repeats)
            print(harness.table(f"{network}, batches of {size}", results, N_EVENTS, "events"), flush=True)
            rows = {name: harness.rate(N_EVENTS, result["seconds"]) for name, result in results.items()}
            rates.setdefault(network, {})[str(size)] = rows
    return rates


def operations() -> int:
    """Returns the operations of the matrix products per event."""
    from higgs_lib import models

    return models.PRESETS["deep"].operations(N_FEATURES)


def main() -> None:
    """Measures and stores."""
    parser = harness.arguments(__doc__, "training.json")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=BATCH_SIZES, help="events per step")
    options = parser.parse_args()
    peak = harness.run([Contender("matrix products", matrix_peak, {})], 1)["matrix products"]["result"]
    result = {str(size): compare(size, peak, options.repeats) for size in options.batch_sizes}
    about = {"n_events": N_EVENTS, "operations_an_event": operations(), "repeats": options.repeats}
    choices = compare_compilers(COMPILER_REPEATS)
    harness.save(options.result, about | {"batch_sizes": result, "choices": choices})


if __name__ == "__main__":
    main()
