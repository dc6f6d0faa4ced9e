"""The command `verify`: whether published scores are what they claim to be, and by how much two differ."""

import argparse

from higgs_lib.commands.parsing import add_command, add_json, show

NAMES = {"auc": "AUC", "accuracy": "accuracy"}
WIDTH = 12  # characters of a name in the text


def verify(arguments: argparse.Namespace) -> None:
    """Checks the scores of one file, or of two, and measures them again."""
    from higgs_lib.study import verification

    paths = [arguments.scores, *([arguments.others] if arguments.others else [])]
    result = verification.verify(paths, arguments.events, arguments.split)
    show(_as_dict(result), "\n".join(_lines(result)), as_json=arguments.json)


def _as_dict(result) -> dict:
    """Returns a `Verification` as JSON's types."""
    differences = {"auc": result.auc_test, "accuracy": result.accuracy_test}
    return {
        "files": [
            {
                "file": file.path,
                "model": {name: file.model.get(name) for name in ("classifier", "features", "seed")},
                "sha256": file.sha256,
                "measures": {name: interval._asdict() for name, interval in file.measures.items()},
                "claims": file.claims,
            }
            for file in result.files
        ],
        "test_rows": [result.test.rows.start, result.test.rows.stop],
        "events": result.events,
        "labels_from": result.labels_from,
        "differences": {
            name: {**test.difference._asdict(), "p_value": test.p_value} for name, test in differences.items() if test
        },
    }


def _lines(result) -> list[str]:
    """Returns a `Verification` as lines of text."""
    labels = (
        f"are those of {result.labels_from}" if result.labels_from else "are the files' own: --events looks them up"
    )
    lines = [f"all {len(result.test.rows):,} {result.test.description}", f"events: {result.events}", f"labels {labels}"]
    for file in result.files:
        made_by = ", ".join(f"{file.model[name]}" for name in ("classifier", "features") if name in file.model)
        lines.append(f"{file.path}{made_by and f' ({made_by})'}")
        lines.append(f"  unchanged, sha256 {file.sha256}" if file.sha256 else "  without a record, of another program")
        for name, interval in file.measures.items():
            claimed = ", as claimed" if name in file.claims else ""
            lines.append(f"  {NAMES[name]:<{WIDTH}}{interval:.4f}{claimed}")
        if "accuracy" not in file.measures:
            lines.append("  accuracy is left out, as the scores do not lie in [0, 1]")
    if result.auc_test:
        lines.append("the first less the second, paired")
        lines.append(f"  {'AUC':<{WIDTH}}{result.auc_test.difference:+.4f}, p = {result.auc_test.p_value:.1g} (DeLong)")
    if test := result.accuracy_test:
        lines.append(f"  {'accuracy':<{WIDTH}}{test.difference:+.4f}, p = {test.p_value:.1g} (McNemar)")
    return lines


def add(commands) -> None:
    """Adds this command."""
    parser = add_command(
        commands,
        "verify",
        verify,
        summary="check scores that someone publishes, and compute their AUC and accuracy again",
        details="Checks that a file of scores is unchanged, has every test row, and that its labels (with --events) "
        "and what it claims are right. Then prints AUC and accuracy with 95 % intervals, and with a second file the "
        "paired differences. The first check that fails is the error. `evaluate` analyses scores that one trusts: it "
        "has background rejections and significances, and checks none of this.",
        examples=(
            "verify scores.parquet",
            "verify runs/laptop/scores/deep-low-seed1.parquet --events runs/laptop/data/events.parquet",
            "verify scores.parquet xgboost.csv --events events.parquet",
            "verify xgboost.npy --events events.parquet --split 10500000:11000000",
        ),
    )
    text = "a file of scores, from score or of a run; or a .csv (row,score or label,score) or .npy of another program"
    parser.add_argument("scores", metavar="SCORES", help=text)
    parser.add_argument("others", metavar="SCORES2", nargs="?", help="scores of another classifier on the same rows")
    text = "the file of events, from which labels are taken; needed for other programs' scores"
    parser.add_argument("--events", metavar="EVENTS", default="", help=text)
    text = "the test rows, as the name of a split or FIRST:STOP from 0 (default: those that SCORES tells)"
    parser.add_argument("--split", metavar="SPLIT", default="", help=text)
    add_json(parser)
