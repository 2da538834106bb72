"""Row by row: which series a row belongs to, whether it is accepted, which series are forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamad.core.data import Codes, Flags, Floats, Ints

LATE, DUPLICATE, TIME = 1, 2, 3
"""Verdicts on a row; 0 = accepted."""

MAX_KEYS, TTL, MAX_JUMP, DROP, PERIOD, MAX_GAP, MAX_FILLED = range(7)
"""Places in ``rules``; no limit = the largest int64, no period = 0."""

NOW, STARTED, NEWEST, OLDEST, LIVE, USED, FREE, EVICTED, ADMITTED, REJECTED, FILLED = range(11)
"""Places in ``book``; the last four count what one call did."""

_END_OF_TIME = np.iinfo(np.int64).max


@kernel
def order_pass(
    start: int,
    keys: Codes,
    times: Ints,
    verdict: NDArray[np.uint8],
    compared: Ints,
    rules: Ints,
    book: Ints,
    slot_of_key: Codes,
    key_of_slot: Codes,
    last: Ints,
    seen: Ints,
    older: Codes,
    newer: Codes,
    free: Codes,
    slots: Codes,
    fresh: Flags,
    fills: Codes,
    admitted: Codes,
) -> int:
    """Accept or reject rows until a series has to leave between two of them.

    Parameters
    ----------
    start : int
        First row to look at.
    keys : int32 (n,)
        Series of each row.
    times : int64 (n,)
    verdict : uint8 (n,)
        In: not 0 where a row was rejected before. Out: 0 = accepted, or the reason.
    compared : int64 (n,)
        Out: the time that a rejected row was measured against; for an accepted row of a series
        that is not new the time of its row before.
    rules : int64 (7,)
        Limits; see the constants of this module.
    book : int64 (11,)
        Scalars of the state; updated.
    slot_of_key : int32 (keys,)
        -1 = no slot; updated.
    key_of_slot, older, newer, free : int32 (slots,)
        Key of a slot, its neighbours in the order of last sight (-1 = none), stack of slots given
        back; updated.
    last, seen : int64 (slots,)
        Time of the last row, and of the partition when it came; updated.
    slots, fresh : int32, bool (n,)
        Out: slot of each accepted row; True where its windows start anew.
    fills : int32 (n,) or (0,)
        Out when there is a period: rows missing before each accepted row.
    admitted : int32 (at least n or the maximum of keys,)
        Out: slots given to new series.

    Returns
    -------
    int
        The first row not looked at. ``free[book[FREE] before the call:][:book[EVICTED]]`` are the
        slots that leave before the first accepted row.

    Notes
    -----
    O(1) a row: a series seen moves to the head of a linked list, those to forget are at its tail.
    """
    now = book[NOW]
    started = book[STARTED]
    newest = book[NEWEST]
    oldest = book[OLDEST]
    live = book[LIVE]
    used = book[USED]
    n_free = book[FREE]
    period = rules[PERIOD]
    accepted = 0
    n_evicted = 0
    n_admitted = 0
    n_rejected = 0
    n_filled = 0
    stop: int = keys.shape[0]
    for i in range(start, keys.shape[0]):
        if verdict[i] != 0:
            n_rejected += 1
            continue
        t = times[i]
        bounded = started != 0 and rules[MAX_JUMP] < _END_OF_TIME - max(now, 0)
        if bounded and t > now + rules[MAX_JUMP]:
            verdict[i] = TIME
            compared[i] = now + rules[MAX_JUMP]
            n_rejected += 1
            continue
        key = keys[i]
        s = slot_of_key[key]
        if s >= 0 and (t < last[s] or (t == last[s] and rules[DROP] != 0)):
            verdict[i] = LATE if t < last[s] else DUPLICATE
            compared[i] = last[s]
            n_rejected += 1
            continue
        clock = max(now, t) if started != 0 else t
        if live > 0 and (clock - seen[oldest] > rules[TTL] or (s < 0 and live >= rules[MAX_KEYS])):
            if accepted > 0:
                stop = i
                break
            while live > 0 and (
                clock - seen[oldest] > rules[TTL]
                or (slot_of_key[key] < 0 and live >= rules[MAX_KEYS])
            ):
                gone = oldest
                oldest = newer[gone]
                if oldest >= 0:
                    older[oldest] = -1
                else:
                    newest = -1
                slot_of_key[key_of_slot[gone]] = -1
                key_of_slot[gone] = -1
                free[n_free] = gone
                n_free += 1
                live -= 1
                n_evicted += 1
            s = slot_of_key[key]
        anew = s < 0
        missing = 0
        if s >= 0:
            gap = t - last[s]
            if period > 0:
                missing = max((gap + period // 2) // period - 1, 0)
            if gap > rules[MAX_GAP] and (period == 0 or missing > 0):
                anew = True
                missing = 0
            if n_filled + missing > rules[MAX_FILLED] and accepted > 0:
                stop = i
                break
            compared[i] = last[s]
        else:
            if n_free > 0:
                n_free -= 1
                s = free[n_free]
            else:
                s = used
                used += 1
            slot_of_key[key] = s
            key_of_slot[s] = key
            older[s] = -1
            newer[s] = -1
            admitted[n_admitted] = s
            n_admitted += 1
            live += 1
        if newest != s:
            after = newer[s]
            before = older[s]
            if after >= 0:
                older[after] = before
                if before >= 0:
                    newer[before] = after
                else:
                    oldest = after
            older[s] = newest
            newer[s] = -1
            if newest >= 0:
                newer[newest] = s
            else:
                oldest = s
            newest = s
        if period > 0:
            fills[i] = missing
        slots[i] = s
        fresh[i] = anew
        last[s] = t
        seen[s] = clock
        now = clock
        started = 1
        accepted += 1
        n_filled += missing
    book[NOW] = now
    book[STARTED] = started
    book[NEWEST] = newest
    book[OLDEST] = oldest
    book[LIVE] = live
    book[USED] = used
    book[FREE] = n_free
    book[EVICTED] = n_evicted
    book[ADMITTED] = n_admitted
    book[REJECTED] = n_rejected
    book[FILLED] = n_filled
    return stop


@kernel
def fill_pass(
    slots: Codes,
    times: Ints,
    values: Floats,
    fresh: Flags,
    fills: Codes,
    before: Ints,
    period: int,
    held: Floats,
    out_slots: Codes,
    out_times: Ints,
    out_values: Floats,
    out_filled: Flags,
    out_fresh: Flags,
) -> None:
    """Insert the rows missing on the grid of the period before each row.

    Parameters
    ----------
    slots, times, values, fresh : int32 (n,), int64 (n,), float64 (n, C), bool (n,)
        Accepted rows.
    fills : int32 (n,)
        Rows to insert before each.
    before : int64 (n,)
        Time of the series' row before; read where ``fills`` is not 0.
    period : int
        Nanoseconds between rows of a series.
    held : float64 (slots, C) or (0, C)
        Latest finite value of each channel, put into inserted rows and updated; no rows = NaN is
        put in.
    out_slots, out_times, out_values, out_filled, out_fresh : (n + sum of fills, ...)
        Out: all rows, at ``before + j * period`` where inserted.
    """
    n_channels = values.shape[1]
    hold = held.shape[0] > 0
    at = 0
    for i in range(slots.shape[0]):
        s = slots[i]
        for j in range(fills[i] + 1):
            inserted = j < fills[i]
            out_slots[at] = s
            out_times[at] = before[i] + (j + 1) * period if inserted else times[i]
            out_filled[at] = inserted
            out_fresh[at] = fresh[i] and not inserted
            for c in range(n_channels):
                if not inserted:
                    out_values[at, c] = values[i, c]
                elif hold:
                    out_values[at, c] = held[s, c]
                else:
                    out_values[at, c] = np.nan
            at += 1
        if hold:
            for c in range(n_channels):
                if fresh[i] or not np.isnan(values[i, c]):
                    held[s, c] = values[i, c]
