"""Asks PyPI for known vulnerabilities of the versions in requirements.lock; exits with status 1 where there are some.

Where the service cannot be reached nothing is known: one line says so, and the exit status is 0.
"""

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parent.parent / "requirements.lock"
ACCEPTED: dict[str, str] = {}
"""Vulnerabilities that do not matter here: the reason, by their id."""


def report(answer: str) -> tuple[list[str], bool]:
    """Returns the lines about what pip-audit answers in JSON, and whether there are vulnerabilities.

    Args:
        answer: the output of `pip-audit --format json`; "" where the service cannot be reached.
    """
    packages = json.loads(answer or '{"dependencies": []}')["dependencies"]
    audited = [package for package in packages if "skip_reason" not in package]
    found = [(package, fault) for package in audited for fault in package["vulns"] if fault["id"] not in ACCEPTED]
    lines = [
        f"{package['name']} {package['version']}: {fault['id']}, fixed in {', '.join(fault['fix_versions']) or 'none'}"
        for package, fault in found
    ]
    unknown = len(packages) - len(audited)
    if not audited:
        lines.append("Vulnerabilities: not audited, as the service of pypi.org does not answer from here")
    else:
        missing = f", {unknown} packages unknown to the service" if unknown else ""
        lines.append(f"Vulnerabilities: {len(found)} in {len(audited)} packages{missing}, {len(ACCEPTED)} accepted")
    return lines, bool(found)


def main() -> None:
    """Prints the report of requirements.lock."""
    options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    command = [sys.executable, "-m", "pip_audit", "--requirement", LOCK, *options]
    lines, found = report(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    print(*lines, sep="\n")
    sys.exit(found)


if __name__ == "__main__":
    main()
