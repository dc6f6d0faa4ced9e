"""Computes pieces of a stream in threads, in their order, while the calling one reads the next pieces."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def map_in_order(
    function: Callable[[Piece], Result],
    pieces: Iterable[Piece],
    n_threads: int,
    *,
    n_ahead: int,
    late_errors: tuple[type[Exception], ...] = (),
) -> Iterator[Result]:
    """Yields the result of each piece.

    Args:
        function: What the threads compute of a piece.
        pieces: The pieces, which the calling thread reads.
        n_threads: The number of threads.
        n_ahead: The number of pieces that are read before their results are taken, which bounds the memory.
        late_errors: Errors of reading that are raised behind the results of the pieces that were read before.
    """
    pending: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(n_threads, "pieces")
    try:
        try:
            for piece in pieces:
                pending.append(pool.submit(function, piece))
                if len(pending) > n_ahead:
                    yield pending.popleft().result()
        except late_errors as error:
            pending.append(Future())
            pending[-1].set_exception(error)
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
