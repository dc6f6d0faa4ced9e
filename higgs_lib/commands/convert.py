"""The command `convert`: events as four-vectors in GeV, and back."""

import argparse
from dataclasses import asdict

from higgs_lib.commands.parsing import add_command, add_force, add_json, new_file, show


def convert(arguments: argparse.Namespace) -> None:
    """Converts a file."""
    TARGETS[arguments.to](arguments)


def _to_four_vectors(arguments: argparse.Namespace) -> None:
    """Writes events as four-vectors."""
    from higgs_lib.data import HIGH, conversion, four_vector_files

    destination = new_file(arguments.destination, *four_vector_files.FORMATS, force=arguments.force)
    description = new_file(conversion.croissant_path(destination), ".json", force=arguments.force)
    converted = conversion.convert_to_four_vectors(arguments.source, destination)
    n_events, two_tags = converted.origin.n_events, converted.two_tags
    agreement = {name: converted.agreement(name) for name in HIGH}
    shown = ", ".join(f"{name} {agreement[name]:.1%}" for name in HIGH)
    text = (
        f"{converted.origin.description}, as four-vectors in GeV: {destination}, described by {description.name}\n"
        f"{two_tags:,} have two stored tags; in these the recomputed masses agree with the file's: {shown}"
    )
    result = {"n_events": n_events, "two_tags": two_tags, "agreement": agreement, "origin": asdict(converted.origin)}
    show({"four_vectors": str(destination), **result}, text, as_json=arguments.json)


def _to_events(arguments: argparse.Namespace) -> None:
    """Writes four-vectors as events with the 29 columns."""
    destination = new_file(arguments.destination, ".parquet", force=arguments.force)
    from higgs_lib import data

    origin = data.convert_to_events(arguments.source, destination)
    result = {"events": str(destination), "n_events": origin.n_events, "origin": asdict(origin)}
    show(result, f"{origin.description}: {destination}", as_json=arguments.json)


TARGETS = {"four-vectors": _to_four_vectors, "events": _to_events}
"""What files are converted to."""


def add(commands) -> None:
    """Adds this command."""
    parser = add_command(
        commands,
        "convert",
        convert,
        summary="turn events into four-vectors in GeV, and back",
        details="Writes the lepton, the missing transverse momentum and the jets of each event as four-vectors in GeV "
        "and rad, in records that awkward and vector read, with the masses of the file and what follows from them: "
        "Parquet, or Arrow's own format if the name ends with .arrow or .feather. A description in Croissant stands "
        "beside it. `--to events` gives the columns of UCI HIGGS again, to the same bits.",
        examples=(
            "convert events.parquet four_vectors.parquet --to four-vectors",
            "convert events.parquet four_vectors.feather --to four-vectors",
            "convert four_vectors.parquet again.parquet --to events",
        ),
    )
    parser.add_argument("source", metavar="SOURCE", help="events (Parquet, or a folder of it), or four-vectors")
    parser.add_argument("destination", metavar="DESTINATION", help="the file to write")
    parser.add_argument("--to", choices=tuple(TARGETS), required=True, help="what to convert to")
    add_force(parser)
    add_json(parser)
