"""Measures training beside what a user would pick instead: events a second against the batch size.

    python benchmarks/training.py --batch-sizes 100 1024 4096

The deep net (3 x 300 tanh on 28 features), Adam at its default rate, data in memory, on the processor.
"""

import functools
from itertools import pairwise

import numpy as np

N_FEATURES, HIDDEN, RATE = 28, 300, 1e-3
BATCH_SIZES = (32, 100, 256, 512, 1024, 2048, 4096, 8192)


def sample(n_events: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, 28) and labels (n,) of no meaning: the arithmetic is the same."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(n_events, N_FEATURES)).astype(np.float32), (rng.random(n_events) < 0.5).astype(np.float32)


def _net(n_events: int, batch_size: int, **changes):
    from dataclasses import replace

    from higgs_lib import models

    spec = replace(models.PRESETS["deep"], **changes)
    standard = models.Standardisation(np.zeros(N_FEATURES), np.ones(N_FEATURES))
    optimizer = models.optimizer(spec, n_events=n_events, batch_size=batch_size, epochs=10)
    return models.build(spec, standard, seed=1), optimizer


def ours(n_events: int, batch_size: int, compiled: bool | None = None, **changes):
    """An epoch of `training.fit`, its shuffling included."""
    import keras

    from higgs_lib import training
    from higgs_lib.samples import Sample

    net, optimizer = _net(n_events, batch_size, **changes)
    compiled = training.compiled_for(net, batch_size) if compiled is None else compiled
    loss = keras.losses.BinaryCrossentropy()
    run = training.Training(net, optimizer, loss, Sample(*sample(n_events)), batch_size, 1, compiled)
    return lambda: run.epoch(1) and None


def keras_fit(n_events: int, batch_size: int):
    """`model.fit` as its documentation shows it."""
    net, optimizer = _net(n_events, batch_size)
    net.compile(optimizer, "binary_crossentropy")
    features, labels = sample(n_events)
    return lambda: net.fit(features, labels, batch_size=batch_size, verbose=0).history["loss"][-1]


def keras_fit_tuned(n_events: int, batch_size: int):
    """`model.fit` on a tf.data pipeline, with several steps a call and XLA."""
    import tensorflow as tf

    net, optimizer = _net(n_events, batch_size)
    net.compile(optimizer, "binary_crossentropy", steps_per_execution=64, jit_compile=True)
    events = tf.data.Dataset.from_tensor_slices(sample(n_events)).cache().shuffle(n_events)
    events = events.batch(batch_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
    return lambda: net.fit(events, verbose=0).history["loss"][-1]


def pytorch(n_events: int, batch_size: int):
    """The usual loop, over tensors in memory, with the fused Adam."""
    import torch
    from torch.nn import BCEWithLogitsLoss, Linear, Sequential, Tanh

    widths = (N_FEATURES, HIDDEN, HIDDEN, HIDDEN)
    hidden = [layer for sizes in pairwise(widths) for layer in (Linear(*sizes), Tanh())]
    net, loss = Sequential(*hidden, Linear(HIDDEN, 1)), BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(net.parameters(), RATE, fused=True)
    features, labels = map(torch.tensor, sample(n_events))

    def epoch():
        for rows in torch.randperm(n_events).split(batch_size):
            optimizer.zero_grad()
            loss(net(features[rows])[:, 0], labels[rows]).backward()
            optimizer.step()

    return epoch


def jax_scan(n_events: int, batch_size: int):
    """A scan over the batches of an epoch inside one compiled function, Adam written out."""
    import jax
    import jax.numpy as jnp

    widths = (N_FEATURES, HIDDEN, HIDDEN, HIDDEN, 1)
    keys = jax.random.split(jax.random.key(1), 4)
    shapes = zip(keys, pairwise(widths), strict=True)
    weights = [(jax.random.normal(key, (a, b)) * 0.05, jnp.zeros(b)) for key, (a, b) in shapes]
    zeros = jax.tree.map(jnp.zeros_like, weights)
    features, labels = map(jnp.array, sample(n_events))

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
        order = rng.permutation(n_events)[: n_events // batch_size * batch_size].reshape(-1, batch_size)
        state[0] = jax.block_until_ready(scan(state[0], jnp.array(order)))

    return epoch


def matrix_multiply(size: int = 2048):
    """2 size^3 operations in float32, by numpy's library."""
    matrix = np.random.default_rng(1).normal(size=(size, size)).astype(np.float32)
    return functools.partial(np.matmul, matrix, matrix, np.empty_like(matrix))
