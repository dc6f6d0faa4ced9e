"""What hardware and software a result was made with."""

import hashlib
import os
import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = ("numpy", "tensorflow", "keras", "scikit-learn", "pyarrow", "pyspark")


def _cpuinfo(*names: str) -> str:
    """What Linux says of the first core under one of these names; "" elsewhere."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(names)), "")


def _processor() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def has_bfloat16() -> bool:
    """Whether the processor multiplies in bfloat16, as far as Linux tells."""
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(_cpuinfo("flags", "Features").split())


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def code_version(*modules: str) -> str:
    """16 hexadecimal digits that name the code of these modules of the package: other code may give other results."""
    folder = Path(__file__).parent
    return hashlib.sha256(b"".join((folder / f"{module}.py").read_bytes() for module in modules)).hexdigest()[:16]


@cache
def stamp() -> dict:
    """Processor, cores, memory in GiB, Python and the packages that results depend on."""
    return {
        "processor": _processor(),
        "cores": cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def describe() -> str:
    """The stamp as one line of text."""
    made = stamp()
    packages = ", ".join(f"{package} {made[package]}" for package in PACKAGES)
    return (
        f"{made['processor']}, {made['cores']} cores, {made['memory_gib']} GiB, {made['system']}; "
        f"Python {made['python']}, {packages}"
    )


@cache
def commit() -> str:
    """The git commit of this package's folder, marked where files differ from it; "" outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # no git on this machine
        return ""
    return answer.stdout.strip()
