"""Kills `reproduce` at random moments, resumes it, and compares what it made with an undisturbed run.

Run it in the repository:

    python tests/faults/campaign.py --profile params/smoke.yaml --kills 20 --seed 1 --folder runs/faults

A folder is killed and resumed again and again until it is finished; then its results are compared, and the next one is
begun, until there were that many interrupts (SIGINT) and that many kills (SIGKILL).
"""

import argparse
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import psutil
from reproduction import END_LIMIT, Reproduction, describe, interrupted, python

from results import differences, results

WAYS = {
    "SIGINT": ("Ctrl-C", "Ctrl-C", "Ctrl-C twice", "main process"),
    "SIGKILL": ("main process", "main process", "whole session", "kernel", "another process"),
}
"""Whom a signal reaches, drawn at random; "another process" is one of Spark's, of a pool or of a measurement."""

OF_MAKE = (2, -signal.SIGINT)
"""Statuses of make where the command that it calls failed, and where make itself was interrupted with it."""


class Campaign:
    """The runs of one campaign, and what went wrong."""

    def __init__(self, options: argparse.Namespace):
        self.folder, self.profile = Path(options.folder).resolve(), Path(options.profile)
        self.random = random.Random(options.seed)
        self.first, self.last = options.moments
        self.todo = [name for name in WAYS for _ in range(options.kills)]
        self.random.shuffle(self.todo)
        self.n_kills, self.faults = 0, []

    def fault(self, text: str) -> None:
        """Notes what should not have happened."""
        self.faults.append(text)
        print(f"    FAULT: {text}", flush=True)

    def start(self, run: Path) -> Reproduction:
        """Starts, or resumes, a run: by make or without it."""
        if self.random.random() < 0.5:
            return Reproduction(python("reproduce", "--profile", self.profile, "--run", run), Path.cwd())
        words = ["make", "reproduce", "ENV=active", f"PROFILE={self.profile.stem}", f"RUN={run}"]
        return Reproduction(words, Path.cwd(), PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

    def finish(self, run: Path) -> None:
        """Runs undisturbed to the end."""
        call = self.start(run)
        status = call.wait(7200)
        if status != 0:
            self.fault(f"{run.name}: an undisturbed call ended with {status}: {call.lines[-3:]}")
        self.check_survivors(call)

    def check_survivors(self, call: Reproduction) -> None:
        """Notes processes that outlive a call."""
        before = time.monotonic()
        if left := call.survivors():
            self.fault(f"processes outlive the run: {left}")
        elif (seconds := time.monotonic() - before) > 2:
            print(f"    all processes had ended after {seconds:.0f} s", flush=True)

    def disturb(self, run: Path, longest: float) -> bool:
        """Resumes a run and kills it at a random moment; returns whether it had ended before."""
        moment = self.random.uniform(self.first, longest)
        kind = self.todo[0]
        way = self.random.choice(WAYS[kind])
        kept = contents(run)
        call = self.start(run)
        status = call.wait(moment)
        if status is not None:
            if status != 0:
                self.fault(f"resuming ended with {status}: {call.lines[-3:]}")
            self.check_survivors(call)
            return status == 0
        step, target = call.step, self.kill(call, kind, way)
        self.n_kills += 1
        self.todo.pop(0)
        by_make = " (make)" if call.process.args[0] == "make" else ""
        print(f"{self.n_kills:3} {run.name} {kind} to {target}{by_make} after {moment:.1f} s: {step}", flush=True)
        self.check_end(call, kind, target)
        lost = [name for name, content in kept.items() if contents(run).get(name) != content]
        if lost:
            self.fault(f"made before, and not as it was: {lost}")
        return False

    def kill(self, call: Reproduction, kind: str, way: str) -> str:
        """Sends the signal and returns whom it reached."""
        if way.startswith("Ctrl-C"):
            call.press("c")
            if way.endswith("twice"):
                time.sleep(self.random.uniform(0.05, 1.5))
                call.press("c")
            return way
        number = getattr(signal, kind)
        if way in ("kernel", "another process"):
            others = [p for p in call.others() if (describe(p) == "kernel") == (way == "kernel")]
            if others:
                process = self.random.choice(sorted(others, key=lambda p: p.pid))
                name = describe(process)
                try:
                    process.send_signal(number)
                except psutil.NoSuchProcess:
                    return f"{name}, which had ended"
                return name
        if way == "whole session":
            for process in [call.main(), *call.others()]:
                process.kill()
            return way
        call.main().send_signal(number)
        return "main process"

    def check_end(self, call: Reproduction, kind: str, target: str) -> None:
        """Notes whether a killed call ended as it should."""
        before = time.monotonic()
        is_other = kind == "SIGKILL" and target not in ("main process", "whole session")
        status = call.wait(END_LIMIT * (10 if is_other else 1))
        seconds = time.monotonic() - before
        if status is None:
            self.fault(f"it still runs {seconds:.0f} s after {kind}: {call.step}")
            call.process.kill()
            call.wait(10)
        elif kind == "SIGINT" and status == 0:
            print("    it had just finished", flush=True)
        elif kind == "SIGINT" and not (status in (130, *OF_MAKE) and interrupted(status, call.lines)):
            self.fault("\n".join([f"status {status}", *call.lines[-40:]]))
        elif is_other:  # of a process that is replaced, or not needed, the run may not take notice
            text = "\n".join(call.lines)
            if status not in (0, 1, *OF_MAKE) or "Traceback" in text or (status != 0) != ("error: " in text):
                self.fault(f"status {status} and {call.lines[-4:]}")
            print(
                f"    ended with {status} after {seconds:.0f} s: {[x for x in call.lines if 'error' in x]}", flush=True
            )
        elif seconds > 10:
            print(f"    it ended after {seconds:.0f} s", flush=True)
        self.check_survivors(call)

    def run(self, reference: Path) -> int:
        """Runs the campaign against an undisturbed run and returns the number of faults."""
        if not (reference / "summary.json").exists():
            print(f"{reference}: an undisturbed run", flush=True)
            self.finish(reference)
        expected, n_runs, n_equal = results(reference), 0, 0
        while self.todo:
            n_runs += 1
            run = self.folder / f"run-{n_runs}"
            shutil.rmtree(run, ignore_errors=True)
            attempts, finished = 0, False
            while self.todo and not finished:
                # a step that stores nothing on its way needs longer than it has between two kills: give it time
                longest = self.last * (1 + attempts / 8)
                finished, attempts = self.disturb(run, longest), attempts + 1
            if not finished:
                self.finish(run)
            different = differences(expected, results(run))
            for text in different:
                self.fault(f"{run.name}: {text}")
            if leftovers := [str(p.relative_to(run)) for p in run.rglob(".partial-*")]:
                print(f"    leftovers: {leftovers}", flush=True)
            n_equal += not different
            print(f"{run.name}: finished, {attempts} calls, {len(different)} differences", flush=True)
        print(f"{self.n_kills} kills, {n_equal} of {n_runs} runs equal, {len(self.faults)} faults", flush=True)
        return len(self.faults)


def contents(run: Path) -> dict[str, object]:
    """Returns what must stay of a run that is resumed: finished notebooks and stored results."""
    records = (run / "notebooks").glob("[0-9]*.json")
    paths = [path for record in records for path in (record, record.with_suffix(".ipynb"))]
    for result in (run / "metrics").glob("*-seed*.json"):  # trainings; a notebook that runs again tells others anew
        paths += [result, *(run / "models").glob(f"{result.stem}.*"), *(run / "scores").glob(f"{result.stem}.*")]
    paths += (run / "data").glob("events.parquet")
    return {str(path.relative_to(run)): path.stat().st_mtime_ns for path in paths}


def main() -> int:
    """Runs a campaign; the status is 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="params/smoke.yaml", help="a YAML file of params/")
    parser.add_argument("--folder", default="runs/faults", help="the folder of the disturbed runs")
    parser.add_argument("--undisturbed", help="a finished run of the same profile (default: FOLDER/undisturbed)")
    parser.add_argument("--kills", type=int, default=20, help="the number of SIGINT, and of SIGKILL")
    parser.add_argument("--seed", type=int, default=1, help="of moments and ways")
    parser.add_argument("--moments", type=float, nargs=2, default=(5.0, 60.0), help="seconds after each start")
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.kills} of each signal, {options.moments} s after each start", flush=True)
    reference = Path(options.undisturbed or Path(options.folder, "undisturbed"))
    return 1 if Campaign(options).run(reference.resolve()) else 0


if __name__ == "__main__":
    sys.exit(main())
