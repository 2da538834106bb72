"""Alarms against events."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamad.core.errors import ShapeError
from streamad.evaluation.events import (
    SeriesRun,
    Tolerance,
    durations,
    event_score,
    flags_of,
    inside,
    intervals,
    match,
)

MINUTE = 60 * 10**9
DAY = np.arange(1440) * MINUTE
flags = st.lists(st.booleans(), max_size=60)


def minutes(*pairs):
    return np.array(pairs, np.int64).reshape(-1, 2) * MINUTE


def run(events=(), alarms=(), scored=None, times=DAY):
    scored = np.ones(len(times), np.bool_) if scored is None else scored
    return SeriesRun(times, scored, minutes(*events), minutes(*alarms))


def spans(flags):
    """Intervals of a day of minutes: events end in their last row, alarms behind it."""
    rows = intervals(np.array(flags, np.bool_))
    return rows * MINUTE


@given(flags)
def test_intervals_and_flags_are_inverse(listed):
    assert flags_of(intervals(np.array(listed, np.bool_)), len(listed)).tolist() == listed


@given(flags)
def test_intervals_are_in_order_apart_and_not_empty(listed):
    bounds = intervals(np.array(listed, np.bool_)).ravel()
    assert (np.diff(bounds) > 0).all()


@given(flags, flags, st.integers(0, 5), st.integers(0, 5))
def test_every_share_lies_between_0_and_1(truth, alarm, lead, lag):
    rows = spans(truth)
    one = SeriesRun(DAY, np.ones(1440, np.bool_), rows - np.array([0, MINUTE]), spans(alarm))
    score = event_score([one], Tolerance(lead * MINUTE, lag * MINUTE))
    shares = [score.precision, score.recall, score.f05, score.missed_share, score.alarm_duty]
    assert all(math.isnan(share) or 0.0 <= share <= 1.0 for share in shares)
    assert score.n_false <= score.n_alarms
    assert score.n_found <= score.n_events


@given(flags.filter(any))
def test_alarms_that_are_the_events_are_perfect(truth):
    rows = spans(truth)
    one = SeriesRun(DAY, np.ones(1440, np.bool_), rows - np.array([0, MINUTE]), rows)
    score = event_score([one])
    assert (score.precision, score.recall, score.f05) == (1.0, 1.0, 1.0)
    assert (score.delay_p90_s, score.false_per_day, score.alarm_duty) == (0.0, 0.0, 0.0)
    assert score.alarms_per_found == 1.0


def test_silence_finds_nothing_and_alarms_nobody():
    score = event_score([run(events=[(10, 20)])])
    assert (score.recall, score.f05, score.missed_share, score.false_per_day) == (0, 0, 1, 0)
    assert math.isnan(score.precision)
    assert math.isnan(score.delay_median_s)


def test_without_events_recall_is_not_defined():
    score = event_score([run(alarms=[(10, 20)])])
    assert math.isnan(score.recall)
    assert score.false_per_day == 1.0


def test_delay_runs_from_the_start_of_the_event_to_the_alarm():
    score = event_score([run([(100, 200), (400, 500), (700, 800)], [(105, 110), (440, 450)])])
    assert (score.delay_median_s, score.delay_p90_s) == (300.0, 2400.0)
    assert score.missed_share == pytest.approx(1 / 3)


def test_an_alarm_within_the_horizon_before_is_lead_and_no_negative_delay():
    tolerance = Tolerance(lead_ns=30 * MINUTE)
    score = event_score([run([(100, 200)], [(80, 90)])], tolerance)
    assert (score.recall, score.delay_median_s, score.lead_median_s) == (1.0, 0.0, 1200.0)
    assert score.n_early == 1


def test_lead_is_no_longer_than_the_horizon():
    tolerance = Tolerance(lead_ns=30 * MINUTE)
    assert event_score([run([(100, 200)], [(1, 150)])], tolerance).lead_median_s == 1800.0


def test_an_alarm_before_the_horizon_is_false():
    assert event_score([run([(100, 200)], [(80, 90)])]).n_false == 1


def test_an_alarm_soon_after_the_end_may_belong_to_the_event():
    late = [run([(100, 200)], [(205, 210)])]
    assert event_score(late).recall == 0.0
    assert event_score(late, Tolerance(lag_ns=10 * MINUTE)).recall == 1.0


def test_the_row_that_closes_an_alarm_is_not_in_it():
    assert not match(minutes((100, 200)), minutes((50, 100))).found[0]


def test_several_alarms_of_one_event_are_duplicates():
    score = event_score([run([(100, 200)], [(110, 120), (130, 140), (150, 160)])])
    assert (score.alarms_per_found, score.precision) == (3.0, 1.0)


def test_false_alarms_are_counted_by_scored_normal_time():
    scored = DAY >= 720 * MINUTE
    score = event_score([run(alarms=[(800, 810)], scored=scored)])
    assert (score.normal_days, score.false_per_day) == (0.5, 2.0)


def test_time_in_events_is_not_normal_time():
    assert event_score([run(events=[(0, 359)])]).normal_days == 0.75


def test_a_gap_is_no_time():
    times = np.concatenate((DAY[:100], DAY[1340:]))
    assert event_score([run(times=times)]).scored_days == pytest.approx(200 / 1440)


def test_duty_is_the_share_of_normal_time_in_alarm():
    assert event_score([run(alarms=[(0, 144)])]).alarm_duty == pytest.approx(0.1)


def test_every_opening_and_closing_is_a_flap():
    assert event_score([run(alarms=[(1, 2), (5, 6)])]).flaps_per_day == pytest.approx(4.0)


def test_reset_time_is_how_long_an_alarm_outlasts_its_event():
    score = event_score([run([(100, 200), (400, 500)], [(150, 260), (410, 420)])])
    assert score.reset_median_s == 0.0
    assert event_score([run([(100, 200)], [(150, 260)])]).reset_median_s == 3600.0


def test_series_add_up():
    one, other = run([(100, 200)], [(110, 120)]), run([(100, 200)], [(300, 310)])
    score = event_score([one, other])
    assert (score.n_series, score.recall, score.precision) == (2, 0.5, 0.5)
    assert score.scored_days == pytest.approx(2.0)


def test_an_empty_run_measures_nothing():
    score = event_score([])
    assert (score.n_series, score.n_events, score.scored_days) == (0, 0, 0.0)


def test_times_lie_in_a_span_with_both_its_ends():
    rows = inside(DAY[:5], minutes((1, 3)))
    assert rows.tolist() == [False, True, True, True, False]


@pytest.mark.parametrize("times", [[], [7]])
def test_fewer_than_two_rows_stand_for_no_time(times):
    assert durations(np.array(times, np.int64)).tolist() == [0] * len(times)


def test_a_series_needs_columns_of_one_length():
    with pytest.raises(ShapeError, match="of one shape"):
        run(scored=np.ones(3, np.bool_))
