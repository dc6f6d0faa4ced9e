"""Measures the gradient all-reduce of two processes on this machine, with one core each, against other libraries'.

    python benchmarks/collectives.py

The ring of sockets in `higgs_lib.training.collectives`, plain and encrypted (TLS), the ring of TensorFlow's
multi-worker strategy, and the Gloo collectives of JAX, with each process on a core of its own and with both on two
cores.
"""

import json
import multiprocessing
import os
import socket
import time
from collections.abc import Callable
from functools import partial

import harness
import numpy as np

from higgs_lib.training.channel import Credentials

VECTORS = {"9,001 values": 9_001, "the deep network's gradients": 189_602, "1,500,000 values": 1_500_000}
CALLS = 50  # all-reduces per turn


def free_ports() -> list[int]:
    """Returns two ports on which nothing listens."""
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in (first, second)]


def sockets(credentials: Credentials, rank: int, ports: list[int], barrier) -> Callable[[np.ndarray], None]:
    """Joins the ring of this package; returns its all-reduce."""
    from higgs_lib.training.channel import Address
    from higgs_lib.training.collectives import Ring, listen

    listener, peers = listen("127.0.0.1", credentials, ports[rank])
    listener.__enter__()  # it listens until the process ends
    barrier.wait()  # until both listen
    return Ring(peers, [Address("127.0.0.1", port, credentials) for port in ports], rank).all_reduce_sum


def tensorflow(rank: int, ports: list[int], _) -> Callable[[np.ndarray], None]:
    """Joins TensorFlow's multi-worker strategy; returns an all-reduce in a graph, as training needs it."""
    workers = [f"127.0.0.1:{port}" for port in ports]
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": rank}})
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    options = tf.distribute.experimental.CommunicationOptions(
        implementation=tf.distribute.experimental.CommunicationImplementation.RING
    )
    strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)

    def replica_sum(vector):
        return tf.distribute.get_replica_context().all_reduce("SUM", tf.identity(vector), options=options)

    graph = tf.function(lambda vector: strategy.run(replica_sum, (vector,)))
    return lambda vector: graph(tf.constant(vector)).numpy()


def gloo(rank: int, ports: list[int], _) -> Callable[[np.ndarray], None]:
    """Joins JAX' runtime of several processes; returns an all-reduce in a program."""
    os.environ["NPROC"] = "1"
    import jax
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{ports[0]}", 2, rank)
    mesh = Mesh(np.array(jax.devices()), ("worker",))
    of_worker, of_all = PartitionSpec("worker"), PartitionSpec()
    sums = jax.jit(jax.shard_map(lambda v: jax.lax.psum(v, "worker"), mesh=mesh, in_specs=of_worker, out_specs=of_all))
    sharding = NamedSharding(mesh, of_worker)

    def all_reduce(vector: np.ndarray) -> None:
        sums(jax.make_array_from_process_local_data(sharding, vector[None])).block_until_ready()

    return all_reduce


LIBRARIES = {
    "higgs_lib": (partial(sockets, Credentials.create(encrypted=False)), True),
    "higgs_lib, encrypted": (partial(sockets, Credentials.create(encrypted=True)), True),
    "TensorFlow": (tensorflow, True),
    "Gloo": (gloo, True),
    "Gloo, both on two cores": (gloo, False),
}


def work(pipe, join: Callable, pinned: bool, *place) -> None:
    """Answers every number of values with the seconds of an all-reduce; `place` is that of a library's function."""
    if pinned:
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, [cores[place[0] % len(cores)]])
    all_reduce = join(*place)
    while n_values := pipe.recv():
        vector = np.ones(n_values, np.float32)
        all_reduce(vector)
        start = time.perf_counter()
        for _ in range(CALLS):
            all_reduce(vector)
        pipe.send((time.perf_counter() - start) / CALLS)
    os._exit(0)  # leaving these runtimes would wait for both processes


def measure(join: Callable, pinned: bool, repeats: int) -> dict[str, list[float]]:
    """Returns the seconds of an all-reduce in each turn, by vector, with two processes of one library."""
    context, ports = multiprocessing.get_context("spawn"), free_ports()
    pipes, barrier = [], context.Barrier(2)
    for rank in (0, 1):
        pipe, end = context.Pipe()
        context.Process(target=work, args=(end, join, pinned, rank, ports, barrier), daemon=True).start()
        pipes.append(pipe)

    def ask(n_values: int) -> float:
        for pipe in pipes:
            pipe.send(n_values)
        return max([pipe.recv() for pipe in pipes]) if n_values else 0.0

    seconds = {name: [ask(n) for _ in range(repeats + 1)][1:] for name, n in VECTORS.items()}
    ask(0)
    return seconds


def main() -> None:
    """Measures and stores."""
    options = harness.arguments(__doc__, "collectives.json").parse_args()
    seconds = {name: measure(*library, options.repeats) for name, library in LIBRARIES.items()}
    vectors = []
    for vector, n_values in VECTORS.items():
        spreads = {name: harness.spread(1e3 * np.array(by_vector[vector])) for name, by_vector in seconds.items()}
        vectors.append({"vector": vector, "n_values": n_values, "milliseconds": spreads})
        print(vector, {name: f"{spread['median']:.2f} ms" for name, spread in spreads.items()}, flush=True)
    harness.save(options.result, {"vectors": vectors})


if __name__ == "__main__":
    main()
