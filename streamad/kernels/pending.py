"""Rows that wait for their final score, in one ring a series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamad.core.data import Codes, Floats, Ints


@kernel
def wait_pass(
    start: int,
    slots: Codes,
    times: Ints,
    payload: Floats,
    shares: NDArray[np.float32],
    final: Floats,
    lag: Codes,
    depth: int,
    cell_times: Ints,
    cell_payload: Floats,
    cell_shares: NDArray[np.float32],
    head: Codes,
    waiting: Codes,
    out_slots: Codes,
    out_times: Ints,
    out_payload: Floats,
    out_shares: NDArray[np.float32],
    out_final: Floats,
) -> tuple[int, int]:
    """Put rows into their rings and give back those whose final score has come.

    Parameters
    ----------
    start : int
        First row to take.
    slots, times, payload, shares : int32 (n,), int64 (n,), float64 (n, K), float32 (n, C)
        Rows.
    final, lag : float64 (n,), int32 (n,)
        ``final[i]`` belongs to the row of the same slot ``lag[i]`` rows before row i; negative =
        to none.
    depth : int
        Cells of a slot, D; D - 1 rows go on waiting at most.
    cell_times, cell_payload, cell_shares : (slots * D, ...)
        Rings, slot by slot; updated.
    head, waiting : int32 (slots,)
        Place to be written next, and rows that wait; updated.
    out_slots, out_times, out_payload, out_shares, out_final : (m, ...)
        Out; m >= D. Stops when another row might not fit.

    Returns
    -------
    stop, n_out : int
        The first row not taken, and how many were given back.
    """
    at = 0
    for i in range(start, slots.shape[0]):
        if at + depth > out_slots.shape[0]:
            return i, at
        s = slots[i]
        _copy_row(
            times, payload, shares, i, cell_times, cell_payload, cell_shares, s * depth + head[s]
        )
        head[s] = head[s] + 1 if head[s] + 1 < depth else 0
        waiting[s] += 1
        reached = 0 <= lag[i] < waiting[s]
        keep = lag[i] if reached else depth - 1
        while waiting[s] > keep:
            cell = _oldest(s, depth, head[s], waiting[s])
            _copy_row(
                cell_times, cell_payload, cell_shares, cell, out_times, out_payload, out_shares, at
            )
            waiting[s] -= 1
            out_slots[at] = s
            out_final[at] = final[i] if reached and waiting[s] == keep else np.nan
            at += 1
    return slots.shape[0], at


@kernel
def release_all(
    slots: Codes,
    owed: Codes,
    finals: Floats,
    depth: int,
    cell_times: Ints,
    cell_payload: Floats,
    cell_shares: NDArray[np.float32],
    head: Codes,
    waiting: Codes,
    cursor: Ints,
    out_slots: Codes,
    out_times: Ints,
    out_payload: Floats,
    out_shares: NDArray[np.float32],
    out_final: Floats,
) -> None:
    """Give back everything that waits in some slots.

    Parameters
    ----------
    slots : int32 (k,)
        Distinct.
    owed, finals : int32 (f,), float64 (f,)
        Final scores, oldest first within a slot, for the newest waiting rows of that slot.
    depth, cell_times, cell_payload, cell_shares, head
        As in :func:`wait_pass`.
    waiting : int32 (slots,)
        Becomes 0.
    cursor : int64 (slots,)
        Work space.
    out_slots, out_times, out_payload, out_shares, out_final : (sum of waiting, ...)
        Out: slot by slot, oldest first; NaN where no final was owed.
    """
    at = 0
    for s in slots:
        while waiting[s] > 0:
            cell = _oldest(s, depth, head[s], waiting[s])
            _copy_row(
                cell_times, cell_payload, cell_shares, cell, out_times, out_payload, out_shares, at
            )
            waiting[s] -= 1
            out_slots[at] = s
            out_final[at] = np.nan
            at += 1
        cursor[s] = at
    for j in range(owed.shape[0] - 1, -1, -1):
        s = owed[j]
        cursor[s] -= 1
        if cursor[s] >= 0 and out_slots[cursor[s]] == s:
            out_final[cursor[s]] = finals[j]


@kernel
def _oldest(slot: int, depth: int, head: int, waiting: int) -> int:
    """Cell of the row of a slot that has waited longest."""
    place = head - waiting
    return slot * depth + (place if place >= 0 else place + depth)


@kernel
def _copy_row(
    times: Ints,
    payload: Floats,
    shares: NDArray[np.float32],
    row: int,
    to_times: Ints,
    to_payload: Floats,
    to_shares: NDArray[np.float32],
    at: int,
) -> None:
    """Copy one row."""
    to_times[at] = times[row]
    for c in range(payload.shape[1]):
        to_payload[at, c] = payload[row, c]
    for c in range(shares.shape[1]):
        to_shares[at, c] = shares[row, c]
