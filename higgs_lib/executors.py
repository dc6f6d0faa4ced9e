"""The executors of a Spark session: waiting until their number has settled."""

import time

from higgs_lib import master as masters
from higgs_lib.cluster import ClusterError

LIMIT = "spark.scheduler.maxRegisteredResourcesWaitingTime"  # Spark's own setting, how long they are waited for
SETTLED = 2.0  # seconds without another executor


def wait(context, until: float) -> None:
    """Returns when their number has settled; ClusterError if there are too few until that time."""
    conf, java_context = context.getConf(), context._jsc.sc()
    if masters.in_one_process(context.master) or conf.get("spark.dynamicAllocation.enabled", "false") == "true":
        return
    needed, changed, found = _needed(context), 0.0, -1
    while not java_context.isStopped() and time.monotonic() < until:
        now = java_context.schedulerBackend().getExecutorIds().size()
        if now != found:
            found, changed = now, time.monotonic()
        # a local cluster has said how many it will have
        complete = bool(masters.workers_of_local_cluster(context.master)) or time.monotonic() - changed > SETTLED
        if found >= needed and complete:
            return
        time.sleep(0.1)
    if java_context.isStopped():
        raise ClusterError(f"{context.master}: the application was ended from there; the logs of its workers tell why")
    raise ClusterError(_too_few(context, found, needed))


def _needed(context) -> int:
    if context.master.startswith("spark://"):  # which gives what it has
        return 1
    return masters.workers_of_local_cluster(context.master) or int(context.getConf().get("spark.executor.instances", 1))


def _too_few(context, found: int, needed: int) -> str:
    conf = context.getConf()
    memory = conf.get("spark.executor.memory", "1g")
    return (
        f"{context.master}: {max(found, 0)} of at least {needed} executors came within {conf.get(LIMIT)}: the workers' "
        f"cores are taken by another application, or none has {memory} of memory free for an executor. Stop what runs "
        "there, or ask for less with settings, e.g. {'spark.executor.memory': '512m'}"
    )
