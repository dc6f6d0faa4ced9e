"""Commands for the runs of the study, which the Makefile calls: reproduce, events, notebook, report and check."""

import argparse
from pathlib import Path

from higgs_lib.commands.parsing import add_command
from higgs_lib.files import locked


def reproduce(arguments: argparse.Namespace) -> None:
    """Runs what is stale of a profile."""
    from higgs_lib.report import reproduce

    try:
        reproduce.reproduce(arguments.profile, arguments.run, arguments.data, arguments.mirror)
    except Exception as error:
        log = Path(arguments.run, "log.txt")
        if log.exists():
            error.add_note(f"The log: {log}")
        raise


def events(arguments: argparse.Namespace) -> None:
    """Makes the events of a run."""
    from higgs_lib import study
    from higgs_lib.report.profile import read_profile

    settings = read_profile(arguments.profile).event_parameters(arguments.data, arguments.mirror)
    with locked(Path(arguments.run)):
        print(f"Events: {study.prepare(Path(arguments.run, 'data', 'events.parquet'), **settings).description}")


def notebook(arguments: argparse.Namespace) -> None:
    """Runs one notebook."""
    from higgs_lib.report import notebook
    from higgs_lib.report.profile import read_profile

    with locked(Path(arguments.run)):
        print(notebook.run(arguments.notebook, read_profile(arguments.profile), arguments.run))


def report(arguments: argparse.Namespace) -> None:
    """Renders the report of a run."""
    from higgs_lib.report import pages
    from higgs_lib.report.profile import read_profile

    run = Path(arguments.run)
    with locked(run):
        print(f"Report: {pages.build(run, read_profile(arguments.profile), run / 'data' / 'events.parquet')}")


def lab(arguments: argparse.Namespace) -> None:
    """Opens the notebooks of a profile in JupyterLab."""
    from higgs_lib.report import lab

    lab.lab(arguments.profile, arguments.run, arguments.data, [*arguments.no_browser, *arguments.options])


def check(arguments: argparse.Namespace) -> None:
    """Compares a run with the reference of its profile, or stores that reference."""
    from higgs_lib.report import check

    if arguments.store:
        print(f"Reference: {check.store(arguments.profile, arguments.store)}")
    else:
        check.check(arguments.profile, arguments.run)


def add(commands) -> None:
    """Adds these commands."""
    _add_profile(
        add_command(
            commands,
            "reproduce",
            reproduce,
            summary="make the events, run the stale notebooks of a profile and render the report",
            details="Makes the events of a profile, runs those of its notebooks whose text, parameters, events or code "
            "have changed, and renders the report. Run it where notebooks/ and params/ are.",
            examples=("reproduce --profile params/smoke.yaml --run runs/smoke",),
            resumes=True,
        ),
        with_data=True,
    )
    _add_profile(
        add_command(
            commands,
            "events",
            events,
            summary="make the events of a run, unless they are there",
            details="Makes RUN/data/events.parquet by the profile: built-in events, UCI's or OpenML's file, which is "
            "downloaded, or a file of your own. If the same recipe made the file that is there, nothing is done.",
            examples=("events --profile params/smoke.yaml --run runs/smoke",),
            resumes=True,
        ),
        with_data=True,
    )
    one = add_command(
        commands,
        "notebook",
        notebook,
        summary="run one notebook",
        details="Runs one notebook with the parameters of a profile and stores it with its outputs in RUN/notebooks.",
        examples=("notebook notebooks/03_training.ipynb --profile params/smoke.yaml --run runs/smoke",),
        resumes=True,
    )
    _add_profile(one)
    one.add_argument("notebook", help="e.g. notebooks/03_training.ipynb")
    _add_profile(
        add_command(
            commands,
            "report",
            report,
            summary="render the notebooks of a run",
            details="Renders the finished notebooks of a run as HTML pages, in RUN/report.",
            examples=("report --profile params/smoke.yaml --run runs/smoke",),
        )
    )
    _add_lab(commands)
    _add_check(commands)


def _add_profile(parser: argparse.ArgumentParser, *, with_data: bool = False) -> None:
    """Adds the options that name a profile and the folder of its run."""
    parser.add_argument("--profile", required=True, help="a YAML file of params/")
    parser.add_argument("--run", required=True, help="the folder of results, e.g. runs/laptop")
    if with_data:
        parser.add_argument("--data", default="", help="a file in UCI's format, instead of the profile's events")
        parser.add_argument("--mirror", default="", help="another address of the file that the profile downloads")


def _add_lab(commands) -> None:
    """Adds the command that opens JupyterLab."""
    parser = add_command(
        commands,
        "lab",
        lab,
        summary="open the notebooks in JupyterLab",
        details="Copies the notebooks, with the parameters of a profile, into a workspace beside the run, and opens it "
        "in JupyterLab. What is changed there leaves the run as it is.",
        examples=(
            "lab",
            "lab --profile params/smoke.yaml --run runs/smoke --no-browser -- --port=8899",
        ),
    )
    parser.add_argument("--profile", help="a YAML file of params/ (default: laptop if its run is finished, or smoke)")
    parser.add_argument("--run", help="the folder of the profile's results (default: runs/PROFILE)")
    parser.add_argument("--data", default="", help="a file in UCI's format, instead of the profile's events")
    text = "show the address instead of opening a browser"
    parser.add_argument("--no-browser", action="append_const", const="--no-browser", default=[], help=text)
    parser.add_argument("options", nargs="*", help="other options of JupyterLab, after --, e.g. -- --port=8899")


def _add_check(commands) -> None:
    """Adds the command that compares a run with its reference."""
    parser = add_command(
        commands,
        "check",
        check,
        summary="compare a finished run with the stored reference of its profile in results/",
        details="Compares a finished run with results/PROFILE.json and prints what moved. The status is 1 if a fact "
        "differs or a value moved by more than its tolerance.",
        examples=(
            "check --profile params/smoke.yaml --run runs/smoke",
            "check --profile params/smoke.yaml --store runs/smoke runs/smoke-2 runs/smoke-3",
        ),
    )
    parser.add_argument("--profile", required=True, help="a YAML file of params/")
    runs = parser.add_mutually_exclusive_group(required=True)
    runs.add_argument("--run", help="the folder of results, e.g. runs/laptop")
    text = "store the reference from these runs instead; they differ in their seeds"
    runs.add_argument("--store", nargs="+", metavar="RUN", help=text)
