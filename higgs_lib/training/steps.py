"""Training steps inside one TensorFlow graph, for a single process or for a group that sums its gradients."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from higgs_lib.data import Sample
from higgs_lib.models.beam_symmetry import RandomBeamSymmetry
from higgs_lib.models.jet_permutations import RandomJetPermutation
from higgs_lib.training.batching import Block
from higgs_lib.training.collectives import ProcessGroup

XLA_MAX_BATCH = 2048  # events, on a processor; the matrix products of the plain graph are faster in larger batches

STEPS_PER_CALL = 200  # of a process group, so that a hanging worker is noticed soon


class StepResults(NamedTuple):
    """The results of some steps in one process."""

    scores: np.ndarray
    """The scores (n,) of the process' events, each with the weights before its step."""
    losses: np.ndarray
    """The mean over the whole batch of each step (n_steps,), with regularisation; empty for a single process."""
    all_reduce: np.ndarray
    """The seconds of each gradient all-reduce (n_steps,), including waiting; empty for a single process."""


TrainBlock = Callable[[Sample, Block, int], StepResults]
"""A function that trains on the events of a block in their order, given the block and the batch size over all ranks."""


def has_gpu() -> bool:
    """Tells whether TensorFlow computes on a GPU."""
    return bool(tf.config.get_visible_devices("GPU"))


def _layers(layer) -> Iterator[keras.layers.Layer]:
    """Yields a model and all layers in it, including nested ones."""
    yield layer
    for inner in getattr(layer, "layers", ()):
        yield from _layers(inner)


def uses_bfloat16(model) -> bool:
    """Tells whether any layer multiplies in bfloat16."""
    return any(layer.compute_dtype == "bfloat16" for layer in _layers(model))


def prefers_xla(model, batch_size: int) -> bool:
    """Tells whether XLA is expected to train the model faster than the plain graph.

    On a processor it does in small batches (measured by `make bench`), with two exceptions: XLA draws the random
    numbers of dropout again at each of their uses, and multiplies slowly in bfloat16 without the processor's
    instructions. On a GPU one launch then does the work of many kernels.
    """
    # these draw at most three numbers per event
    few = (RandomBeamSymmetry, RandomJetPermutation)
    cheap = [layer.seed_generator.state for layer in _layers(model) if isinstance(layer, few)]
    random = any("seed_generator" in v.path and all(v is not state for state in cheap) for v in model.variables)
    return has_gpu() or (batch_size <= XLA_MAX_BATCH and not random and not uses_bfloat16(model))


def offset_dropout_seeds(model, rank: int) -> None:
    """Adds the rank to the seeds of dropout, so that ranks drop different outputs; rank 0 those of a single process."""
    for variable in model.variables:
        if "seed_generator" in variable.path:
            seed = np.array(variable)
            seed[0] += rank
            variable.assign(seed)


def bytes_sent(model, group: ProcessGroup, precision: str) -> float:
    """Returns the bytes that each rank sends per step in a ring all-reduce (Patarasuk and Yuan 2009)."""
    values = 1 + sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)  # 1: the objective
    return 2 * (group.shard.world_size - 1) / group.shard.world_size * values * tf.as_dtype(precision).size


def _gradients(model, loss, features, labels, weight=1.0, world_size: int = 1):
    """Returns the gradients of this rank's part of the objective, that part, and the scores (n,).

    `weight` is the rank's fraction of the batch, so that the sum over the ranks is the objective of the whole batch.
    """
    with tf.GradientTape() as tape:
        scores = tf.squeeze(model(features, training=True), -1)
        objective = weight * loss(labels, scores) + sum(model.losses) / world_size
    gradients = tape.gradient(objective, model.trainable_variables)
    return gradients, objective, tf.cast(scores, tf.float32)


def _tie_gradients(gradients: list) -> list:
    """Returns the same gradients, each of which depends on all of them.

    XLA then knows that no gradient needs the old weights when the first weight is updated, and updates them in place
    instead of copying them in every step. Adding 0 changes no finite number; one that is not finite makes all so.
    """
    dense = [g if g is None else tf.convert_to_tensor(g) for g in gradients]
    zero = 0.0 * sum(tf.cast(tf.reshape(g, [-1])[0], tf.float32) for g in dense if g is not None)
    return [g if g is None else g + tf.cast(zero, g.dtype) for g in dense]


def make_train_step(model, optimizer, loss, jit_compile: bool) -> Callable:
    """Returns one step of a single process, for use inside a graph.

    Args:
        model: the Keras model, updated in place.
        optimizer: its optimizer.
        loss: the loss.
        jit_compile: whether XLA will compile the graph.

    Returns:
        A function of features (n, n_features) and labels (n,) that returns the scores (n,).
    """

    def step(features, labels):
        gradients, _, scores = _gradients(model, loss, features, labels)
        optimizer.apply(_tie_gradients(gradients) if jit_compile else gradients, model.trainable_variables)
        return scores

    return step


def make_train_block(model, optimizer, loss, jit_compile: bool, group: ProcessGroup, precision: str) -> TrainBlock:
    """Returns a function that trains on a block of batches.

    Args:
        model: the Keras model, updated in place.
        optimizer: its optimizer.
        loss: the loss.
        jit_compile: whether XLA compiles the steps.
        group: the processes that train together.
        precision: the type in which the group sums gradients.

    Returns:
        The function.
    """
    optimizer.build(model.trainable_variables)
    if group.shard.world_size == 1:
        return _make_single_process_block(model, optimizer, loss, jit_compile, group)
    return _make_process_group_block(model, optimizer, loss, jit_compile, group, tf.as_dtype(precision))


def _make_single_process_block(model, optimizer, loss, jit_compile: bool, group: ProcessGroup) -> TrainBlock:
    """Returns a function that trains the whole batches of a block in one graph and a smaller batch in another."""
    step = make_train_step(model, optimizer, loss, jit_compile)

    @tf.function(jit_compile=jit_compile)
    def train_batches(features, labels, size: int):
        n_batches = features.shape[0] // size
        scores = tf.TensorArray(tf.float32, n_batches, element_shape=(size,))
        for number in tf.range(n_batches):
            scores = scores.write(number, step(*_slice_batch(features, labels, number, size)))
        return tf.reshape(scores.stack(), [-1])

    def train_block(events: Sample, block: Block, batch_size: int) -> StepResults:
        n_whole, empty = block.whole.size, np.empty(0, np.float32)
        parts = [(events.slice(0, n_whole), batch_size)] if n_whole else []
        parts += [(events.slice(n_whole), block.n_rest)] if block.n_rest else []
        scores = np.concatenate([_call_graph(train_batches, part, size) for part, size in parts])
        group.on_steps_end()
        return StepResults(scores, empty, empty)

    return train_block


def _make_process_group_block(
    model, optimizer, loss, jit_compile: bool, group: ProcessGroup, dtype: tf.DType
) -> TrainBlock:
    """Returns a function that trains this rank's part of a block.

    The loop over the batches is a plain graph; XLA compiles what precedes and follows each all-reduce.
    """
    variables = model.trainable_variables
    sizes = [int(np.prod(variable.shape)) for variable in variables] + [1]

    @tf.function(jit_compile=jit_compile)
    def compute_gradients(features, labels, weight):
        """Returns gradients and objective as one vector, which is one message instead of one per variable."""
        gradients, objective, scores = _gradients(model, loss, features, labels, weight, group.shard.world_size)
        pairs = zip(gradients, variables, strict=True)
        parts = [*(tf.zeros_like(v) if g is None else tf.convert_to_tensor(g) for g, v in pairs), objective]
        return tf.concat([tf.reshape(tf.cast(part, dtype), [-1]) for part in parts], 0), scores

    @tf.function(jit_compile=jit_compile)
    def update_weights(total):
        """Applies the summed vector and returns the objective of the whole batch."""
        *parts, objective = tf.split(total, sizes)
        gradients = [tf.reshape(tf.cast(p, v.dtype), v.shape) for p, v in zip(parts, variables, strict=True)]
        optimizer.apply(gradients, variables)
        return tf.cast(objective[0], tf.float32)

    @tf.function
    def train_batches(features, labels, size: int, weight):
        n_batches = tf.shape(labels)[0] // size
        scores = tf.TensorArray(tf.float32, n_batches, element_shape=(size,))
        losses = tf.TensorArray(tf.float32, n_batches, element_shape=())
        seconds = tf.TensorArray(tf.float64, n_batches, element_shape=())
        for number in tf.range(n_batches):
            vector, batch_scores = compute_gradients(*_slice_batch(features, labels, number, size), weight)
            total, elapsed = _timed_all_reduce(group, vector)
            scores, losses = scores.write(number, batch_scores), losses.write(number, update_weights(total))
            seconds = seconds.write(number, elapsed)
        return tf.reshape(scores.stack(), [-1]), losses.stack(), seconds.stack()

    def train_block(events: Sample, block: Block, batch_size: int) -> StepResults:
        results = []
        for part, size, weight in _split_into_calls(events, block, batch_size):
            results.append(_call_graph(train_batches, part, size, weight, any_length=True))
            group.on_steps_end()
        scores, losses, seconds = (np.concatenate(values) for values in zip(*results, strict=True))
        return StepResults(scores[: events.n_events], losses, seconds)

    return train_block


def _split_into_calls(events: Sample, block: Block, batch_size: int) -> list[tuple[Sample, int, np.float32]]:
    """Returns a rank's events of each call of the graph, their number per step and their fraction of the batch."""
    n_whole, (_, size) = block.whole.size, block.whole.shape
    starts = range(0, n_whole, STEPS_PER_CALL * size)
    fraction = np.float32(size / batch_size)
    calls = [(events.slice(start, min(start + starts.step, n_whole)), size, fraction) for start in starts]
    if len(block.rest):
        calls.append((events.slice(n_whole), len(block.rest), np.float32(len(block.rest) / block.n_rest)))
    elif block.n_rest:  # only other ranks have events in this batch, but all ranks must join the all-reduce
        placeholder = Sample(np.zeros((1, events.features.shape[1]), np.float32), np.zeros(1, np.float32))
        calls.append((placeholder, 1, np.float32(0)))
    return calls


def _slice_batch(features, labels, number, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the features and labels of batch `number`, counted from 0."""
    first = number * size
    return tf.slice(features, [first, 0], [size, -1]), tf.slice(labels, [first], [size])


def _timed_all_reduce(group: ProcessGroup, vector: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the sum of the ranks' vectors and the seconds that it took, inside a graph."""
    ready = tf.identity(vector)  # an operation that waits for the values, as `vector` may be the output of a call
    with tf.control_dependencies([ready]):
        start = tf.timestamp()
    with tf.control_dependencies([start]):
        total = group.all_reduce_sum(tf.identity(ready))
    with tf.control_dependencies([total]):
        return total, tf.timestamp() - start


def _call_graph(graph, events: Sample, size: int, *scalars: np.float32, any_length: bool = False):
    """Returns a graph's results as arrays; with `any_length` it is traced once for all numbers of events.

    A plain call would warn of retracing when several models are trained in turn, as each has its own graphs.
    """
    tensors = [tf.convert_to_tensor(values) for values in (*events, *scalars)]
    signature = [tf.TensorSpec([None, *t.shape[1:]], t.dtype) if any_length else t for t in tensors[:2]]
    concrete = graph.get_concrete_function(*signature, size, *tensors[2:])
    return tf.nest.map_structure(lambda result: result.numpy(), concrete(*tensors))
