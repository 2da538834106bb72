"""Rings of the latest rows of each series: push rows, gather windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from streamad.core.data import Codes, Flags, Floats, Ints


@kernel
def mark_ends(slots: Codes, start: int, hop: int, since: Codes, ends: Ints) -> tuple[int, int]:
    """Find the rows that end a window: every ``hop``-th of their series.

    Parameters
    ----------
    slots : int32 (n,)
    start : int
        First row to look at.
    hop : int
    since : int32 (slots,)
        Rows since the last window end; updated.
    ends : int64 (m,)
        Out: positions of the rows; stops when it is full.

    Returns
    -------
    stop, found : int
        The first row not looked at, and how many ends were found.
    """
    found = 0
    for i in range(start, slots.shape[0]):
        if found == ends.shape[0]:
            return i, found
        s = slots[i]
        since[s] += 1
        if since[s] == hop:
            since[s] = 0
            ends[found] = i
            found += 1
    return slots.shape[0], found


@kernel
def push_gather(
    slots: Codes,
    values: Floats,
    fresh: Flags,
    start: int,
    stop: int,
    ends: Ints,
    center: Floats,
    scale: Floats,
    most_missing: int,
    ring: Floats,
    head: Codes,
    missing: Codes,
    inverse: Floats,
    out: Floats,
) -> None:
    """Push rows into their rings and write the window of each end, scaled, oldest row first.

    Parameters
    ----------
    slots, values, fresh : int32 (n,), float64 (n, C), bool (n,)
        Rows; a fresh one empties its ring first.
    start, stop : int
        Rows to push.
    ends : int64 (m,)
        Positions of the rows that end a window, ascending, within start and stop.
    center, scale : float64 (m, C) or (0, C)
        Windows hold ``(x - center) / scale``; no rows = raw values.
    most_missing : int
        Windows with more NaN than this become all NaN.
    ring : float64 (slots, L * C)
        Row by row, NaN where there is none; updated.
    head : int32 (slots,)
        Place of the oldest row, which is the next to be replaced; updated.
    missing : int32 (slots,)
        NaN in the ring; updated.
    inverse : float64 (C,)
        Work space.
    out : float64 (m, L * C)
        Out.
    """
    width, n_channels = ring.shape[1], values.shape[1]
    scaled = center.shape[0] > 0
    k = 0
    for i in range(start, stop):
        s = slots[i]
        rows = ring[s]
        if fresh[i]:
            rows[:] = np.nan
            missing[s] = width
        h = head[s]
        change = 0
        for c in range(n_channels):
            change += int(np.isnan(values[i, c])) - int(np.isnan(rows[h + c]))
            rows[h + c] = values[i, c]
        missing[s] += change
        h = h + n_channels if h + n_channels < width else 0
        head[s] = h
        if k == ends.shape[0] or ends[k] != i:
            continue
        window = out[k]
        if missing[s] > most_missing:
            window[:] = np.nan
        else:
            _copy(rows[h:], window[: width - h])
            _copy(rows[:h], window[width - h :])
            if scaled:
                for c in range(n_channels):
                    inverse[c] = 1.0 / scale[k, c]
                _scale(window, center[k], inverse)
        k += 1


@kernel
def _copy(rows: Floats, out: Floats) -> None:
    """Copy rows, without the machinery of slice assignment."""
    for j in range(rows.shape[0]):
        out[j] = rows[j]


@kernel
def _scale(window: Floats, center: Floats, inverse: Floats) -> None:
    """Scale a window in place, channel by channel."""
    n_channels = center.shape[0]
    if n_channels == 1:
        middle, factor = center[0], inverse[0]
        for j in range(window.shape[0]):
            window[j] = (window[j] - middle) * factor
        return
    for j in range(0, window.shape[0], n_channels):
        row = window[j : j + n_channels]
        for c in range(n_channels):
            row[c] = (row[c] - center[c]) * inverse[c]
