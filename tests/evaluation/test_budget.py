"""Thresholds from a false-alarm budget."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.concordance import alarms_at

from streamad.core.errors import ConfigError, ShapeError
from streamad.evaluation.budget import alarm_spans, budget_score, budget_threshold
from streamad.evaluation.events import SeriesRun

HOUR = 3600 * 10**9
TIMES = np.arange(240) * HOUR
scores = st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0, np.nan]), min_size=1, max_size=40)


def run(events=()):
    spans = np.array(events, np.int64).reshape(-1, 2) * HOUR
    return SeriesRun(TIMES, np.ones(240, np.bool_), spans, np.empty((0, 2), np.int64))


@given(scores, st.integers(0, 5), st.integers(0, 2))
def test_down_to_the_threshold_alarms_stay_within_the_budget(listed, allowed, merge):
    threshold = budget_threshold([np.array(listed)], allowed, merge)
    for level in (0.0, 1.0, 2.0, 3.0, 4.0):
        if level >= threshold:
            assert alarms_at(listed, level, merge) <= allowed


@given(scores, st.integers(0, 5), st.integers(0, 2))
def test_the_next_score_below_the_threshold_breaks_the_budget(listed, allowed, merge):
    threshold = budget_threshold([np.array(listed)], allowed, merge)
    below = [score for score in listed if score < threshold < math.inf]
    if below:
        assert alarms_at(listed, max(below), merge) > allowed


@given(scores, st.integers(0, 4), st.integers(0, 2))
def test_spans_are_as_many_as_alarms_counted_row_by_row(listed, level, merge):
    times = np.arange(len(listed)) * 10
    found = alarm_spans(times, np.array(listed), float(level), merge)
    assert len(found) == alarms_at(listed, level, merge)


def test_no_score_means_no_threshold():
    assert budget_threshold([np.full(3, np.nan)], 1.0) == math.inf
    assert budget_threshold([], 1.0) == math.inf


def test_only_rows_behind_the_calibration_are_evaluated():
    values = np.zeros(240)
    values[[20, 60, 150]] = [5.0, 3.0, 4.0]
    found = budget_score([run([(150, 160)])], [values], [TIMES < 120 * HOUR], 0.2)
    assert (found.threshold, found.calibration_days) == (np.nextafter(3.0, 9.0), 5.0)
    assert (found.events.recall, found.events.n_false, found.events.delay_median_s) == (1, 0, 0)


def test_labels_of_the_evaluated_rows_do_not_enter_the_threshold():
    values = np.random.default_rng(0).random(240)
    rows = [TIMES < 120 * HOUR]
    with_event = budget_score([run([(150, 160)])], [values], rows, 1.0)
    assert with_event.threshold == budget_score([run()], [values], rows, 1.0).threshold


def test_a_larger_budget_never_lifts_the_threshold():
    values = np.random.default_rng(0).random(240)
    found = [budget_threshold([values], allowed) for allowed in range(0, 60, 5)]
    assert found == sorted(found, reverse=True)


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="budget must be positive"):
        budget_score([run()], [np.zeros(240)], [TIMES < 0], 0.0)


def test_every_series_needs_scores():
    with pytest.raises(ShapeError, match="needed for every series"):
        budget_score([run()], [], [], 1.0)
