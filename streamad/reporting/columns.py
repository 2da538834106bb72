"""A long stretch of one series as few points: every row while it is short, extremes after that."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamad.core.data import Floats, Ints

GAP_STEPS = 5
"""A step so many times the usual one is a gap, and no line is drawn across it."""

MAX_FINE = 16
"""Spans of a series that get buckets of their own."""

_FINE_ROWS = 60
_FLOAT32_MAX = float(np.finfo(np.float32).max)


class Trace:
    """Columns over time in bounded memory.

    Parameters
    ----------
    n_columns : int
    edges : int64 (K + 1,)
        Ascending times that cut the rows into K buckets once there are more than ``limit``; rows
        outside belong to the first or last bucket.
    limit : int
        Rows that are kept as they are.

    Notes
    -----
    A bucket keeps smallest and largest value of each column, so a spike of one row among millions
    stays visible. Memory: ``limit + 4 K`` numbers a column. Cost: a few passes over the rows.

    Examples
    --------
    >>> trace = Trace(1, np.array([0, 50, 100]), limit=4)
    >>> trace.add(np.arange(100), np.arange(100.0)[:, None])
    >>> times, columns = trace.points()
    >>> times.tolist(), columns[:, 0].tolist()
    ([0, 49, 50, 99], [0.0, 49.0, 50.0, 99.0])
    """

    def __init__(self, n_columns: int, edges: Ints, limit: int) -> None:
        n = len(edges) - 1
        self.n_rows = 0
        self._inner = edges[1:-1]
        self._limit = limit
        self._held: list[tuple[Ints, Floats]] | None = []
        self._start = np.full(n, np.iinfo(np.int64).max)
        self._end = np.full(n, np.iinfo(np.int64).min)
        self._count = np.zeros(n, np.int64)
        self._low, self._high, self._first, self._last = np.full((4, n, n_columns), np.nan)

    @property
    def exact(self) -> bool:
        """True while every row is kept."""
        return self._held is not None

    def add(self, times: Ints, columns: Floats) -> None:
        """Take rows: times int64 (n,), columns float64 (n, k), NaN = nothing there."""
        if len(times) == 0:
            return
        self.n_rows += len(times)
        if self._held is None:
            self._fold(times, columns)
            return
        self._held.append((times.copy(), columns.copy()))
        if self.n_rows > self._limit:
            held, self._held = self._held, None
            for part in held:
                self._fold(*part)

    def points(self) -> tuple[Ints, Floats]:
        """Points to draw, by time; a row of NaN stands in every gap."""
        if self._held is not None:
            start, a = _sorted(*_joined(self._held, self._low.shape[1]))
            end, b, two = start, a, np.zeros(len(start), np.bool_)
        else:
            used = np.flatnonzero(self._count)
            start, end, two = self._start[used], self._end[used], self._count[used] > 1
            falls = self._last[used] < self._first[used]
            a = np.where(falls, self._high[used], self._low[used])
            b = np.where(falls, self._low[used], self._high[used])
        steps = start[1:] - end[:-1]
        usual = np.median(steps[steps > 0]) if (steps > 0).any() else np.inf
        gap = np.zeros(len(start), np.bool_)
        gap[:-1] = steps > GAP_STEPS * usual
        times = np.stack([start, end, end + 1], axis=1)
        columns = np.stack([a, b, np.full_like(a, np.nan)], axis=1)
        keep = np.stack([np.ones_like(two), two, gap], axis=1)
        return times[keep], columns[keep]

    def _fold(self, times: Ints, columns: Floats) -> None:
        times, columns = _sorted(times, columns)
        bounds = np.concatenate([[0], np.searchsorted(times, self._inner), [len(times)]])
        which = np.flatnonzero(np.diff(bounds))
        begin, end = bounds[which], bounds[which + 1] - 1
        unseen = which[self._count[which] == 0]
        self._first[unseen] = columns[begin[np.isin(which, unseen)]]
        self._last[which] = columns[end]
        self._low[which] = np.fmin(self._low[which], np.fmin.reduceat(columns, begin, axis=0))
        self._high[which] = np.fmax(self._high[which], np.fmax.reduceat(columns, begin, axis=0))
        self._start[which] = np.minimum(self._start[which], times[begin])
        self._end[which] = np.maximum(self._end[which], times[end])
        self._count[which] += end - begin + 1


def bucket_edges(
    start_ns: int, end_ns: int, n_rows: int, spans: Sequence[tuple[int, int]], n_buckets: int
) -> Ints:
    """Edges of about ``n_buckets`` buckets, finer in and around the first few spans.

    Parameters
    ----------
    start_ns, end_ns, n_rows : int
        First and last time of the series, and how many rows it has between them.
    spans : sequence of (int, int)
        Start and end of what deserves a closer look, most important first.
    n_buckets : int

    Returns
    -------
    int64 (K + 1,)
        Strictly ascending.

    Examples
    --------
    >>> bucket_edges(0, 100, 100, [], 4).tolist()
    [0, 25, 50, 75, 101]
    """
    fine = list(spans[:MAX_FINE])
    coarse = n_buckets // 2 if fine else n_buckets
    parts = [np.linspace(start_ns, end_ns, coarse + 1)]
    row_ns = (end_ns - start_ns) / max(n_rows - 1, 1)
    for begin, end in fine:
        around = max(1.5 * (end - begin), _FINE_ROWS * row_ns)
        n = max((n_buckets - coarse) // len(fine), 2)
        low, high = max(start_ns, begin - around), min(end_ns, end + around)
        parts.append(np.linspace(low, high, n))
    edges = np.unique(np.concatenate(parts).astype(np.int64))
    edges = edges[(edges > start_ns) & (edges <= end_ns)]
    return np.concatenate([[start_ns], edges[edges < end_ns], [end_ns + 1]]).astype(np.int64)


def pack(column: Floats) -> dict[str, Any]:
    """A column as base64 of float32, relative to a base so that small changes of large values stay.

    Parameters
    ----------
    column : float64 (n,)
        NaN = nothing there.

    Returns
    -------
    dict
        ``base`` (float) and ``data`` (text).
    """
    finite = column[np.isfinite(column)]
    base = float(finite.min() / 2 + finite.max() / 2) if len(finite) else 0.0
    relative = np.clip(column - base, -_FLOAT32_MAX, _FLOAT32_MAX)
    return {"base": base, "data": _base64(relative.astype("<f4"))}


def pack_times(times: Ints) -> str:
    """Times as base64 of float64 seconds."""
    return _base64((times / 1e9).astype("<f8"))


def _base64(array: NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")


def _joined(parts: Sequence[tuple[Ints, Floats]], n_columns: int) -> tuple[Ints, Floats]:
    if not parts:
        return np.empty(0, np.int64), np.empty((0, n_columns))
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def _sorted(times: Ints, columns: Floats) -> tuple[Ints, Floats]:
    """By time; rows of a series nearly always are already."""
    if (times[1:] >= times[:-1]).all():
        return times, columns
    order = np.argsort(times, kind="stable")
    return times[order], columns[order]
