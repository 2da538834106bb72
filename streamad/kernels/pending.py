"""Rows that wait for their final score, in one ring a series."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamad.core.data import Codes, Floats, Ints


class Rings(NamedTuple):
    """What waits: D cells a slot, slot by slot; a place is a cell within its slot.

    Attributes
    ----------
    times, payload, details : int64 (slots * D,), float64 (slots * D, K), float32 (slots * D, E)
    strongest : int32 (slots * D,) or (0,)
        Place of the row with the largest first number of payload among a row and those after it;
        empty = not asked for.
    head, waiting : int32 (slots,)
        Place to be written next, and rows that wait.
    """

    times: Ints
    payload: Floats
    details: NDArray[np.float32]
    strongest: Codes
    head: Codes
    waiting: Codes


class Given(NamedTuple):
    """Rows given back, as in ``streamad.core.protocols.Released``.

    Attributes
    ----------
    slots, times, payload, details : int32 (m,), int64 (m,), float64 (m, K), float32 (m, E)
    final : float64 (m,)
    strongest_payload, strongest_details : float64 (m, K), float32 (m, E)
        Written only where asked for.
    """

    slots: Codes
    times: Ints
    payload: Floats
    details: NDArray[np.float32]
    final: Floats
    strongest_payload: Floats
    strongest_details: NDArray[np.float32]


@kernel
def wait_pass(
    start: int,
    slots: Codes,
    times: Ints,
    payload: Floats,
    details: NDArray[np.float32],
    final: Floats,
    lag: Codes,
    depth: int,
    rings: Rings,
    out: Given,
) -> tuple[int, int]:
    """Put rows into their rings and give back those whose final score has come.

    Parameters
    ----------
    start : int
        First row to take.
    slots, times, payload, details : int32 (n,), int64 (n,), float64 (n, K), float32 (n, E)
        Rows.
    final, lag : float64 (n,), int32 (n,)
        ``final[i]`` belongs to the row of the same slot ``lag[i]`` rows before row i; negative =
        to none.
    depth : int
        Cells of a slot, D; D - 1 rows go on waiting at most.
    rings : Rings
        Updated.
    out : Given
        At least D rows long. Stops when another row might not fit.

    Returns
    -------
    stop, n_out : int
        The first row not taken, and how many were given back.
    """
    ring_times, ring_payload, ring_details, strongest, head, waiting = rings
    to_slots, to_times, to_payload, to_details, to_final, to_strong, to_strong_details = out
    at = 0
    for i in range(start, slots.shape[0]):
        if at + depth > to_slots.shape[0]:
            return i, at
        s = slots[i]
        cell = s * depth + head[s]
        ring_times[cell] = times[i]
        _copy_row(payload, details, i, ring_payload, ring_details, cell)
        head[s] = head[s] + 1 if head[s] + 1 < depth else 0
        waiting[s] += 1
        if strongest.shape[0] > 0:
            _look_back(s, depth, head[s], waiting[s], ring_payload, strongest)
        reached = 0 <= lag[i] < waiting[s]
        keep = lag[i] if reached else depth - 1
        while waiting[s] > keep:
            cell = _back(s, depth, head[s], waiting[s])
            to_slots[at] = s
            to_times[at] = ring_times[cell]
            _copy_row(ring_payload, ring_details, cell, to_payload, to_details, at)
            if strongest.shape[0] > 0:
                cell = s * depth + strongest[cell]
                _copy_row(ring_payload, ring_details, cell, to_strong, to_strong_details, at)
            waiting[s] -= 1
            to_final[at] = final[i] if reached and waiting[s] == keep else np.nan
            at += 1
    return slots.shape[0], at


@kernel
def release_all(
    slots: Codes,
    owed: Codes,
    finals: Floats,
    depth: int,
    rings: Rings,
    cursor: Ints,
    out: Given,
) -> None:
    """Give back everything that waits in some slots.

    Parameters
    ----------
    slots : int32 (k,)
        Distinct.
    owed, finals : int32 (f,), float64 (f,)
        Final scores, oldest first within a slot, for the newest waiting rows of that slot.
    depth : int
        As in :func:`wait_pass`.
    rings : Rings
        Nothing waits in these slots afterwards.
    cursor : int64 (slots,)
        Work space.
    out : Given
        As many rows as wait: slot by slot, oldest first; NaN where no final was owed.
    """
    ring_times, ring_payload, ring_details, strongest, head, waiting = rings
    to_slots, to_times, to_payload, to_details, to_final, to_strong, to_strong_details = out
    at = 0
    for s in slots:
        while waiting[s] > 0:
            cell = _back(s, depth, head[s], waiting[s])
            to_slots[at] = s
            to_times[at] = ring_times[cell]
            _copy_row(ring_payload, ring_details, cell, to_payload, to_details, at)
            if strongest.shape[0] > 0:
                cell = s * depth + strongest[cell]
                _copy_row(ring_payload, ring_details, cell, to_strong, to_strong_details, at)
            waiting[s] -= 1
            to_final[at] = np.nan
            at += 1
        cursor[s] = at
    for j in range(owed.shape[0] - 1, -1, -1):
        s = owed[j]
        cursor[s] -= 1
        if cursor[s] >= 0 and to_slots[cursor[s]] == s:
            to_final[cursor[s]] = finals[j]


@kernel
def _look_back(
    slot: int, depth: int, head: int, waiting: int, payload: Floats, strongest: Codes
) -> None:
    """Make the newest row the strongest one of itself and of older ones that it exceeds.

    What is strongest from an older row on is never weaker than from a newer one on, so the walk
    ends early.
    """
    newest = _back(slot, depth, head, 1)
    strongest[newest] = newest - slot * depth
    if np.isnan(payload[newest, 0]):
        return
    for rows in range(2, waiting + 1):
        older = _back(slot, depth, head, rows)
        if payload[slot * depth + strongest[older], 0] >= payload[newest, 0]:
            break
        strongest[older] = newest - slot * depth


@kernel
def _back(slot: int, depth: int, head: int, rows: int) -> int:
    """Cell of the row that came so many rows ago, 1 = the newest."""
    place = head - rows
    return slot * depth + (place if place >= 0 else place + depth)


@kernel
def _copy_row(
    payload: Floats,
    details: NDArray[np.float32],
    row: int,
    to_payload: Floats,
    to_details: NDArray[np.float32],
    at: int,
) -> None:
    """Copy one row."""
    for c in range(payload.shape[1]):
        to_payload[at, c] = payload[row, c]
    for c in range(details.shape[1]):
        to_details[at, c] = details[row, c]
