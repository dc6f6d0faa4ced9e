"""The command `score`: the scores of events by a stored model."""

import argparse
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from higgs_lib.commands.parsing import (
    FEATURE_SETS,
    PARTS,
    CommandError,
    add_command,
    add_device,
    add_force,
    add_json,
    new_file,
    refusing,
    show,
)

if TYPE_CHECKING:
    from higgs_lib.data import Origin

log = logging.getLogger(__name__)


def score(arguments: argparse.Namespace) -> None:
    """Scores the events of a file."""
    destination = new_file(arguments.scores, ".parquet", force=arguments.force)
    from higgs_lib.commands.classifier_files import read_model_file
    from higgs_lib.study.score_files import make_record, score_writer

    _, record = read_model_file(arguments.model)
    record = record or {}
    features = _features(arguments, record)
    names, n_events, origin = _describe(arguments.events)
    parts = _parts(arguments, record, origin.sha256 if origin else "")
    rows = range(*parts[arguments.part]) if arguments.part != "all" else range(n_events)
    from higgs_lib.data import LABEL, Splits, feature_set

    wanted = [*([LABEL] if LABEL in names else []), *feature_set(features)]
    if missing := [name for name in wanted if name not in names]:
        raise CommandError(f"{arguments.events}: the columns {', '.join(missing)} are missing")
    made_by = _made_by(record) | {"features": features}
    splits = Splits(*(range(*edges) for edges in parts.values())) if parts else None
    about = make_record(made_by, origin, splits) if origin else {"model": made_by}
    columns = ["row", *(["part"] if parts else []), *(["label"] if LABEL in names else []), "score"]
    with score_writer(destination, columns, about) as writer:
        for block in _blocks(arguments, wanted, rows, parts):
            writer.write(block)
    text = f"{len(rows):,} events scored: {destination}"
    show({"scores": str(destination), "n_events": len(rows), **about}, text, as_json=arguments.json)


def _features(arguments: argparse.Namespace, record: dict) -> str:
    """Returns the feature set that a model takes: the recorded one, or else that of `--features`."""
    recorded, given = record.get("features"), arguments.features
    if recorded and given not in (None, recorded):
        raise CommandError(f"{arguments.model}: takes {recorded} features, not {given}")
    if not (recorded or given):
        raise CommandError(f"{arguments.model}: does not tell its features: give --features low, high or complete")
    return recorded or given


def _made_by(record: dict) -> dict:
    """Returns what made a model, without the time and machine, and of its events what identifies them."""
    kept = {name: value for name, value in record.items() if name not in ("made_with", "splits")}
    if "events" in kept:
        kept["events"] = {name: kept["events"].get(name) for name in ("n_events", "sha256")}
    return kept


def _describe(events: str) -> tuple[list[str], int, "Origin | None"]:
    """Returns the columns of a Parquet file or folder, its number of events, and their origin where it is stored."""
    import pyarrow as pa
    from pyarrow import dataset

    from higgs_lib.data import DataError, origin

    try:
        table = dataset.dataset(events, format="parquet")
        names, n_events = table.schema.names, table.count_rows()
    except FileNotFoundError as error:
        raise CommandError(f"{events}: no such events; `higgs-lib simulate` or `ingest` makes them") from error
    except (pa.ArrowException, OSError) as error:
        raise CommandError(
            f"{events}: not Parquet, or damaged; `higgs-lib ingest` makes it from text in UCI's format"
        ) from error
    try:
        return names, n_events, origin(events)
    except DataError:  # events of another source, or of Spark
        return names, n_events, None


def _parts(arguments: argparse.Namespace, record: dict, sha256: str) -> dict[str, list[int]]:
    """Returns the first and last row of each part of the events on which a model was trained; {} for others."""
    if sha256 and record.get("events", {}).get("sha256") == sha256:
        return record["splits"]
    if arguments.part != "all":
        raise CommandError(
            f"{arguments.events}: no known split, as {arguments.model} was not trained on these events or does not "
            "tell; use --part all"
        )
    return {}


def _blocks(arguments: argparse.Namespace, columns: list[str], rows: range, parts: dict) -> Iterator:
    """Yields tables with the columns `row`, `part`, `label` and `score` of these rows; those that there are."""
    import numpy as np
    import pyarrow as pa

    from higgs_lib import device, progress, training
    from higgs_lib.data import LABEL, EventStream

    with refusing(ValueError):
        log.info("%s", device.use(arguments.device))
    features = [name for name in columns if name != LABEL]
    model, first = _load(arguments.model, len(features)), rows.start
    stream = EventStream.open(arguments.events, tuple(features), rows)
    with progress.bar(len(rows), "scoring", " events", unit_scale=True) as bar:
        for block in stream.tables(columns):
            inputs = np.stack([np.asarray(block[name], np.float32) for name in features], 1)
            scores, numbers = training.predict(model, inputs), np.arange(first, first + len(block))
            if len(bad := np.flatnonzero(~((scores >= 0) & (scores <= 1)))):
                raise CommandError(
                    f"{arguments.events}, row {numbers[bad[0]]} from 0: the score {scores[bad[0]]:g} does not lie in "
                    "[0, 1]; the events or the model are wrong"
                )
            table = {"row": numbers, "score": scores}
            if parts:
                table["part"] = _part_of(numbers, parts)
            if LABEL in columns:
                table["label"] = _labels(arguments.events, np.asarray(block[LABEL]))
            yield pa.table(table)
            first += len(block)
            bar.update(len(block))


def _part_of(numbers, parts: dict[str, list[int]]):
    """Returns the part (n,) of each row: those of the training may leave rows between its parts unused."""
    import numpy as np

    names = np.full(len(numbers), "unused", object)
    for name, (first, stop) in parts.items():
        names[(first <= numbers) & (numbers < stop)] = name
    return names


def _load(path: str, n_features: int):
    """Returns the model of a file that makes one score of `n_features`; raises CommandError for any other."""
    from higgs_lib import models

    model = models.load(path)
    takes, makes = (getattr(model, name, None) for name in ("input_shape", "output_shape"))
    if takes != (None, n_features):
        shown = takes[-1] if isinstance(takes, tuple) else takes
        raise CommandError(f"{path}: takes {shown} features, but {n_features} were given")
    if makes != (None, 1):
        raise CommandError(f"{path}: makes {makes} of the features, and not one score per event (None, 1)")
    return model


def _labels(events: str, labels):
    """Returns labels (n,) as int8; raises CommandError unless each is 0 or 1."""
    import numpy as np

    if not np.isin(labels, (0, 1)).all():
        raise CommandError(f"{events}: labels must be 0 or 1")
    return labels.astype(np.int8)


def add(commands) -> None:
    """Adds this command."""
    parser = add_command(
        commands,
        "score",
        score,
        summary="score events by a trained model",
        details="Writes a Parquet file with a row for each event: its row number, its part (training, validation, "
        "test or unused) if the model was trained on these events, its label if there is one, and its score, which is "
        "higher for signal. The file tells what made it, and `verify` checks it.",
        examples=(
            "score model.keras events.parquet scores.parquet",
            "score model.keras events.parquet scores.parquet --part test --force",
            "score runs/laptop/models/deep-low-seed1.keras events.parquet deep.parquet --features low",
        ),
    )
    parser.add_argument("model", metavar="MODEL", help="a model, from train or of a run")
    parser.add_argument("events", metavar="EVENTS", help="a Parquet file, or a folder of them, with the features")
    parser.add_argument("scores", metavar="SCORES", help="the file to write, NAME.parquet")
    parser.add_argument("--part", choices=("all", *PARTS), default="all", help="which events (default: all)")
    text = "the features that the model takes, if it does not tell itself"
    parser.add_argument("--features", choices=FEATURE_SETS, help=text)
    add_device(parser)
    add_force(parser)
    add_json(parser)
