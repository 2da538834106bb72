"""The criticality counter as an alarm ratio."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.care import counts

from streamad.alerting.criticality import Criticality
from streamad.core.errors import ConfigError, NotFittedError, ShapeError

ratios = st.sampled_from([0.0, 0.9, 1.0, 4.0, np.nan])
streams = st.lists(st.tuples(st.integers(0, 2), ratios), min_size=1, max_size=60)


def started(rows=4, cap=9):
    counter = Criticality(rows, cap)
    counter.admit(np.arange(3, dtype=np.int32))
    return counter


def columns(stream):
    return np.array([s for s, _ in stream], np.int32), np.array([r for _, r in stream])


@given(streams)
def test_each_series_counts_its_own_rows(stream):
    slots, over = columns(stream)
    found = started().step(slots, over)
    for slot in range(3):
        own = over[slots == slot]
        assert (found[slots == slot] * 4).tolist() == counts(own >= 1.0, ~np.isnan(own), 9)


@given(streams, st.integers(0, 60))
def test_neither_the_cut_nor_a_restart_shows(stream, cut):
    slots, over = columns(stream)
    whole = started().step(slots, over)
    first = started()
    before = first.step(slots[:cut], over[:cut])
    second = Criticality(4, 9)
    second.restore(first.snapshot())
    assert np.concatenate((before, second.step(slots[cut:], over[cut:]))).tolist() == whole.tolist()


def test_an_admitted_slot_starts_at_nothing():
    counter = started()
    counter.step(np.zeros(5, np.int32), np.ones(5))
    counter.admit(np.array([0], np.int32))
    assert counter.step(np.zeros(1, np.int32), np.zeros(1)).tolist() == [0.0]


@pytest.mark.parametrize(("rows", "cap"), [(0, 10), (11, 10)])
def test_a_line_that_cannot_be_reached_is_refused(rows, cap):
    with pytest.raises(ConfigError, match="1 <= rows <= cap"):
        Criticality(rows, cap)


def test_a_slot_that_was_never_admitted_is_refused():
    with pytest.raises(NotFittedError, match="slot 3 was never admitted"):
        started().step(np.array([3], np.int32), np.zeros(1))


def test_one_ratio_a_slot_is_needed():
    with pytest.raises(ShapeError, match="one ratio a slot"):
        started().step(np.zeros(2, np.int32), np.zeros(3))
