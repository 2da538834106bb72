"""Bookkeeping of the ordering kernels."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from reference.event_time import EventTimeModel

from streamad.kernels import ordering
from streamad.windowing.event_time import NO_LIMIT
from streamad.windowing.rejects import Refusal

keys_seen = st.lists(st.integers(0, 5), min_size=1, max_size=40)


def one_pass(keys, times, max_keys=10, verdict=None):
    """One call on fresh state: (stop, book, older, slot_of_key, slots, verdict)."""
    n = len(keys)
    rules = np.array([max_keys, NO_LIMIT, NO_LIMIT, 1, 0, NO_LIMIT, 10**6])
    book = np.zeros(11, np.int64)
    book[[ordering.NEWEST, ordering.OLDEST]] = -1
    slot_of_key, key_of_slot, older, newer, free = np.full((5, 10), -1, np.int32)
    last, seen, compared = np.zeros((3, max(n, 10)), np.int64)
    slots, admitted = np.full((2, n), -1, np.int32)
    verdict = np.zeros(n, np.uint8) if verdict is None else verdict
    stop = ordering.order_pass(
        0,
        np.array(keys, np.int32),
        np.array(times, np.int64),
        verdict,
        compared,
        rules,
        book,
        slot_of_key,
        key_of_slot,
        last,
        seen,
        older,
        newer,
        free,
        slots,
        np.empty(n, np.bool_),
        np.empty(0, np.int32),
        admitted,
    )
    return stop, book, older, slot_of_key, slots, verdict


@given(keys_seen)
def test_the_list_runs_from_the_most_to_the_least_recently_seen(keys):
    _, book, older, slot_of_key, _, _ = one_pass(keys, range(len(keys)))
    walked = []
    slot = book[ordering.NEWEST]
    while slot >= 0:
        walked.append(int(np.flatnonzero(slot_of_key == slot)[0]))
        slot = older[slot]
    assert list(dict.fromkeys(reversed(keys))) == walked


@given(keys_seen)
def test_the_pass_stops_where_a_series_has_to_leave(keys):
    stop, *_ = one_pass(keys, range(len(keys)), max_keys=2)
    distinct = [len(set(keys[: i + 1])) for i in range(len(keys))]
    assert next((i for i, count in enumerate(distinct) if count > 2), len(keys)) == stop


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=40))
def test_verdicts_are_those_of_the_model(rows):
    keys, times = zip(*rows, strict=True)
    *_, verdict = one_pass(keys, times)
    model = EventTimeModel().run([(key, t, (), i) for i, (key, t) in enumerate(rows)])
    refused = [(i, Refusal(verdict[i]).name.lower()) for i in np.flatnonzero(verdict).tolist()]
    assert model.rejects == refused


def test_rows_refused_before_are_passed_over():
    _, book, _, _, slots, _ = one_pass([1, 2], [5, 6], verdict=np.array([1, 0], np.uint8))
    assert (book[ordering.REJECTED], book[ordering.LIVE], slots[1]) == (1, 1, 0)


def test_times_at_both_ends_of_the_scale_do_not_overflow():
    low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    *_, verdict = one_pass([0, 1, 0], [low, 0, high])
    assert verdict.tolist() == [0, 0, 0]


def test_filled_rows_hold_what_was_known_and_keep_infinity_and_nan_apart():
    values = np.array([[1.0, np.inf], [np.nan, np.nan], [5.0, 6.0]])
    held = np.full((1, 2), np.nan)
    out_values = np.empty((5, 2))
    out_slots, out_times = np.empty(5, np.int32), np.empty(5, np.int64)
    filled, fresh = np.empty((2, 5), np.bool_)
    ordering.fill_pass(
        np.zeros(3, np.int32),
        np.array([0, 10, 40]),
        values,
        np.array([True, False, False]),
        np.array([0, 0, 2], np.int32),
        np.array([0, 0, 10]),
        10,
        held,
        out_slots,
        out_times,
        out_values,
        filled,
        fresh,
    )
    expected = [[1, np.inf], [np.nan, np.nan], [1, np.inf], [1, np.inf], [5, 6]]
    np.testing.assert_array_equal(out_values, expected)
    assert out_times.tolist() == [0, 10, 20, 30, 40]
    assert filled.tolist() == [False, False, True, True, False]
    assert fresh.tolist() == [True, False, False, False, False]
