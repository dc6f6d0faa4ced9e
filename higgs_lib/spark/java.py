"""Where a Java is that Spark can use; if there is none, one is brought into this environment."""

import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

log = logging.getLogger(__name__)

JAVA_NEEDED = 17  # Spark 4 does not start on an older one


class JavaError(RuntimeError):
    """No Java that Spark can use; the message says what to install."""


def _java_version(java: Path) -> int:
    """The major version of a java program; 0 if it does not run."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        log.debug("%s does not run: %s", java, error)
        return 0
    found = re.search(r'version "(\d+)', answer.stderr)
    return int(found.group(1)) if found else 0


def _candidates() -> list[Path]:
    """JAVA_HOME, what is brought into this environment, then the system's."""
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    homes += sorted(java.parent.parent for java in environment_java().rglob("bin/java"))  # deeper down on macOS
    on_path = shutil.which("java")
    return [home / "bin" / "java" for home in homes] + ([Path(on_path).resolve()] if on_path else [])


def environment_java() -> Path:
    """The folder inside this environment that a Java of its own goes to."""
    return Path(sys.prefix) / "java"


def find_java() -> Path | None:
    """The home of the first Java that is new enough, or None."""
    for java in _candidates():
        if java.is_file() and _java_version(java) >= JAVA_NEEDED:
            return java.parent.parent
    return None


def ensure_java() -> Path:
    """The home of a Java that Spark can use; if there is none, one is brought into this environment, or JavaError."""
    home = find_java()
    if home is not None:
        return home
    import jdk

    log.info("no Java %d or newer found: installing one into this environment", JAVA_NEEDED)
    try:
        jdk.install(str(JAVA_NEEDED), jre=True, path=str(environment_java()))
    except Exception as error:  # install-jdk raises whatever urllib and tarfile do
        raise JavaError(
            f"Spark needs Java {JAVA_NEEDED} or newer, and none could be found or fetched ({error}): install it, e.g. "
            "apt install openjdk-17-jre-headless, brew install openjdk@17 or conda install openjdk=17, "
            "or set JAVA_HOME. The notebooks 01 to 04 and 09 work without it"
        ) from error
    home = find_java()
    if home is None:
        raise JavaError(f"the Java fetched into {environment_java()} does not run; install one and set JAVA_HOME")
    return home
