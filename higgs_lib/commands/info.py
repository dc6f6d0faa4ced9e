"""The command `info`: this machine and its software, or what a file is and what made it."""

import argparse
from pathlib import Path

from higgs_lib.commands.parsing import CommandError, add_command, add_json, show


def info(arguments: argparse.Namespace) -> None:
    """Describes the machine, or a file."""
    result = _file(Path(arguments.file)) if arguments.file else _machine()
    show(result, _text(result), as_json=arguments.json)


def _machine() -> dict:
    """Returns versions, machine, devices, and the Java that Spark finds, as JSON's types."""
    import higgs_lib
    from higgs_lib import device, provenance
    from higgs_lib.spark import java

    stamp = provenance.stamp()
    del stamp["computes_on"]  # nothing is computed here
    home = java.find_java()
    return {
        "higgs_lib": higgs_lib.__version__,
        "commit": provenance.commit(),
        **stamp,
        "backend": device.backend(),
        "device": device.use() if device.gpus() else "no GPU: the processor computes",
        "java": str(home) if home else f"none of version {java.MINIMUM_VERSION} or newer",
    }


def _file(path: Path) -> dict:
    """Returns what a file of events, scores or a model is, as JSON's types."""
    if not path.exists():
        raise CommandError(f"{path}: no such file")
    if path.suffix == ".keras":
        return _model(path)
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path) if path.is_file() else None
    except pa.ArrowInvalid:
        schema = None
    if schema is None:
        raise CommandError(f"{path}: not a file of events or scores (.parquet), and not a model (.keras)")
    return _scores(path) if "score" in schema.names else _events(path)


def _model(path: Path) -> dict:
    """Returns what is known of a model without loading it."""
    from higgs_lib.commands.classifier_files import read_model_file

    keras, record = read_model_file(path)
    known = record or {"made_by": "unknown, as it has no record of higgs-lib train"}
    return {"file": str(path), "type": "model", **known, "keras": keras}


def _scores(path: Path) -> dict:
    """Returns what is known of a file of scores."""
    import numpy as np

    from higgs_lib.study.score_reader import read_scores

    scored = read_scores(path)
    parts = {} if scored.part is None else dict(zip(*np.unique(scored.part, return_counts=True), strict=True))
    return {
        "file": str(path),
        "type": "scores",
        "n_events": len(scored.score),
        "parts": {str(part): int(n) for part, n in parts.items()},
        "has_labels": scored.label is not None,
        **scored.record,
    }


def _events(path: Path) -> dict:
    """Returns what is known of a file of events."""
    from dataclasses import asdict

    from higgs_lib import data

    origin = data.origin(path)
    return {"file": str(path), "type": "events", "description": origin.description, **asdict(origin)}


def _text(result: dict, indent: str = "") -> str:
    """Returns a dict as lines of a name and a value; dicts in it are indented."""
    lines = []
    for name, value in result.items():
        if isinstance(value, dict) and value:
            lines += [f"{indent}{name}", _text(value, f"{indent}  ")]
        else:
            shown = ", ".join(map(str, value)) or "none" if isinstance(value, list | tuple) else value
            lines.append(f"{indent}{name:<{20 - len(indent)}} {shown}")
    return "\n".join(lines)


def add(commands) -> None:
    """Adds this command."""
    parser = add_command(
        commands,
        "info",
        info,
        summary="describe this machine and its software, or a file",
        details="Without a file: versions, processor, GPUs, what Keras would compute on, and the Java that Spark "
        "finds. With a file of events, of scores or a model: what it is and what made it.",
        examples=("info", "info events.parquet", "info model.keras --json"),
    )
    parser.add_argument("file", metavar="FILE", nargs="?", help="events, scores or a model")
    add_json(parser)
