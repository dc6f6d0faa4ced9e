"""Compares a finished run with the stored reference of its profile, and stores such a reference."""

import json
from pathlib import Path

from higgs_lib.files import FROM_REPOSITORY, read_json, write_atomically
from higgs_lib.report.profile import Profile, read_profile
from higgs_lib.study import Run, reference
from higgs_lib.study.reference import FALSE_ALARM, CheckError, Comparison

N_SHOWN = 10  # values that moved most, of those within their tolerance
N_NAMED = 3  # differences in the last line; the table has all


def check(profile: str | Path, run: str | Path, folder: str | Path = "results") -> None:
    """Compares a finished run with the reference `folder`/PROFILE.json, and prints what moved.

    Raises:
        CheckError: the run differs, is not finished or was made by another profile, or there is no reference.
    """
    settings = read_profile(profile)
    path = Path(folder) / f"{settings.name}.json"
    if not path.is_file():
        raise CheckError(
            f"{path}: no reference of this profile; store one with `python -m higgs_lib check --profile {profile} "
            "--store RUN ...`, best from several runs that differ in their seeds"
        )
    _require_finished(settings, Path(run))
    stored = read_json(path, FROM_REPOSITORY)
    if {"facts", "sections", "runs"} - stored.keys():
        raise CheckError(f"{path}: not a reference; {FROM_REPOSITORY}")
    comparison = reference.compare(reference.outcome(Run(run)), stored)
    print(_table(comparison))
    differences = comparison.broken + [f"{move.name} moved" for move in comparison.moved]
    if differences:
        named = "; ".join(differences[:N_NAMED])
        more = f" and {len(differences) - N_NAMED} more, see above" if len(differences) > N_NAMED else ""
        raise CheckError(f"{run} differs from {path}: {named}{more}")
    print(
        f"{run} agrees with {path}: {len(stored['facts'])} facts are the same, and {len(comparison.moves)} values are "
        f"within their tolerances, which {FALSE_ALARM:.0%} of runs with other seeds exceed"
    )


def store(profile: str | Path, runs: list[str], folder: str | Path = "results") -> Path:
    """Stores the reference of a profile, made from finished runs that differ in their seeds, and returns its path.

    Raises:
        CheckError: a run is not finished or was made by another profile, or the runs differ in more than their seeds.
    """
    settings = read_profile(profile)
    for run in runs:
        _require_finished(settings, Path(run))
    stored = reference.make(settings.name, [reference.outcome(Run(run)) for run in runs])
    with write_atomically(Path(folder) / f"{settings.name}.json") as path:
        path.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return Path(folder) / f"{settings.name}.json"


def _require_finished(profile: Profile, run: Path) -> None:
    """Raises CheckError unless all notebooks of a profile ran for a run, with its parameters but for the seeds."""
    advice = f"run `make reproduce PROFILE={profile.name}`"
    if not (run / "notebooks").is_dir():
        raise CheckError(f"{run}: no such run; {advice}")
    records = {name: run / "notebooks" / f"{name}.json" for name in profile.notebooks}
    if unfinished := [name for name, record in records.items() if not record.exists()]:
        raise CheckError(f"{run}: not finished, as {', '.join(unfinished)} did not run to the end; {advice}")
    for name, record in records.items():
        used = read_json(record, advice)["recipe"]["parameters"]
        differing = {key for key in used.keys() | profile.notebooks[name].keys() if not key.endswith(("seed", "seeds"))}
        differing = sorted(key for key in differing if used.get(key) != profile.notebooks[name].get(key))
        if differing:
            raise CheckError(
                f"{run}: made with other parameters than {profile.path} has: {name}, {', '.join(differing)}; {advice}"
            )


def _table(comparison: Comparison) -> str:
    """Returns the facts that differ, the values that moved and those that moved most of the others, as text."""
    shown = comparison.moves[: len(comparison.moved) + N_SHOWN]
    width = max((len(move.name) for move in shown), default=0)
    lines = [f"{'value':<{width}}  reference       run  difference in tolerances"]
    lines += [
        f"{move.name:<{width}}  {move.reference:9.4f} {move.run:9.4f} {move.in_tolerances:+9.2f}"
        + (" MOVED" if move in comparison.moved else "")
        for move in shown
    ]
    if rest := len(comparison.moves) - len(shown):
        lines.append(f"and {rest} values that moved less")
    return "\n".join([*comparison.broken, *lines])
