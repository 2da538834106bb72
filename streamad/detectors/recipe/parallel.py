"""Work over many series in threads; what comes out does not depend on their number."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from streamad.core.data import Ints

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

LEAST_ROWS = 256
"""Rows that are worth a thread."""

S = TypeVar("S")
T = TypeVar("T")


@cache
def _threads() -> tuple[int, ThreadPoolExecutor | None]:
    import numba

    n = int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
    return n, ThreadPoolExecutor(n, "streamad-series") if n > 1 else None


def over_series(work: Callable[[int, int], None], counts: Ints) -> None:
    """Call ``work(lo, hi)`` for ranges of series that together cover all, about equal in rows.

    Parameters
    ----------
    work : callable
        Touches nothing of series outside its range, and lets go of the interpreter's lock.
    counts : int64 (G,)
        Rows of each series.

    Notes
    -----
    As many threads as numba would use (``NUMBA_NUM_THREADS``).
    """
    n_groups, total = len(counts), int(counts.sum())
    n, pool = _threads()
    n = min(n, n_groups, total // LEAST_ROWS)
    if pool is None or n < 2:
        work(0, n_groups)
        return
    reached = np.cumsum(counts)
    cuts = np.searchsorted(reached, total * np.arange(1, n) / n) + 1
    edges = [0, *np.minimum(cuts, n_groups).tolist(), n_groups]
    ranges = [(lo, hi) for lo, hi in itertools.pairwise(edges) if lo < hi]
    for future in [pool.submit(work, lo, hi) for lo, hi in ranges]:
        future.result()


def each(work: Callable[[S], T], items: Sequence[S]) -> list[T]:
    """What ``work`` makes of every item, side by side where there are several.

    Linear algebra inside runs in one thread: many small problems are faster so (nine times, at 100
    series on two cores), and its results do not depend on the machine's number of cores.
    """
    pool = _threads()[1]
    with _linear_algebra().limit(limits=1):
        if pool is None or len(items) < 2:
            return [work(item) for item in items]
        return list(pool.map(work, items))


@cache
def _linear_algebra() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401 - the controller knows libraries that are loaded already
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
