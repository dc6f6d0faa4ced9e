"""The processes that train one model together, and their collective operations."""

import json
import os
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from higgs_lib.training.batching import Shard


class ProcessGroup:
    """A group of one process, whose collective operations return their input."""

    shard = Shard()

    on_steps_end: Callable[[], None] = staticmethod(lambda: None)
    """A function that is called after every few steps."""

    def all_reduce_sum(self, vector: tf.Tensor) -> tf.Tensor:
        """Returns the sum (n,) of the vectors (n,) of all ranks; works inside a graph."""
        return vector

    def all_gather(self, values: np.ndarray) -> np.ndarray:
        """Returns the values (n,) of all ranks, concatenated; n may differ between ranks."""
        return values

    def all_reduce_min(self, values: np.ndarray) -> np.ndarray:
        """Returns the minimum (n,) over the ranks of each of the values (n,)."""
        return self.all_gather(values).reshape(self.shard.world_size, -1).min(0)


SINGLE_PROCESS = ProcessGroup()


class MultiProcessGroup(ProcessGroup):
    """Processes joined by TensorFlow's multi-worker strategy; this object belongs to one of them.

    Every rank creates model and optimizer outside the strategy, with equal initial weights, and uses the strategy for
    collective operations alone: under the strategy, Keras' optimizers would sum the gradients a second time. A process
    can join only one such group in its life, before it does anything else with TensorFlow.
    """

    def __init__(self, addresses: list[str], rank: int):
        """Joins the processes at these addresses (host:port), of which `rank` is this one's index."""
        task = {"type": "worker", "index": rank}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task})
        ring = tf.distribute.experimental.CommunicationImplementation.RING
        self._options = tf.distribute.experimental.CommunicationOptions(implementation=ring)
        self._strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=self._options)
        self.shard = Shard(rank, len(addresses))
        self._all_gather = tf.function(self._all_gather_in_graph, reduce_retracing=True)

    def all_reduce_sum(self, vector: tf.Tensor) -> tf.Tensor:
        """Returns the sum (n,) of the vectors (n,) of all ranks; works inside a graph."""

        def replica_sum(vector):
            on_device = tf.identity(vector)  # the strategy takes only tensors that lie on a device
            return tf.distribute.get_replica_context().all_reduce("SUM", on_device, options=self._options)

        return self._strategy.run(replica_sum, (vector,))

    def _all_gather_in_graph(self, values: tf.Tensor) -> tf.Tensor:
        """Returns the values (n,) of all ranks, concatenated, inside a graph."""

        def replica_gather(values):
            on_device = tf.identity(values)
            return tf.distribute.get_replica_context().all_gather(on_device, axis=0, options=self._options)

        return self._strategy.run(replica_gather, (values,))

    def all_gather(self, values: np.ndarray) -> np.ndarray:
        """Returns the values (n,) of all ranks, concatenated; n may differ between ranks."""
        tensor = tf.convert_to_tensor(values)
        any_length = tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype)
        return self._all_gather.get_concrete_function(any_length)(tensor).numpy()


def join_process_group(addresses: list[str], rank: int, cores: int) -> ProcessGroup:
    """Joins the processes at these addresses (host:port) as number `rank`, with `cores` threads in this process.

    The group computes on processors: workers on one machine would share its GPUs, and the strategy would take each GPU
    for a worker.
    """
    tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(cores)
    tf.config.threading.set_inter_op_parallelism_threads(cores)  # parallel operations would use more cores otherwise
    return MultiProcessGroup(addresses, rank) if len(addresses) > 1 else ProcessGroup()
