"""What a training step consists of, as TensorFlow runs it: operations of the graph, kernels of XLA."""

import re
from collections.abc import Callable

import tensorflow as tf

SILENT = {
    *("Const", "Placeholder", "NoOp", "Identity", "IdentityN", "ReadVariableOp", "Reshape", "Squeeze", "ExpandDims"),
}
"""Operations that start nothing on a device."""


KERNELS = (
    *("fusion", "dot", "convolution", "custom-call", "copy", "reduce", "call", "while", "sort"),
    *("scatter", "gather", "transpose", "concatenate", "broadcast"),
)


def in_graph(step: Callable, *, n_features: int, batch_size: int) -> int:
    """Operations in the graph of a step of features (batch_size, n_features) and labels (batch_size,).

    Each is started by itself, but for what TensorFlow's own optimiser takes out or joins before it runs the graph.
    """
    graph = tf.function(step).get_concrete_function(*_batch(n_features, batch_size)).graph
    return sum(operation.type not in SILENT for operation in graph.get_operations())


def in_xla(step: Callable, *, n_features: int, batch_size: int) -> int:
    """Kernels that XLA makes of such a step for this device."""
    compiled = tf.function(step, jit_compile=True).experimental_get_compiler_ir(*_batch(n_features, batch_size))
    return kernels(compiled(stage="optimized_hlo"))


def _batch(n_features: int, batch_size: int) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.zeros((batch_size, n_features)), tf.zeros(batch_size)


def kernels(program: str) -> int:
    """Kernels in the entry of a program of XLA's, given as text: fusions, products, calls of libraries, copies."""
    entry = program[program.index("ENTRY") :]
    return len(re.findall(rf" (?:{'|'.join(KERNELS)})\(", entry))
