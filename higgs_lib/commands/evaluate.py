"""The command `evaluate`: how well scores separate signal from background, and by how much two classifiers differ."""

import argparse

from higgs_lib.commands.parsing import (
    CommandError,
    add_command,
    add_json,
    not_negative_number,
    positive_number,
    refusing,
    seed,
    show,
)

DEFINITIONS = {"asimov": "Asimov", "asimov_with_uncertainty": "Asimov, σ_B"}  # of the significance, by JSON's keys
WIDTH = 48  # characters of a name in the text


def evaluate(arguments: argparse.Namespace) -> None:
    """Measures the scores of one file, or of two."""
    from higgs_lib.study.score_files import are_probabilities
    from higgs_lib.study.score_reader import read_scores

    paths = [arguments.scores, *([arguments.others] if arguments.others else [])]
    scored = [read_scores(path) for path in paths]
    for path, events in zip(paths, scored, strict=True):
        if events.label is None:
            raise CommandError(f"{path}: has no labels, without which scores cannot be judged")
        if not are_probabilities(events.score):
            raise CommandError(f"{path}: its scores do not lie in [0, 1]; `verify` gives the AUC of such scores")
    judged = [_judged(events) for events in scored]
    files = [_measure(*part, arguments) for part in zip(paths, scored, judged, strict=True)]
    with refusing(ValueError):
        difference = _difference(paths, *judged) if len(paths) > 1 else None
    result = {"files": files} | ({"auc_difference": difference} if difference else {})
    lines = [line for file in files for line in _lines(file, arguments)]
    if difference:
        lines.append(f"{'AUC of the first - AUC of the second, paired':<{WIDTH}}{_text(difference, '+.4f')}")
    show(result, "\n".join(lines), as_json=arguments.json)


def _judged(events):
    """Returns the test events of a file; if there are none, those of its only part, or all."""
    import numpy as np

    if events.part is None:
        return events
    parts = np.unique(events.part).tolist()
    if "test" not in parts and len(parts) > 1:
        raise CommandError(f"scores of {' and '.join(parts)} events are not judged together: score the test events")
    return events.take(events.part == ("test" if "test" in parts else parts[0]))


def _measure(path: str, events, judged, arguments: argparse.Namespace) -> dict:
    """Returns all measures of one file.

    Args:
        path: the file.
        events: all its events.
        judged: those that are judged.
        arguments: the experiment and the seed.

    Returns:
        The measures, with 95 % intervals, as JSON's types.

    Raises:
        CommandError: the events are too few, or all of one class.
    """
    try:
        return _measures(path, events, judged, arguments)
    except ValueError as error:
        raise CommandError(f"{path}: {error}") from error


def _measures(path: str, events, judged, arguments: argparse.Namespace) -> dict:
    """Returns what `_measure` does; raises the errors of `metrics`, which know no file."""
    from higgs_lib import metrics
    from higgs_lib.study.classifiers import REJECTION_AT

    labels, scores = judged.label, judged.score
    band = metrics.roc_band(labels, scores, n_points=11)  # at signal efficiencies 0, 0.1, ... 1
    rejection = metrics.background_rejection(labels, scores, REJECTION_AT)
    points = [round(10 * efficiency) for efficiency in REJECTION_AT]
    chosen_on, significance = _significance(events, judged, arguments)
    return {
        "file": path,
        "model": {name: events.record.get("model", {}).get(name) for name in ("classifier", "features", "seed")},
        "part": "all" if judged.part is None else str(judged.part[0]),
        "n_signal": int((labels == 1).sum()),
        "n_background": int((labels == 0).sum()),
        "auc": metrics.auc_interval(labels, scores)._asdict(),
        "accuracy": metrics.accuracy_interval(labels, scores)._asdict(),
        "background_rejection": {
            str(efficiency): {"value": float(value), "low": float(band.low[i]), "high": float(band.high[i])}
            for efficiency, value, i in zip(REJECTION_AT, rejection, points, strict=True)
        },
        "cut_chosen_on": chosen_on,
        "significance": significance,
    }


def _significance(events, judged, arguments: argparse.Namespace) -> tuple[str, dict]:
    """Returns on which events the cuts were chosen, and the significance on others by each definition.

    These are validation and test events, or else two halves of those that are judged: every other one.

    Args:
        events: all events of the file.
        judged: those that are judged.
        arguments: the experiment and the seed.

    Returns:
        Both, as JSON's types.
    """
    import numpy as np

    from higgs_lib import metrics

    experiment = metrics.Experiment(arguments.signal, arguments.background, arguments.background_uncertainty)
    if events.part is not None and "test" in events.part and "validation" in events.part:
        chosen_on, chosen, tested = "validation events", events.take(events.part == "validation"), judged
    else:
        even = np.arange(len(judged.score)) % 2 == 0
        chosen_on, chosen, tested = "every other event, judged on the rest", judged.take(even), judged.take(~even)
    values = {}
    for key, definition in DEFINITIONS.items():
        validation = metrics.efficiencies(chosen.label, chosen.score, metrics.CUTS)
        cut = metrics.best_cut(validation, experiment, definition)
        test = metrics.efficiencies(tested.label, tested.score, np.array([cut]))
        value = metrics.significance_interval(test, experiment, definition, seed=arguments.seed)
        values[key] = {"cut": cut, **value._asdict()}
    return chosen_on, values


def _difference(paths: list[str], first, second) -> dict:
    """Returns the AUC of the first scores minus that of the second, on the same events."""
    import numpy as np

    from higgs_lib import metrics

    def same(one, other) -> bool:
        return one is None or other is None or np.array_equal(one, other)

    one, other = (events.record.get("events", {}).get("sha256") or None for events in (first, second))
    if not (np.array_equal(first.label, second.label) and same(first.row, second.row) and one in (None, other)):
        raise CommandError(f"{' and '.join(paths)}: not scores of the same events, so they cannot be compared in pairs")
    return metrics.auc_difference(first.label, first.score, second.score)._asdict()


def _text(interval: dict, spec: str = ".3f") -> str:
    """Returns an interval of JSON's types as text."""
    from higgs_lib.metrics import Interval

    return format(Interval(*(interval[name] for name in ("value", "low", "high"))), spec)


def _lines(file: dict, arguments: argparse.Namespace) -> list[str]:
    """Returns the measures of one file as lines of text."""
    n_events = file["n_signal"] + file["n_background"]
    seen = ", on which the model was trained" if file["part"] == "training" else ""
    part = "" if file["part"] == "all" else f"{file['part']} "
    expected = f"{arguments.signal:g} signal and {arguments.background:g} background events"
    significance = file["significance"]
    sigma = f"{arguments.background_uncertainty:.0%}"
    rejections = {
        f"background rejection at {float(efficiency):.0%} signal efficiency": _text(value)
        for efficiency, value in file["background_rejection"].items()
    }
    values = {
        "AUC": _text(file["auc"]),
        "accuracy": _text(file["accuracy"]),
        **rejections,
        "significance (Asimov)": f"{_text(significance['asimov'], '.2f')} σ",
        f"significance, background ± {sigma}": f"{_text(significance['asimov_with_uncertainty'], '.2f')} σ",
    }
    return [
        f"{file['file']}: {n_events:,} {part}events{seen}; 95 % intervals",
        *(f"{name:<{WIDTH}}{value}" for name, value in values.items()),
        f"Significances are of {expected} before the cut, chosen on {file['cut_chosen_on']}.",
    ]


def add(commands) -> None:
    """Adds this command."""
    parser = add_command(
        commands,
        "evaluate",
        evaluate,
        summary="measure how well scores separate signal from background",
        details="Prints AUC, accuracy, background rejection at 30, 50 and 70 % signal efficiency and the expected "
        "significance of test events, each with its 95 % interval. The cut of the significance is chosen on the "
        "validation events of the file; if there are none, on every other event, and judged on the rest. With a "
        "second file on the same events it prints the difference of the AUCs, with the paired interval of DeLong. It "
        "takes scores as they are; `verify` checks those that someone publishes.",
        examples=(
            "evaluate scores.parquet",
            "evaluate scores.parquet --signal 100 --background 1000 --json",
            "evaluate modern.parquet deep.parquet",
            "evaluate runs/laptop/scores/modern-low-seed1.parquet runs/laptop/scores/deep-low-seed1.parquet",
        ),
    )
    parser.add_argument("scores", metavar="SCORES", help="a file of scores, from score or of a run")
    parser.add_argument("others", metavar="SCORES2", nargs="?", help="scores of another model on the same events")
    text = "expected signal events before a cut (default: 100)"
    parser.add_argument("--signal", type=positive_number, default=100, metavar="N", help=text)
    text = "expected background events before a cut (default: 1000)"
    parser.add_argument("--background", type=positive_number, default=1000, metavar="N", help=text)
    text = "its relative uncertainty (default: 0.05)"
    parser.add_argument(
        "--background-uncertainty", type=not_negative_number, default=0.05, metavar="FRACTION", help=text
    )
    text = "of the draws for the significance (default: 1)"
    parser.add_argument("--seed", type=seed, default=1, metavar="N", help=text)
    add_json(parser)
