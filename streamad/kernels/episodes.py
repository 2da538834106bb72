"""The episode machine: ratios in, opened, updated and resolved episodes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamad.core.data import Codes, Floats, Ints

OFF = -1
"""A rule in nanoseconds that is not set."""
NEVER = -(2**63)

IDLE, PENDING, FIRING, RECOVERING = 0, 1, 2, 3
"""Phases. Pending waits for ``open_rows`` and ``open_ns``, recovering for the close rules."""

OPEN, UPDATE, RESOLVE = 0, 1, 2
"""Events."""
OPENED, SEVERITY, PERIODIC, RECOVERED, TIMEOUT, NO_DATA = 0, 1, 2, 3, 4, 5
"""Reasons of events."""

# Columns of the state, one row a slot.
COUNT = 0  # rows of the pending or recovering run
START = 1  # first row over the line
LAST_OVER = 2  # latest row over the line
LAST_JUDGED = 3
LAST_ROW = 4
BELOW = 5  # first row of the recovering run
TOLD = 6  # time of the latest open or update
SEQ = 7
RANK = 8  # severity, 0 = most severe
SUPPRESSED = 9
LATEST_START = 10  # start of the latest episode opened
QUIET_UNTIL = 11  # end of the cool-down
N_STATE = 12

BY_RATIO, BY_CAUSAL = 0, 1
"""Columns of peaks: by the ratio that drives the episode, and by the causal score."""

# Columns of an event: what happened, then the state of the slot at that moment.
KIND, REASON, SLOT, ROW, TIME = 0, 1, 2, 3, 4
PEAK_ROW, CAUSE_ROW = 5, 6
STATE = 7
N_EVENT = STATE + N_STATE


class Rules(NamedTuple):
    """Times in nanoseconds; ``OFF`` = not set."""

    open_ratio: float
    open_rows: int
    open_ns: int
    close_ratio: float
    close_rows: int
    close_ns: int
    cool_down_ns: int
    no_data_after_ns: int
    update_every_ns: int
    max_open_ns: int


@kernel
def episode_pass(
    first: int,
    slots: Codes,
    times: Ints,
    ratios: Floats,
    causal: Floats,
    rules: Rules,
    severity_ratio: Floats,
    severity_ns: Ints,
    severity_rank: Ints,
    phase: NDArray[np.int8],
    state: Ints,
    peak: Floats,
    peak_row: Ints,
    touched: Codes,
    n_touched: int,
    events: Ints,
) -> tuple[int, int, int]:
    """Drive the machine over rows, until they or the room for events end.

    Parameters
    ----------
    first : int
        Row to begin with.
    slots : int32 (n,)
    times : int64 (n,)
        Nanoseconds, never decreasing within a slot.
    ratios : float64 (n,)
        NaN = not judged.
    causal : float64 (n,)
        Judged wherever ``ratios`` is; says which row of an episode tells its cause.
    rules : Rules
        ``close_ns`` includes the merge gap.
    severity_ratio, severity_ns, severity_rank : float64, int64, int64 (k,)
        A rule holds from this peak ratio and this duration on; the first that holds gives the rank.
        The last one always holds.
    phase : int8 (slots,)
        Updated.
    state : int64 (slots, N_STATE)
        Updated.
    peak : float64 (slots, 2)
        Largest ratio and largest causal score since the start; updated.
    peak_row : int64 (slots, 2)
        Rows of the two, -1 where one lies before these rows; updated.
    touched : int32 (n,)
        Out: slots with a peak in these rows, each once.
    n_touched : int
        Entries of ``touched`` from earlier calls over the same rows.
    events : int64 (m, N_EVENT)
        Out; ROW is -1 where no row caused the event (a timer ran out before the row came).

    Returns
    -------
    next_row, n_events, n_touched : int
    """
    n_events = 0
    for i in range(first, slots.shape[0]):
        s = slots[i]
        ratio = ratios[i]
        over = ratio >= rules.open_ratio
        if phase[s] == IDLE and not over:
            continue
        if n_events + 2 > events.shape[0]:
            return i, n_events, n_touched
        t = times[i]
        now = state[s]
        if phase[s] != IDLE:
            reason, due = _run_out(phase[s], now, t, ratio, rules)
            if reason != OPENED:
                if phase[s] != PENDING:
                    _resolve(now, due, rules)
                    _write(events[n_events], RESOLVE, reason, s, -1, due, peak_row[s], now)
                    n_events += 1
                phase[s] = IDLE
        now[LAST_ROW] = t
        if np.isnan(ratio):
            continue
        now[LAST_JUDGED] = t
        if over:
            if phase[s] == IDLE:
                if t <= now[LATEST_START]:
                    continue
                phase[s] = PENDING
                now[START] = t
                now[COUNT] = 0
                peak[s, BY_RATIO] = peak[s, BY_CAUSAL] = -np.inf
            now[LAST_OVER] = t
        elif phase[s] <= PENDING:
            phase[s] = IDLE
            continue
        for by in range(2):
            height = ratio if by == BY_RATIO else causal[i]
            if height > peak[s, by]:
                peak[s, by] = height
                if peak_row[s, BY_RATIO] < 0 and peak_row[s, BY_CAUSAL] < 0:
                    touched[n_touched] = s
                    n_touched += 1
                peak_row[s, by] = i
        if phase[s] == PENDING:
            now[COUNT] += 1
            if now[COUNT] < rules.open_rows or t - now[START] < rules.open_ns:
                continue
            phase[s] = FIRING
            now[LATEST_START] = now[START]
            now[SEQ] = 0
            now[SUPPRESSED] = now[START] < now[QUIET_UNTIL]
            kind, reason = OPEN, OPENED
        elif ratio < rules.close_ratio:
            if phase[s] == FIRING:
                phase[s] = RECOVERING
                now[BELOW] = t
                now[COUNT] = 0
            now[COUNT] += 1
            if now[COUNT] >= rules.close_rows and t - now[BELOW] >= rules.close_ns:
                _resolve(now, t, rules)
                _write(events[n_events], RESOLVE, RECOVERED, s, i, t, peak_row[s], now)
                n_events += 1
                phase[s] = IDLE
                continue
            kind, reason = UPDATE, PERIODIC
        else:
            phase[s] = FIRING
            kind, reason = UPDATE, PERIODIC
        if phase[s] == FIRING:
            k = 0
            while peak[s, BY_RATIO] < severity_ratio[k] or t - now[START] < severity_ns[k]:
                k += 1
            if kind == OPEN:
                now[RANK] = severity_rank[k]
            elif severity_rank[k] < now[RANK]:
                now[RANK] = severity_rank[k]
                reason = SEVERITY
        if reason == PERIODIC and (
            rules.update_every_ns == OFF or t - now[TOLD] < rules.update_every_ns
        ):
            continue
        now[SEQ] += 1
        now[TOLD] = t
        _write(events[n_events], kind, reason, s, i, t, peak_row[s], now)
        n_events += 1
    return slots.shape[0], n_events, n_touched


@kernel
def _run_out(phase: int, now: Ints, t: int, ratio: float, rules: Rules) -> tuple[int, int]:
    """Reason and time of the timer that ran out first before this row, OPENED if none did."""
    reason, due = OPENED, t
    if rules.no_data_after_ns != OFF and t - now[LAST_JUDGED] > rules.no_data_after_ns:
        reason, due = NO_DATA, now[LAST_JUDGED] + rules.no_data_after_ns
    if phase == PENDING:
        return reason, due
    if rules.max_open_ns != OFF and due - now[START] >= rules.max_open_ns:
        reason, due = TIMEOUT, now[START] + rules.max_open_ns
    if (
        phase == RECOVERING
        and ratio >= rules.close_ratio
        and now[COUNT] >= rules.close_rows
        and due - now[BELOW] > rules.close_ns
    ):
        reason, due = RECOVERED, now[BELOW] + rules.close_ns
    return reason, due


@kernel
def _resolve(now: Ints, t: int, rules: Rules) -> None:
    """Count the event, and start the cool-down unless the episode was silent itself."""
    now[SEQ] += 1
    if now[SUPPRESSED] == 0:
        now[QUIET_UNTIL] = t + rules.cool_down_ns


@kernel
def _write(
    event: Ints, kind: int, reason: int, slot: int, row: int, t: int, peak_row: Ints, now: Ints
) -> None:
    """Fill one event."""
    event[KIND] = kind
    event[REASON] = reason
    event[SLOT] = slot
    event[ROW] = row
    event[TIME] = t
    event[PEAK_ROW] = peak_row[BY_RATIO]
    event[CAUSE_ROW] = peak_row[BY_CAUSAL]
    for k in range(N_STATE):
        event[STATE + k] = now[k]
