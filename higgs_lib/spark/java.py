"""Finds a Java runtime for Spark, or installs one into this environment."""

import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

log = logging.getLogger(__name__)

MINIMUM_VERSION = 17  # of Spark 4


class JavaError(RuntimeError):
    """There is no Java that Spark can use; the message says what to install."""


def _java_version(java: Path) -> int:
    """Returns the major version of a java program; 0 if it does not run."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        log.debug("%s does not run: %s", java, error)
        return 0
    version = re.search(r'version "(\d+)', answer.stderr)
    return int(version[1]) if version else 0


def _candidates() -> list[Path]:
    """Returns the java programs of JAVA_HOME, of this environment, and of the system."""
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    homes += sorted(java.parent.parent for java in environment_java().rglob("bin/java"))  # deeper down on macOS
    on_path = shutil.which("java")
    return [home / "bin" / "java" for home in homes] + ([Path(on_path).resolve()] if on_path else [])


def environment_java() -> Path:
    """Returns the folder of this environment into which Java is installed."""
    return Path(sys.prefix) / "java"


def find_java() -> Path | None:
    """Returns the home of the first Java that is new enough, or None."""
    for java in _candidates():
        if java.is_file() and _java_version(java) >= MINIMUM_VERSION:
            return java.parent.parent
    return None


def ensure_java() -> Path:
    """Returns the home of a Java that Spark can use, which is installed if there is none; JavaError if that fails."""
    home = find_java()
    if home is not None:
        return home
    import jdk

    log.info("there is no Java %d or newer: installing one into this environment", MINIMUM_VERSION)
    try:
        jdk.install(str(MINIMUM_VERSION), jre=True, path=str(environment_java()))
    except Exception as error:  # install-jdk raises whatever urllib and tarfile do
        raise JavaError(
            f"Spark needs Java {MINIMUM_VERSION} or newer; there is none, and it cannot be downloaded ({error}). "
            "Install it, e.g. apt install openjdk-17-jre-headless, brew install openjdk@17 or "
            "conda install openjdk=17, or set JAVA_HOME. Only 12_cluster_scaling and 13_asynchronous need it"
        ) from error
    home = find_java()
    if home is None:
        raise JavaError(
            f"the Java installed into {environment_java()} does not run; install one yourself and set JAVA_HOME"
        )
    return home
