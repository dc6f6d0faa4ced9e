"""Parses blocks of text in threads, while the calling one reads the next blocks."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from higgs_lib.data import text
from higgs_lib.data.readers.compression import DamagedStreamError
from higgs_lib.device import cores

MAX_PARSERS = 4  # threads: as many as one thread that decompresses keeps busy


def parse(blocks: Iterator[bytes], parser: Callable[[bytes], np.ndarray]) -> Iterator[np.ndarray]:
    """Yields the events of each block, in order: at most two blocks for each thread are in memory.

    What stops the reading is raised behind the events that were read before.
    """
    n_parsers = min(cores(), MAX_PARSERS)
    pending = deque()
    pool = ThreadPoolExecutor(n_parsers, "parser")
    try:
        try:
            for block in blocks:
                pending.append(pool.submit(parser, block))
                if len(pending) > 2 * n_parsers:
                    yield pending.popleft().result()
        except (text.LongLineError, DamagedStreamError) as error:
            pending.append(Future())
            pending[-1].set_exception(error)
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
