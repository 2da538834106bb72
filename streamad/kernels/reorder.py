"""Hold rows back until the watermark has passed them: a heap by time, then arrival."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamad.core.data import Codes, Floats, Ints

LATE, TIME = 1, 3
"""Verdicts on a row; 0 = accepted."""

NEWEST, WATERMARK, STARTED, ARRIVED, HELD = range(5)
"""Places in ``book``: largest time accepted, watermark, and counts."""

_END_OF_TIME = np.iinfo(np.int64).max
_DAWN_OF_TIME = np.iinfo(np.int64).min


@kernel
def reorder_pass(
    keys: Codes,
    times: Ints,
    values: Floats,
    offsets: Ints,
    lateness: int,
    max_jump: int,
    max_held: int,
    book: Ints,
    heap: Codes,
    cell_keys: Codes,
    cell_times: Ints,
    cell_values: Floats,
    cell_offsets: Ints,
    cell_arrivals: Ints,
    out_keys: Codes,
    out_times: Ints,
    out_values: Floats,
    out_offsets: Ints,
    verdict: NDArray[np.uint8],
    compared: Ints,
) -> int:
    """Take rows in, give back those that the watermark has passed, by (time, arrival).

    Parameters
    ----------
    keys, times, values, offsets : int32 (n,), int64 (n,), float64 (n, C), int64 (n,)
        Rows as they arrive.
    lateness : int
        The watermark is the largest accepted time less this, nanoseconds.
    max_jump : int
        A row further ahead of the largest accepted time is rejected; the largest int64 = no limit.
    max_held : int
        With more rows than this held back the oldest goes and the watermark rises to it.
    book : int64 (5,)
        Scalars of the state; updated.
    heap : int32 (cells,)
        The first ``book[HELD]`` entries are cells in heap order, the others free ones; updated.
    cell_keys, cell_times, cell_values, cell_offsets, cell_arrivals : (cells, ...)
        Rows held back; cells must be at least ``min(held + n, max_held + 1)``.
    out_keys, out_times, out_values, out_offsets, verdict, compared : (held + n, ...)
        Out: rows released or rejected, in the order in which that happened, the verdict and the
        time that a rejected row was measured against.

    Returns
    -------
    int
        Number of rows put out.
    """
    n_channels = values.shape[1]
    held = book[HELD]
    at = 0
    for i in range(keys.shape[0]):
        t = times[i]
        refused = 0
        if book[STARTED] != 0:
            newest = book[NEWEST]
            if t < book[WATERMARK]:
                refused = LATE
                compared[at] = book[WATERMARK]
            elif max_jump < _END_OF_TIME - max(newest, 0) and t > newest + max_jump:
                refused = TIME
                compared[at] = newest + max_jump
        if refused != 0:
            verdict[at] = refused
            out_keys[at] = keys[i]
            out_times[at] = t
            out_offsets[at] = offsets[i]
            for c in range(n_channels):
                out_values[at, c] = values[i, c]
            at += 1
            continue
        if book[STARTED] == 0 or t > book[NEWEST]:
            book[NEWEST] = t
            mark = t - lateness if t >= _DAWN_OF_TIME + lateness else _DAWN_OF_TIME
            if book[STARTED] == 0 or mark > book[WATERMARK]:
                book[WATERMARK] = mark
            book[STARTED] = 1
        cell = heap[held]
        cell_keys[cell] = keys[i]
        cell_times[cell] = t
        cell_offsets[cell] = offsets[i]
        cell_arrivals[cell] = book[ARRIVED]
        book[ARRIVED] += 1
        for c in range(n_channels):
            cell_values[cell, c] = values[i, c]
        _rise(heap, held, cell_times, cell_arrivals)
        held += 1
        while held > 0 and (cell_times[heap[0]] <= book[WATERMARK] or held > max_held):
            cell = heap[0]
            held -= 1
            heap[0] = heap[held]
            heap[held] = cell
            _sink(heap, held, cell_times, cell_arrivals)
            book[WATERMARK] = max(book[WATERMARK], cell_times[cell])
            verdict[at] = 0
            out_keys[at] = cell_keys[cell]
            out_times[at] = cell_times[cell]
            out_offsets[at] = cell_offsets[cell]
            for c in range(n_channels):
                out_values[at, c] = cell_values[cell, c]
            at += 1
    book[HELD] = held
    return at


@kernel
def _rise(heap: Codes, at: int, times: Ints, arrivals: Ints) -> None:
    """Move the entry at this place up until its parent is older."""
    cell = heap[at]
    while at > 0:
        above = (at - 1) // 2
        parent = heap[above]
        if times[parent] < times[cell] or (
            times[parent] == times[cell] and arrivals[parent] < arrivals[cell]
        ):
            break
        heap[at] = parent
        at = above
    heap[at] = cell


@kernel
def _sink(heap: Codes, n: int, times: Ints, arrivals: Ints) -> None:
    """Move the first of n entries down until its children are younger."""
    if n == 0:
        return
    cell = heap[0]
    at = 0
    while 2 * at + 1 < n:
        below = 2 * at + 1
        child = heap[below]
        if below + 1 < n:
            other = heap[below + 1]
            if times[other] < times[child] or (
                times[other] == times[child] and arrivals[other] < arrivals[child]
            ):
                below += 1
                child = other
        if times[cell] < times[child] or (
            times[cell] == times[child] and arrivals[cell] < arrivals[child]
        ):
            break
        heap[at] = child
        at = below
    heap[at] = cell
