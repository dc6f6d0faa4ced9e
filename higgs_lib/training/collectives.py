"""The processes that train one model together, and what they do with each other: sum and gather."""

import json
import os
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from higgs_lib.training.batching import WHOLE, Shard


class ProcessGroup:
    """One process alone, which has nobody to wait for."""

    shard = WHOLE

    stepped: Callable[[], None] = staticmethod(lambda: None)
    """Called after some steps."""

    def all_reduce_sum(self, vector: tf.Tensor) -> tf.Tensor:
        """(n,), summed over the group, inside a graph."""
        return vector

    def all_gather(self, values: np.ndarray) -> np.ndarray:
        """The values (n,) of every worker, after each other; their numbers may differ."""
        return values

    def all_reduce_min(self, values: np.ndarray) -> np.ndarray:
        """(n,), at each place the least of any worker's."""
        return self.all_gather(values).reshape(self.shard.world_size, -1).min(0)


SINGLE_PROCESS = ProcessGroup()


class MultiProcessGroup(ProcessGroup):
    """Processes joined by TensorFlow's multi-worker strategy, of which this is one.

    Model and optimizer are not made under the strategy: each worker has its own, equal to the others' from the first
    step on, and only what is summed goes through it. Keras' optimizers would sum a second time if they were. A process
    can be in one such group in its life, which has to be the first thing that it does with TensorFlow.
    """

    def __init__(self, addresses: list[str], number: int):
        """`addresses` are all workers' (host:port), `number` says which is this one's."""
        task = {"type": "worker", "index": number}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task})
        ring = tf.distribute.experimental.CommunicationImplementation.RING
        self._options = tf.distribute.experimental.CommunicationOptions(implementation=ring)
        self._strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=self._options)
        self.shard = Shard(number, len(addresses))
        self._gather = tf.function(self._gathered_in_graph, reduce_retracing=True)

    def all_reduce_sum(self, vector: tf.Tensor) -> tf.Tensor:
        def summed(vector):
            here = tf.identity(vector)  # on a device, as the strategy needs it
            return tf.distribute.get_replica_context().all_reduce("SUM", here, options=self._options)

        return self._strategy.run(summed, (vector,))

    def _gathered_in_graph(self, values: tf.Tensor) -> tf.Tensor:
        def gathered(values):
            here = tf.identity(values)
            return tf.distribute.get_replica_context().all_gather(here, axis=0, options=self._options)

        return self._strategy.run(gathered, (values,))

    def all_gather(self, values: np.ndarray) -> np.ndarray:
        tensor = tf.convert_to_tensor(values)
        kind = tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype)
        return self._gather.get_concrete_function(kind)(tensor).numpy()


def join_process_group(addresses: list[str], number: int, cores: int) -> ProcessGroup:
    """The group of the processes at these addresses, with `cores` threads in this one, on processors.

    Several workers of one machine would share its GPUs, and the strategy would take each GPU for a worker.
    """
    tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(cores)
    tf.config.threading.set_inter_op_parallelism_threads(cores)  # else operations side by side would use more
    return MultiProcessGroup(addresses, number) if len(addresses) > 1 else ProcessGroup()
