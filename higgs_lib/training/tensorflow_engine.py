"""Training steps inside TensorFlow graphs."""

import logging
import math
import weakref
from collections.abc import MutableMapping
from contextlib import nullcontext
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from higgs_lib.data import Sample
from higgs_lib.models.beam_symmetry import RandomBeamSymmetry
from higgs_lib.models.jet_permutations import RandomJetPermutation
from higgs_lib.training.layers import layers_of, uses_bfloat16

log = logging.getLogger(__name__)

XLA_MAX_BATCH = 2048  # events, on a processor; the matrix products of the plain graph are faster in larger batches
XLA_MAX_BATCH_OF_ONE_THREAD = 1024  # events; in batches of 2048 the plain graph is as fast there
XLA_MIN_STEPS = 1000  # of a training, on a processor; compiling takes as long as fewer steps gain


def gpu() -> str | None:
    """Returns the GPU that TensorFlow computes on; None: the processor."""
    return "GPU:0" if tf.config.get_visible_devices("GPU") else None


def use_threads(cores: int) -> None:
    """Limits TensorFlow to so many threads; it has to be called before anything is computed."""
    tf.config.threading.set_intra_op_parallelism_threads(cores)
    tf.config.threading.set_inter_op_parallelism_threads(cores)  # parallel operations would use more cores otherwise


def use_processor() -> None:
    """Leaves the machine's GPUs alone; it has to be called before anything is computed."""
    tf.config.set_visible_devices([], "GPU")


def prefers_xla(model, batch_size: int, n_steps: float = math.inf) -> bool:
    """Tells whether XLA is expected to make so many steps faster than the plain graph, compilation included.

    On a processor it does in many steps of small batches (measured by `make bench`), with two exceptions: XLA draws the
    random numbers of dropout again at each of their uses, and multiplies slowly in bfloat16 without the processor's
    instructions. On a GPU one launch then does the work of many kernels.
    """
    # these draw at most three numbers per event
    few = (RandomBeamSymmetry, RandomJetPermutation)
    cheap = [layer.seed_generator.state for layer in layers_of(model) if isinstance(layer, few)]
    random = any("seed_generator" in v.path and all(v is not state for state in cheap) for v in model.variables)
    has_one_thread = tf.config.threading.get_intra_op_parallelism_threads() == 1
    max_batch = XLA_MAX_BATCH_OF_ONE_THREAD if has_one_thread else XLA_MAX_BATCH
    gains = batch_size <= max_batch and n_steps >= XLA_MIN_STEPS
    return gpu() is not None or (gains and not random and not uses_bfloat16(model))


_scoring: MutableMapping[keras.Model, tf.types.experimental.PolymorphicFunction] = weakref.WeakKeyDictionary()


def scores(model: keras.Model, features: np.ndarray) -> np.ndarray:
    """Returns what the model gives for features (n, n_features), by one graph for any number of events.

    Keras' `predict` compiles a program by XLA for each number of events, which takes as long as to score some 50,000.
    """
    if model not in _scoring:
        known = weakref.ref(model)  # a function that held the model would keep it for ever
        signature = [tf.TensorSpec((None, *features.shape[1:]), tf.float32)]
        _scoring[model] = tf.function(lambda batch: known()(batch, training=False), signature, autograph=False)
    return _scoring[model](tf.convert_to_tensor(features, tf.float32)).numpy()


class _DeviceSample(NamedTuple):
    """A sample in the memory of a device."""

    features: tf.Tensor
    labels: tf.Tensor

    def take(self, rows: np.ndarray) -> Sample:
        """Returns the events of these rows (n,), as tensors on the device."""
        return Sample(tf.gather(self.features, rows), tf.gather(self.labels, rows))


def keep_on_device(events: Sample, device: str) -> _DeviceSample | Sample:
    """Copies the events to the device if its memory holds them twice, as the steps need memory too."""
    try:
        with tf.device(device):
            copy = _DeviceSample(*map(tf.constant, events))
            tf.zeros_like(copy.features)
        return copy
    except (tf.errors.ResourceExhaustedError, tf.errors.InternalError) as error:
        if isinstance(error, tf.errors.InternalError) and "Dst tensor" not in str(error):  # how a large copy fails
            raise
        log.info("%d events do not fit in the memory of %s; they are copied block by block", events.n_events, device)
        return events


def take_to_device(events: _DeviceSample | Sample, rows: np.ndarray, device: str) -> Sample:
    """Returns the events of these rows (n,), as tensors on the device."""
    with tf.device(device):
        return Sample(*map(tf.convert_to_tensor, events.take(rows)))


class Steps:
    """The steps of one training, which change the variables of model and optimizer in place."""

    def __init__(self, model, optimizer, loss, jit_compile: bool, world_size: int = 1):
        """Prepares the steps.

        Args:
            model: the Keras model.
            optimizer: its optimizer.
            loss: the loss.
            jit_compile: whether XLA compiles the steps.
            world_size: the number of processes that train together.
        """
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self.jit_compile, self.world_size = jit_compile, world_size
        self._traced = {}
        self._graph = tf.function(self._batches, jit_compile=jit_compile)
        self._rest = tf.function(self._batches)
        graphs = self._gradient_vector, self._updated_gradient_vector, self._update_weights
        self._first, self._next, self._last = (tf.function(graph, jit_compile=jit_compile) for graph in graphs)

    def _call(self, graph, *arguments):
        """Returns a graph's results for arrays, and for whole numbers that are part of the graph.

        A plain call would warn of retracing when several models are trained in turn, as each has its own graphs, and
        would take longer.
        """
        tensors = [a if isinstance(a, int) else tf.convert_to_tensor(a) for a in arguments]
        key = graph, *(a if isinstance(a, int) else a.shape for a in arguments)
        if key not in self._traced:
            self._traced[key] = graph.get_concrete_function(*tensors)
        return self._traced[key](*(tensor for tensor in tensors if not isinstance(tensor, int)))

    def running(self) -> nullcontext:
        """Returns a context for the steps of a process group."""
        return nullcontext()

    def _gradients(self, features, labels, weight=1.0):
        """Returns the gradients of this rank's part of the objective, that part, and the scores (n,)."""
        with tf.GradientTape() as tape:
            scores = tf.squeeze(self.model(features, training=True), -1)
            objective = weight * self.loss(labels, scores) + sum(self.model.losses) / self.world_size
        gradients = tape.gradient(objective, self.model.trainable_variables)
        return gradients, objective, tf.cast(scores, tf.float32)

    def step(self, features, labels):
        """Makes a step on features (n, n_features) and labels (n,) inside a graph; returns the scores (n,)."""
        gradients, _, scores = self._gradients(features, labels)
        gradients = _tie_gradients(gradients) if self.jit_compile else gradients
        self.optimizer.apply(gradients, self.model.trainable_variables)
        return scores

    def _batches(self, features, labels, size: int):
        """Makes a step on each batch of `size` events; returns all scores (n,)."""
        n_batches = features.shape[0] // size
        scores = tf.TensorArray(tf.float32, n_batches, element_shape=(size,))
        for number in tf.range(n_batches):
            first = number * size
            batch = tf.slice(features, [first, 0], [size, -1]), tf.slice(labels, [first], [size])
            scores = scores.write(number, self.step(*batch))
        return tf.reshape(scores.stack(), [-1])

    def program(self, events: Sample) -> str:
        """Returns the XLA program of one step on these events, as text."""
        compiled = tf.function(self.step, jit_compile=True)
        return compiled.experimental_get_compiler_ir(*map(tf.convert_to_tensor, events))(stage="optimized_hlo")

    def train(self, events: Sample, size: int) -> np.ndarray:
        """Makes all steps on batches of `size` events in one graph; returns the scores (n,)."""
        return self._call(self._graph, *events, size).numpy()

    def train_rest(self, events: Sample) -> np.ndarray:
        """Makes a step on the events that an epoch leaves over; returns the scores (n,).

        The plain graph makes this single step of an epoch, as XLA would compile it for longer than all of them take.
        """
        return self._call(self._rest, *events, events.n_events).numpy()

    def _gradient_vector(self, features, labels, weight):
        """Returns gradients and objective as one vector, which is one message instead of one per variable."""
        gradients, objective, scores = self._gradients(features, labels, weight)
        pairs = zip(gradients, self.model.trainable_variables, strict=True)
        parts = [*(tf.zeros_like(v) if g is None else tf.convert_to_tensor(g) for g, v in pairs), objective]
        return tf.concat([tf.reshape(tf.cast(part, tf.float32), [-1]) for part in parts], 0), scores

    def _update_weights(self, total):
        """Applies the summed vector."""
        variables = self.model.trainable_variables
        parts = tf.split(total, [*(int(np.prod(variable.shape)) for variable in variables), 1])
        gradients = [tf.reshape(tf.cast(p, v.dtype), v.shape) for p, v in zip(parts[:-1], variables, strict=True)]
        self.optimizer.apply(gradients, variables)

    def _updated_gradient_vector(self, total, *batch):
        """Returns the same as `_gradient_vector`, after it has applied the summed vector."""
        self._update_weights(total)
        return self._gradient_vector(*batch)

    def gradients(self, total: np.ndarray | None, events: Sample, weight: np.float32) -> tuple[np.ndarray, np.ndarray]:
        """Changes the weights by the sum of the last step, and computes the gradients of the next.

        Args:
            total: the sum (k + 1,) of the vectors of all ranks in the last step; None before the first.
            events: this rank's part of the next batch.
            weight: its fraction of the batch, so that the sum over the ranks is the gradient of the whole batch.

        Returns:
            The gradients and, as last element, the objective (k + 1,), and the scores (n,).
        """
        if total is None:
            vector, scores = self._call(self._first, *events, weight)
        else:
            vector, scores = self._call(self._next, total, *events, weight)
        return vector.numpy(), scores.numpy()

    def update(self, total: np.ndarray) -> None:
        """Changes the weights by the sum (k + 1,) of the vectors of all ranks in the last step."""
        self._call(self._last, total)


def _tie_gradients(gradients: list) -> list:
    """Returns the same gradients, each of which depends on all of them.

    XLA then knows that no gradient needs the old weights when the first weight is updated, and updates them in place
    instead of copying them in every step. Adding 0 changes no finite number; one that is not finite makes all so.
    """
    dense = [g if g is None else tf.convert_to_tensor(g) for g in gradients]
    zero = 0.0 * sum(tf.cast(tf.reshape(g, [-1])[0], tf.float32) for g in dense if g is not None)
    return [g if g is None else g + tf.cast(zero, g.dtype) for g in dense]
