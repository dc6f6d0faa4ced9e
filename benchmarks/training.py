"""Measures training beside what a user would pick instead: events a second against the batch size.

    make bench            # this and the others, with the peers installed

The deep net (3 x 300 tanh, 28 features), Adam at its default rate, events in memory, on the processor. An epoch's time
holds the shuffling of its events, in all of them.
"""

import contest
import numpy as np
from contest import Contender

N_EVENTS = 65_536
N_FEATURES, HIDDEN, RATE = 28, 300, 1e-3
BATCH_SIZES = (100, 256, 1024, 4096, 8192)


def events() -> tuple[np.ndarray, np.ndarray]:
    """Features (n, 28) and labels (n,) of no meaning; the arithmetic is the same."""
    rng = np.random.default_rng(1)
    features = rng.standard_normal((N_EVENTS, N_FEATURES), np.float32)
    return features, (rng.random(N_EVENTS) < 0.5).astype(np.float32)


def _net(batch_size: int, **changes):
    from dataclasses import replace

    from higgs_lib import models

    spec = replace(models.PRESETS["deep"], **changes)
    standard = models.Standardisation(np.zeros(N_FEATURES), np.ones(N_FEATURES))
    optimizer = models.optimizer(spec, n_events=N_EVENTS, batch_size=batch_size, epochs=10)
    return models.build(spec, standard, seed=1), optimizer


def ours(batch_size: int, compiled: bool | None = None, **changes):
    """An epoch of `training.fit`."""
    from higgs_lib.data import Sample
    from higgs_lib.performance import timing

    return timing.library_epoch(*_net(batch_size, **changes), Sample(*events()), batch_size, compiled)


def keras_fit(batch_size: int):
    """`model.fit` as its documentation shows it."""
    from higgs_lib.data import Sample
    from higgs_lib.performance import timing

    return timing.keras_epoch(*_net(batch_size), Sample(*events()), batch_size)


def keras_fit_tuned(batch_size: int):
    """`model.fit` on a tf.data pipeline, with several steps a call and XLA."""
    import tensorflow as tf

    net, optimizer = _net(batch_size)
    net.compile(optimizer, "binary_crossentropy", steps_per_execution=64, jit_compile=True)
    pipeline = tf.data.Dataset.from_tensor_slices(events()).cache().shuffle(N_EVENTS)
    pipeline = pipeline.batch(batch_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
    return lambda: net.fit(pipeline, shuffle=False, verbose=0) and None


def pytorch(batch_size: int):
    """The usual loop over tensors in memory, with the fused Adam."""
    from itertools import pairwise

    import torch
    from torch.nn import BCEWithLogitsLoss, Linear, Sequential, Tanh

    hidden = [layer for sizes in pairwise((N_FEATURES, HIDDEN, HIDDEN, HIDDEN)) for layer in (Linear(*sizes), Tanh())]
    net, loss = Sequential(*hidden, Linear(HIDDEN, 1)), BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(net.parameters(), RATE, fused=True)
    features, labels = map(torch.tensor, events())

    def epoch():
        for rows in torch.randperm(N_EVENTS).split(batch_size):
            optimizer.zero_grad()
            loss(net(features[rows])[:, 0], labels[rows]).backward()
            optimizer.step()

    return epoch


def jax_scan(batch_size: int):
    """A scan over the batches of an epoch inside one compiled function, Adam written out."""
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


def matrix_product(library: str):
    """The ceiling."""
    from higgs_lib.performance import timing

    return timing.matrix_products()[library]


CHANGED = {"plain": {}, "dropout": {"dropout": 0.3}, "bfloat16": {"precision": "bfloat16"}}
CHOICE_REPEATS = 3
CHOICE_SIZES = (128, 2048, 4096)

MATRIX_LIBRARIES = ("numpy", "TensorFlow")

CONTENDERS = {
    "higgs_lib": ours,
    "Keras model.fit": keras_fit,
    "Keras model.fit, tuned": keras_fit_tuned,
    "PyTorch loop": pytorch,
    "JAX scan": jax_scan,
}
PEERS = [name for name in CONTENDERS if name != "higgs_lib"]


def of_batch_size(batch_size: int, repeats: int) -> dict:
    """Rates of all, in events a second, and our ratios to them."""
    contenders = [Contender(name, make, {"batch_size": batch_size}) for name, make in CONTENDERS.items()]
    contenders.append(Contender("higgs_lib, bfloat16", ours, {"batch_size": batch_size, "precision": "bfloat16"}))
    contenders += [
        Contender(f"matrix products, {name}", matrix_product, {"library": name}) for name in MATRIX_LIBRARIES
    ]
    results = contest.run(contenders, repeats)
    products = [results.pop(f"matrix products, {name}") for name in MATRIX_LIBRARIES]
    peak = max(contest.rate(2 * matrix_size() ** 3, product["seconds"])["median"] for product in products)
    print(contest.table(f"batches of {batch_size}", results, N_EVENTS, "events"))
    rates = {name: contest.rate(N_EVENTS, result["seconds"]) for name, result in results.items()}
    ratios = {name: contest.ratio(results, "higgs_lib", name) for name in PEERS}
    fastest = min(PEERS, key=lambda name: np.median(results[name]["seconds"]))
    share = rates["higgs_lib"]["median"] * operations() / peak
    for name, ratio in ratios.items():
        print(contest.compared("higgs_lib", name, ratio))
    print(f"  {share:.2f} of the matrix products' {peak / 1e9:.0f} GFLOP/s; fastest peer: {fastest}", flush=True)
    return {"rates": rates, "ratios": ratios, "fastest_peer": fastest, "matrix_peak": peak, "share_of_peak": share}


def choices(repeats: int) -> dict:
    """What `training.compiled_for` chooses between: rates of XLA and of the plain graph, by net and batch size."""
    found = {}
    for net, changes in CHANGED.items():
        for batch_size in CHOICE_SIZES:
            loops = {"XLA": True, "plain graph": False}
            arguments = {name: {"batch_size": batch_size, "compiled": xla} | changes for name, xla in loops.items()}
            results = contest.run([Contender(name, ours, arguments[name]) for name in loops], repeats)
            print(contest.table(f"{net}, batches of {batch_size}", results, N_EVENTS, "events"), flush=True)
            rates = {name: contest.rate(N_EVENTS, result["seconds"]) for name, result in results.items()}
            found.setdefault(net, {})[str(batch_size)] = rates
    return found


def matrix_size() -> int:
    """Rows and columns of the matrices that are multiplied."""
    from higgs_lib.performance import timing

    return timing.MATRIX_SIZE


def operations() -> int:
    """Of matrix products, an event."""
    from higgs_lib import models

    return models.PRESETS["deep"].operations(N_FEATURES)


def main() -> None:
    parser = contest.arguments(__doc__, "training.json")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=BATCH_SIZES)
    options = parser.parse_args()
    found = {str(batch_size): of_batch_size(batch_size, options.repeats) for batch_size in options.batch_sizes}
    about = {"n_events": N_EVENTS, "operations_an_event": operations(), "repeats": options.repeats}
    chosen = choices(CHOICE_REPEATS)
    contest.save(options.result, about | {"batch_sizes": found, "choices": chosen})


if __name__ == "__main__":
    main()
