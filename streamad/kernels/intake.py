"""Rows of many series into their warm-up, or scaled into the rows that members look back on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from streamad.core.data import Flags, Floats, Ints

    Reals = NDArray[np.float32]

LARGEST = 1e100
"""Larger values count as missing, like NaN: their squares would overflow."""

CLIP = 8.0

TAKEN, READY, FULL = 0, 1, 2
"""What ended the collecting of a group: its rows, its warm-up, its room."""

CENTER, UNIT, TINY, LAST = range(4)
"""A channel's scale: taken away, divided by (0 = waits for its first move), deviation that counts
as a move, last value."""


@kernel
def collect(
    values: Floats,
    times: Ints,
    order: Ints,
    stops: Ints,
    slots: Ints,
    done: Ints,
    pool: Floats,
    begin: Ints,
    size: Ints,
    rows: Ints,
    split: Ints,
    began: Ints,
    most_rows: int,
    least_rows: int,
    most_ns: int,
    state: Ints,
) -> None:
    """Copy raw rows of series that warm up behind each other.

    Parameters
    ----------
    values : float64 (n, C)
    times : int64 (n,)
    order : int64 (n,)
        Positions grouped by series, oldest first.
    stops : int64 (G,)
        End of each group in ``order``.
    slots : int64 (G,)
    done : int64 (G,)
        In and out: position in ``order`` of the next row of each group.
    pool : float64 (P,)
    begin, size : int64 (slots,)
        Blocks of the arena: room for ``size // C`` rows.
    rows : int64 (slots,)
        In and out: rows taken; a row without any value before the first one is passed over.
    split : int64 (slots,)
        0 = warming up; other series are left alone.
    began : int64 (slots,)
        In and out: time of the first row.
    most_rows, least_rows, most_ns : int
        The warm-up ends with so many rows, or at the first row ``most_ns`` after the first one
        (0 = never) if there are ``least_rows`` before it.
    state : int64 (G,)
        Out: ``TAKEN``, ``READY`` or ``FULL``.
    """
    n_channels = values.shape[1]
    for g in range(slots.shape[0]):
        state[g] = TAKEN
        s = slots[g]
        if split[s] > 0:
            continue
        while done[g] < stops[g]:
            i = order[done[g]]
            if rows[s] == 0:
                if _is_blank(values[i]):
                    done[g] += 1
                    continue
                began[s] = times[i]
            late = most_ns > 0 and times[i] - began[s] >= most_ns
            if late and rows[s] >= least_rows:
                state[g] = READY
                break
            if (rows[s] + 1) * n_channels > size[s]:
                state[g] = FULL
                break
            at = begin[s] + rows[s] * n_channels
            for c in range(n_channels):
                pool[at + c] = values[i, c]
            rows[s] += 1
            done[g] += 1
            if rows[s] == most_rows:
                state[g] = READY
                break


@kernel
def intake(
    values: Floats,
    order: Ints,
    done: Ints,
    counts: Ints,
    first: Ints,
    scale: Ints,
    past: Ints,
    capacity: Ints,
    filled: Ints,
    pool: Floats,
    pool32: Reals,
    kept: int,
    lo: int,
    hi: int,
    blank: Flags,
) -> None:
    """Fill, scale and append new rows of warm series.

    Parameters
    ----------
    values : float64 (n, C)
        NaN, infinite or beyond 1e100 = missing: the last value stands for it.
    order : int64 (n,)
    done : int64 (G,)
        Position in ``order`` of the first new row of each group.
    counts, first : int64 (G,)
    scale : int64 (G,)
        Where the scales of the channels begin in ``pool``: (C, 4) numbers.
    past : int64 (G,)
        Where the row buffer begins in ``pool32``: (C, capacity).
    capacity : int64 (G,)
    filled : int64 (G,)
        In and out: columns in use, the new ones included on return.
    pool, pool32 : float64, float32
        The arena, twice.
    kept : int
        Columns beyond ``capacity - kept`` from the end are dropped when there is no room.
    lo, hi : int
        Groups to work on.
    blank : bool (N,)
        Out: True for a row without any value.
    """
    n_channels = values.shape[1]
    for g in range(lo, hi):
        room, n = capacity[g], counts[g]
        if filled[g] + n > room:
            keep = room - kept
            for c in range(n_channels):
                row = past[g] + c * room
                for k in range(keep):
                    pool32[row + k] = pool32[row + filled[g] - keep + k]
            filled[g] = keep
        for i in range(n):
            value = values[order[done[g] + i]]
            missing = 0
            for c in range(n_channels):
                about = scale[g] + 4 * c
                if abs(value[c]) < LARGEST:
                    pool[about + LAST] = value[c]
                else:
                    missing += 1
                column = past[g] + c * room + filled[g] + i
                pool32[column] = _scaled(pool[about : about + 4])
            blank[first[g] + i] = missing == n_channels
        filled[g] += n


@kernel
def _scaled(about: Floats) -> float:
    """The last value in units of the channel; the first move of a constant sets its unit."""
    d = about[LAST] - about[CENTER]
    if about[UNIT] == 0.0:
        if not abs(d) > about[TINY]:
            return 0.0
        about[UNIT] = abs(d) / 4.0
    return float(min(max(d / about[UNIT], -CLIP), CLIP))


@kernel
def _is_blank(row: Floats) -> bool:
    """True if no value is there."""
    for value in row:
        if abs(value) < LARGEST:
            return False
    return True
