"""Rows that wait for their final score, against lists."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.windows import released

from streamad.core.errors import ConfigError, ShapeError
from streamad.core.protocols import Pending
from streamad.windowing.pending import FixedLag

steps = st.lists(st.tuples(st.integers(0, 2), st.integers(-1, 5)), min_size=1, max_size=60)
depths = st.sampled_from([2, 3, 6])


def opened(depth, n_slots=3):
    pending = FixedLag(depth)
    pending.open(2, 1)
    pending.admit(np.arange(n_slots, dtype=np.int32))
    return pending


def push(pending, pairs, first=0):
    """Rows with time = position, payload = (time, -time), details = time, final = time / 8."""
    n = len(pairs)
    times = np.arange(first, first + n)
    out = pending.step(
        np.array([slot for slot, _ in pairs], np.int32),
        times,
        np.column_stack((times, -times)).astype(np.float64),
        times[:, None].astype(np.float32),
        times / 8,
        np.array([lag for _, lag in pairs], np.int32),
    )
    return rows_of(out)


def rows_of(out):
    assert np.array_equal(out.payload, np.column_stack((out.times, -out.times)))
    assert np.array_equal(out.details[:, 0], out.times)
    return list(zip(out.slots.tolist(), out.times.tolist(), out.final.tolist(), strict=True))


def model(depth, pairs):
    return released(depth, [(slot, i, i / 8, lag) for i, (slot, lag) in enumerate(pairs)])


def codes(*slots):
    return np.array(slots, np.int32)


def test_it_is_a_pending():
    assert isinstance(FixedLag(1), Pending)


@given(steps, depths, st.lists(st.integers(1, 60), max_size=5))
def test_any_cut_gives_what_lists_give(pairs, depth, places):
    pending = opened(depth)
    edges = [0, *sorted({place for place in places if place < len(pairs)}), len(pairs)]
    out = []
    for a, b in pairwise(edges):
        out += push(pending, pairs[a:b], a)
    assert repr(model(depth, pairs)[0]) == repr(out)


@given(steps, depths, st.integers(0, 60))
def test_a_restart_does_not_show(pairs, depth, place):
    place = min(place, len(pairs))
    before, after = opened(depth), FixedLag(depth)
    out = push(before, pairs[:place])
    after.open(2, 1)
    after.restore(before.snapshot())
    assert repr(model(depth, pairs)[0]) == repr(out + push(after, pairs[place:], place))


@given(steps, depths)
def test_company_does_not_show(pairs, depth):
    together = push(opened(depth), pairs)
    for slot in range(3):
        own = [pair if pair[0] == slot else None for pair in pairs]
        pending = opened(depth)
        alone = []
        for i, pair in enumerate(own):
            if pair is not None:
                alone += push(pending, [pair], i)
        assert repr(alone) == repr([row for row in together if row[0] == slot])


@given(steps, depths, st.lists(st.integers(0, 2), max_size=9))
def test_closing_gives_back_the_rest_with_the_finals_owed_to_the_newest(pairs, depth, owed):
    pending = opened(depth)
    push(pending, pairs)
    _, waiting = model(depth, pairs)
    expected = []
    for slot in (2, 0, 1):
        times = waiting.get(slot, [])
        finals = [float(i) for i, other in enumerate(owed) if other == slot]
        padded = ([np.nan] * len(times) + finals)[len(finals) :]
        padded = padded[-len(times) :] if times else []
        expected += [(slot, time, final) for time, final in zip(times, padded, strict=True)]
    out = pending.close(codes(2, 0, 1), codes(*owed), np.arange(float(len(owed))))
    assert repr(expected) == repr(rows_of(out))


def test_nothing_waits_after_closing():
    pending = opened(3)
    push(pending, [(0, -1), (1, -1)])
    pending.close(codes(0, 1), codes(), np.empty(0))
    assert rows_of(pending.close(codes(0, 1), codes(), np.empty(0))) == []


def test_a_row_left_behind_comes_first_and_without_final():
    out = push(opened(5), [(0, -1), (0, -1), (0, 1)])
    assert repr(out) == repr([(0, 0, np.nan), (0, 1, 0.25)])


def test_a_second_final_for_the_same_row_is_ignored():
    assert push(opened(5), [(0, 0), (0, 1)]) == [(0, 0, 0.0)]


def test_rows_that_no_final_can_reach_do_not_wait():
    out = push(opened(2), [(0, -1)] * 5)
    assert [time for _, time, _ in out] == [0, 1, 2, 3]


def test_with_depth_one_the_arrays_pass_through():
    pending = opened(1)
    times, final = np.arange(3), np.arange(3.0)
    out = pending.step(
        codes(0, 1, 0), times, np.ones((3, 2)), np.ones((3, 1), np.float32), final, codes(0, 0, 0)
    )
    assert out.times is times
    assert out.final is final
    assert pending.snapshot() == {}


def test_with_depth_one_a_row_without_final_gets_none():
    out = push(opened(1), [(0, 0), (0, -1)])
    assert repr(out) == repr([(0, 0, 0.0), (0, 1, np.nan)])


def test_a_new_series_in_a_used_slot_waits_for_nothing():
    pending = opened(3)
    push(pending, [(0, -1), (0, -1)])
    pending.admit(codes(0))
    assert push(pending, [(0, 1)], 9) == []


def test_state_does_not_grow_with_the_rows():
    def state_bytes(n):
        pending = opened(4)
        push(pending, [(i % 3, 2) for i in range(n)])
        return sum(array.nbytes for array in pending.snapshot().values())

    assert state_bytes(50) == state_bytes(500)


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize(("n_columns", "n_details"), [(3, 1), (2, 2), (2, 0)])
def test_rows_of_another_width_are_refused(depth, n_columns, n_details):
    with pytest.raises(ShapeError, match=r"have \(2, 1\) columns of payload and details"):
        opened(depth).step(
            codes(0),
            np.arange(1),
            np.ones((1, n_columns)),
            np.ones((1, n_details), np.float32),
            np.ones(1),
            codes(0),
        )


def test_a_depth_below_one_is_refused():
    with pytest.raises(ConfigError, match="at least 1"):
        FixedLag(0)
