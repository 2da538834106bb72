"""The heap behind the watermark."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamad.kernels.reorder import reorder_pass

NO_LIMIT = np.iinfo(np.int64).max
rows_in = st.lists(st.integers(-50, 50), min_size=1, max_size=60)


def one_pass(times, lateness, max_held=1000):
    """One call on fresh state: (offsets put out, verdicts, values put out)."""
    n = len(times)
    values = np.array([[np.nan, np.inf, -np.inf, i][i % 4] for i in range(n)], np.float64)[:, None]
    heap = np.arange(n, dtype=np.int32)
    cells = [np.empty(n, np.int32), np.empty(n, np.int64), np.empty((n, 1))]
    cells += [np.empty(n, np.int64), np.empty(n, np.int64)]
    offsets, compared = np.empty((2, n), np.int64)
    out_values, verdict = np.empty((n, 1)), np.empty(n, np.uint8)
    n_out = reorder_pass(
        np.zeros(n, np.int32),
        np.array(times, np.int64),
        values,
        np.arange(n),
        lateness,
        NO_LIMIT,
        max_held,
        np.zeros(5, np.int64),
        heap,
        *cells,
        np.empty(n, np.int32),
        np.empty(n, np.int64),
        out_values,
        offsets,
        verdict,
        compared,
    )
    np.testing.assert_array_equal(out_values[:n_out], values[offsets[:n_out]])
    return offsets[:n_out].tolist(), verdict[:n_out].tolist()


@given(rows_in, st.integers(0, 20))
def test_rows_come_out_by_time_then_arrival_once_the_watermark_has_passed(times, lateness):
    accepted, late, newest = [], [], -(10**9)
    for i, time in enumerate(times):
        if time < newest - lateness:
            late.append(i)
        else:
            accepted.append(i)
            newest = max(newest, time)
    passed = [i for i in accepted if times[i] <= newest - lateness]
    offsets, verdict = one_pass(times, lateness)
    pairs = list(zip(offsets, verdict, strict=True))
    assert sorted(passed, key=lambda i: (times[i], i)) == [i for i, why in pairs if why == 0]
    assert late == [i for i, why in pairs if why != 0]


@given(rows_in, st.integers(1, 5))
def test_with_too_many_rows_the_oldest_goes(times, max_held):
    held, out, mark = [], [], -(10**9)
    for i, time in enumerate(times):
        if time < mark:
            out.append(i)
            continue
        held.append((time, i))
        if len(held) > max_held:
            oldest = min(held)
            held.remove(oldest)
            mark = oldest[0]
            out.append(oldest[1])
        # rows at the watermark do not wait
        while held and min(held)[0] <= mark:
            oldest = min(held)
            held.remove(oldest)
            out.append(oldest[1])
    offsets, _ = one_pass(times, 10**6, max_held)
    assert out == offsets
