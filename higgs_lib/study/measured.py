"""Throughput of this machine's devices, measured once and stored."""

from higgs_lib import device, provenance
from higgs_lib.performance.measure import run_sweep
from higgs_lib.performance.throughput import Sweep, Throughput
from higgs_lib.study.run import Run


def cached_sweep(run: Run, name: str, sweep: Sweep) -> Throughput:
    """Returns the throughput stored as `name`; measures it if the run has none of this sweep, machine and code."""
    stamp = provenance.stamp()
    recipe = {
        "sweep": sweep._asdict(),
        "machine": {key: stamp.get(key) for key in ("processor", "cores", "gpus", device.backend(), "keras")},
        "code": provenance.code_version("performance.measure"),
    }
    stored = run.cached(name, recipe, lambda: {"measured": run_sweep(sweep).as_dict()})
    return Throughput.from_dict(stored["measured"])
