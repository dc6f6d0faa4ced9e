"""Text of events in any of its forms: CSV, ARFF and libsvm's, also compressed, parsed in threads."""

from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path

import numpy as np

from higgs_lib.data import text, threads
from higgs_lib.data.features import COLUMNS
from higgs_lib.data.readers import arff, compression, delimited, libsvm
from higgs_lib.data.readers.mapping import Findings, Mapping
from higgs_lib.device import cores

MAX_PARSERS = 4  # threads: as many as one thread that decompresses keeps busy
LATE_ERRORS = (text.LongLineError, compression.DamagedStreamError)  # which follow the errors of the rows before


def read(source: Path, mapping: Mapping, findings: Findings) -> Iterator[np.ndarray]:
    """Yields the events of a text."""
    with compression.unpacked(source) as stream:
        blocks = text.split_lines(stream)
        beginning = next((block for block in blocks if block.strip()), b"")
        form = next(form for form in (arff, libsvm, delimited) if form.recognises(beginning))
        rows, parser = form.open_rows(chain([beginning], blocks), mapping, findings)
        findings.packing = stream.packing
        n = min(cores(), MAX_PARSERS)
        with closing(threads.map_in_order(parser, rows, n, n_ahead=2 * n, late_errors=LATE_ERRORS)) as events:
            yield from events
        findings.is_uci = stream.is_uci() and findings.columns == COLUMNS
