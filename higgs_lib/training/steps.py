"""Training steps inside one graph, of one device or of several processes that add their gradients."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from higgs_lib.data import Sample
from higgs_lib.models.jet_permutations import RandomJetPermutation
from higgs_lib.training.batching import Block
from higgs_lib.training.collectives import ProcessGroup

COMPILED_UP_TO = 2048  # events a batch, on a processor; above, the plain graph's matrix products are the faster

STEPS_A_CALL = 200  # of several workers, so that a worker that stands still is seen soon


class StepResults(NamedTuple):
    """What some steps gave, as one worker sees them."""

    scores: np.ndarray
    """(n,) of its events, with the weights before their step."""
    losses: np.ndarray
    """(n_steps,) mean over the whole batch, with regularisation; empty on one device alone."""
    all_reduce: np.ndarray
    """(n_steps,) seconds that the sum over the workers took, the wait for them included; empty for one process alone.
    """


def has_gpu() -> bool:
    """Whether TensorFlow computes on one."""
    return bool(tf.config.get_visible_devices("GPU"))


def uses_bfloat16(model) -> bool:
    """Whether some layer multiplies in bfloat16."""
    return any(layer.compute_dtype == "bfloat16" for layer in _layers(model))


def _layers(layer) -> Iterator[keras.layers.Layer]:
    """A model's layers, those inside others too."""
    yield layer
    for inner in getattr(layer, "layers", ()):
        yield from _layers(inner)


def offset_dropout_seeds(model, number: int) -> None:
    """Each worker or device draws other numbers, so that they drop other outputs; the first those of one alone."""
    for variable in model.variables:
        if "seed_generator" in variable.path:
            seed = np.array(variable)
            seed[0] += number
            variable.assign(seed)


def prefers_xla(model, batch_size: int) -> bool:
    """Whether XLA trains the model faster than the plain graph.

    On a processor it does in batches that are not large, unless it would draw the random numbers of dropout anew at
    each of their uses or multiply in bfloat16 without the processor's instructions (as `make bench` measures). On a GPU
    it is taken to, since one launch then does the work of many.
    """
    few = [
        layer.seed_generator.state for layer in _layers(model) if isinstance(layer, RandomJetPermutation)
    ]  # one an event
    random = any("seed_generator" in v.path and not any(v is state for state in few) for v in model.variables)
    return has_gpu() or (batch_size <= COMPILED_UP_TO and not random and not uses_bfloat16(model))


def _together(gradients: list) -> list:
    """The same gradients, each of which depends on all.

    Weights are then stepped when no gradient needs them any more, so that XLA writes the new ones over the old ones. It
    copies them in every step if not. Adding 0 changes no finite number; one that is not finite makes all so.
    """
    dense = [g if g is None else tf.convert_to_tensor(g) for g in gradients]
    nothing = 0.0 * sum(tf.cast(tf.reshape(g, [-1])[0], tf.float32) for g in dense if g is not None)
    return [g if g is None else g + tf.cast(nothing, g.dtype) for g in dense]


def _gradients(model, loss, features, labels, weight=1.0, n_workers: int = 1):
    """Gradients of this worker's part of the objective, that part, and the scores (n,).

    `weight` is its share of the batch's events. Summed over the workers the objective is that of the whole batch.
    """
    with tf.GradientTape() as tape:
        scores = tf.squeeze(model(features, training=True), -1)
        objective = weight * loss(labels, scores) + sum(model.losses) / n_workers
    gradients = tape.gradient(objective, model.trainable_variables)
    return gradients, objective, tf.cast(scores, tf.float32)


def bytes_sent(model, group: ProcessGroup, precision: str) -> float:
    """What each worker of a group sends in a step, by the ring's rule (Patarasuk and Yuan 2009)."""
    values = 1 + sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)  # the objective goes along
    return 2 * (group.shard.world_size - 1) / group.shard.world_size * values * tf.as_dtype(precision).size


def of(
    model, optimizer, loss, jit_compile: bool, group: ProcessGroup, precision: str
) -> Callable[[Sample, Block, int], StepResults]:
    """A function that trains on a block, on one device: of its events in their order, their rows, and the size of its
    whole batches.

    `precision` is the type in which a group's gradients are summed.
    """
    optimizer.build(model.trainable_variables)
    if group.shard.world_size == 1:
        return _alone(model, optimizer, loss, jit_compile, group)
    return _in_team(model, optimizer, loss, jit_compile, group, tf.as_dtype(precision))


def single(model, optimizer, loss, jit_compile: bool) -> Callable:
    """One step of one process: a function of features (n, n_features) and labels (n,), to be traced; gives scores (n,).

    `jit_compile` says that XLA will compile it.
    """
    variables = model.trainable_variables

    def step(features, labels):
        gradients, _, scores = _gradients(model, loss, features, labels)
        optimizer.apply(_together(gradients) if jit_compile else gradients, variables)
        return scores

    return step


def _alone(
    model, optimizer, loss, jit_compile: bool, group: ProcessGroup
) -> Callable[[Sample, Block, int], StepResults]:
    """All whole batches of a block are one graph, which XLA compiles if `jit_compile`; the last batch is another."""
    step = single(model, optimizer, loss, jit_compile)

    @partial(tf.function, jit_compile=jit_compile)
    def batches(features, labels, size: int):
        n_batches = features.shape[0] // size
        scores = tf.TensorArray(tf.float32, n_batches, element_shape=(size,))
        for number in tf.range(n_batches):
            scores = scores.write(number, step(*batch_of(features, labels, number, size)))
        return tf.reshape(scores.stack(), [-1])

    def block(events: Sample, rows: Block, batch_size: int) -> StepResults:
        edge, nothing = rows.whole.size, np.empty(0, np.float32)
        parts = [(events.slice(0, edge), batch_size)] if edge else []
        parts += [(events.slice(edge), rows.n_rest)] if rows.n_rest else []
        scores = np.concatenate([called(batches, part, size) for part, size in parts])
        group.stepped()
        return StepResults(scores, nothing, nothing)

    return block


def batch_of(features, labels, number, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The features and labels of a block's batch of this number, from 0."""
    first = number * size
    return tf.slice(features, [first, 0], [size, -1]), tf.slice(labels, [first], [size])


def halves(model, optimizer, loss, jit_compile: bool, n_parts: int, precision) -> tuple[Callable, Callable]:
    """A step's two halves, between which the gradients of `n_parts` workers or devices are summed.

    The first gives gradients and objective of a part of a batch, in `precision` and as one vector: one message each way
    instead of one a variable; and the scores. The second takes the sum of the vectors and gives the whole objective.
    """
    variables = model.trainable_variables
    sizes = [int(np.prod(variable.shape)) for variable in variables] + [1]

    @partial(tf.function, jit_compile=jit_compile)
    def flat_gradients(features, labels, weight):
        gradients, objective, scores = _gradients(model, loss, features, labels, weight, n_parts)
        pairs = zip(gradients, variables, strict=True)
        parts = [*(tf.zeros_like(v) if g is None else tf.convert_to_tensor(g) for g, v in pairs), objective]
        return tf.concat([tf.reshape(tf.cast(part, precision), [-1]) for part in parts], 0), scores

    @partial(tf.function, jit_compile=jit_compile)
    def apply(total):
        *parts, objective = tf.split(total, sizes)
        gradients = [tf.reshape(tf.cast(p, v.dtype), v.shape) for p, v in zip(parts, variables, strict=True)]
        optimizer.apply(gradients, variables)
        return tf.cast(objective[0], tf.float32)

    return flat_gradients, apply


def _in_team(
    model, optimizer, loss, jit_compile: bool, group: ProcessGroup, precision
) -> Callable[[Sample, Block, int], StepResults]:
    """The loop over batches is a plain graph; what comes before and after each sum is compiled by XLA if `jit_compile`."""
    flat_gradients, apply = halves(model, optimizer, loss, jit_compile, group.shard.world_size, precision)

    @tf.function
    def batches(features, labels, size: int, weight):
        n_batches = tf.shape(labels)[0] // size
        scores = tf.TensorArray(tf.float32, n_batches, element_shape=(size,))
        losses, seconds = (tf.TensorArray(kind, n_batches, element_shape=()) for kind in (tf.float32, tf.float64))
        for number in tf.range(n_batches):
            vector, passed = flat_gradients(*batch_of(features, labels, number, size), weight)
            total, taken = _timed(group.all_reduce_sum, vector)
            scores, losses = scores.write(number, passed), losses.write(number, apply(total))
            seconds = seconds.write(number, taken)
        return tf.reshape(scores.stack(), [-1]), losses.stack(), seconds.stack()

    def block(events: Sample, rows: Block, batch_size: int) -> StepResults:
        passed = []
        for part, size, weight in parts(events, rows, batch_size):
            passed.append(called(batches, part, size, weight, of_any_length=True))
            group.stepped()
        scores, losses, seconds = (np.concatenate(values) for values in zip(*passed, strict=True))
        return StepResults(scores[: len(events.labels)], losses, seconds)

    return block


def parts(events: Sample, rows: Block, batch_size: int) -> list[tuple[Sample, int, np.float32]]:
    """A worker's or device's part of a block for each call: events, how many a step, and their share of the batch."""
    edge, (_, size) = rows.whole.size, rows.whole.shape
    calls = range(0, edge, STEPS_A_CALL * size)
    share = np.float32(size / batch_size)
    found = [(events.slice(first, min(first + calls.step, edge)), size, share) for first in calls]
    if len(rows.rest):
        found.append((events.slice(edge), len(rows.rest), np.float32(len(rows.rest) / rows.n_rest)))
    elif rows.n_rest:  # others have events in this batch, so that this worker has to join in the sum
        nothing = Sample(np.zeros((1, events.features.shape[1]), np.float32), np.zeros(1, np.float32))
        found.append((nothing, 1, np.float32(0)))
    return found


def _timed(function, tensor: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """What a function of a tensor gives inside a graph, and the seconds that it took."""
    here = tf.identity(tensor)  # an operation that waits for the values, where the tensor may come from a call
    with tf.control_dependencies([here]):
        start = tf.timestamp()
    with tf.control_dependencies([start]):
        result = function(tf.identity(here))
    with tf.control_dependencies([result]):
        return result, tf.timestamp() - start


def called(graph, events: Sample, size, *values, of_any_length: bool = False):
    """What a graph gives for the events in batches of this size, as arrays; one graph for all numbers of them if asked.

    Instead of one array or size there may be a tuple, with one a device. A plain call would warn of tracing when
    several nets are trained after each other, as each has graphs of its own.
    """
    features, labels, *others = tf.nest.map_structure(tf.convert_to_tensor, (*events, *values))
    kinds = tf.nest.map_structure(lambda t: _any_length(t) if of_any_length else t, (features, labels))
    concrete = graph.get_concrete_function(*kinds, size, *others)
    return tf.nest.map_structure(lambda tensor: tensor.numpy(), concrete(*tf.nest.flatten((features, labels, *others))))


def _any_length(tensor: tf.Tensor) -> tf.TensorSpec:
    return tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype)
