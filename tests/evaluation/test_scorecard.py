"""The whole scorecard of small runs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from streamad.core.data import Alert
from streamad.core.errors import ConfigError
from streamad.evaluation.care import CareDataset, care_score
from streamad.evaluation.labels import Labels, from_intervals
from streamad.evaluation.run_rows import RunRows, alarms_of
from streamad.evaluation.scorecard import ScorecardOptions, scorecard

MINUTE = 60 * 10**9
N = 1000
TIMES = np.arange(N, dtype=np.int64) * MINUTE
EVENT = (600, 749)
TRUTH = (np.arange(N) >= EVENT[0]) & (np.arange(N) <= EVENT[1])


def rows(perfect=True, seed=0):
    """Two series, the first with an event, with and without a final score."""
    noise = np.random.default_rng(seed).random((2, N))
    ratio = noise * 0.9
    if perfect:
        ratio[0, TRUTH] += 1.0
    ratio[:, :50] = np.nan
    order = np.arange(2 * N).reshape(2, N).T.ravel()
    flat = ratio.ravel()[order]
    codes = np.repeat(np.array([0, 1], np.int32), N)[order]
    return RunRows(["pump", "fan"], codes, np.tile(TIMES, 2)[order], flat, 3 * flat, flat * np.nan)


def labels(*spans, severity=None):
    spans = np.array(spans or [EVENT], np.int64) * MINUTE
    return from_intervals(["pump"] * len(spans), spans[:, 0], spans[:, 1], severity)


ALARMS = {"pump": np.array([[EVENT[0], EVENT[1] + 1]]) * MINUTE}


def test_a_perfect_detector_is_perfect_everywhere():
    card = scorecard(rows(), ALARMS, labels())
    assert card["care"]["score"] == 1.0
    assert (card["events"]["f05"], card["events"]["false_per_day"]) == (1.0, 0.0)
    assert card["at_budget"]["events"]["recall"] == 1.0
    assert card["ranking"]["causal"]["auc_pr"] == 1.0
    assert card["legacy"]["nab"]["standard"]["normalised"] > 99.0


def test_a_silent_detector_has_no_care():
    card = scorecard(rows(perfect=False), {}, labels())
    assert (card["care"]["score"], card["care"]["n_missed"]) == (0.0, 1)
    assert (card["events"]["recall"], card["events"]["precision"]) == (0.0, None)


def test_the_parts_come_in_the_order_in_which_they_should_be_read():
    card = scorecard(rows(), ALARMS, labels(severity=np.array([1.0])))
    parts = ["data", "care", "events", "at_budget", "ranking", "severity", "legacy"]
    assert list(card) == [*parts, "random"]


def test_every_part_has_its_counterpart_of_a_random_score():
    card = scorecard(rows(), ALARMS, labels(severity=np.array([1.0])))
    for part in ("care", "events", "at_budget", "severity"):
        assert set(card["random"][part]) == set(card[part]), part
    duty = card["random"]["events"]["alarm_duty"]
    assert 0 < duty < 1


def test_the_random_score_and_the_positive_share_stand_beside_the_ranking():
    ranking = scorecard(rows(), ALARMS, labels())["ranking"]
    assert ranking["positive_share"] == 0.15
    assert ranking["random"]["auc_pr"] == pytest.approx(0.15, abs=0.05)
    assert set(ranking["random"]) == set(ranking["causal"])
    assert "final" not in ranking


def test_it_is_json():
    card = scorecard(rows(), ALARMS, labels(severity=np.array([2.0])))
    assert json.loads(json.dumps(card, allow_nan=False)) == card


def test_the_data_are_described():
    data = scorecard(rows(), ALARMS, labels())["data"]
    assert data == {
        "n_series": 2,
        "n_rows": 2000,
        "judged_share": 0.95,
        "positive_share": 0.075,
        "n_events": 1,
        "n_labels_outside": 0,
    }


def test_series_with_several_events_have_no_care():
    card = scorecard(rows(), ALARMS, labels(EVENT, (800, 810)))
    assert card["care"] == {"why": "CARE takes one event a series; series with more: 1"}


def test_the_care_protocol_proper_may_be_handed_in():
    flags = np.zeros(N, np.bool_)
    sets = [CareDataset(str(kind), kind, TIMES, flags, 0, int(TIMES[-1])) for kind in (True, False)]
    card = scorecard(rows(), ALARMS, labels(), care=care_score(sets))
    assert card["care"]["score"] == 0.0
    assert list(card["care"]["datasets"]) == ["True", "False"]


def test_without_labels_false_alarms_are_still_counted():
    card = scorecard(rows(), ALARMS, Labels({}))
    assert card["events"]["n_false"] == 1
    assert "why" in card["care"]
    assert "why" in card["ranking"]


def test_severity_is_measured_per_point_and_per_episode():
    listed = labels((300, 349), EVENT, severity=np.array([1.0, 2.0]))
    part = scorecard(rows(), ALARMS, listed)["severity"]
    assert part["per_episode"]["auroc"]["2.0"] == 1.0
    assert part["per_episode"]["anomalies"]["c_index"] == 1.0
    assert part["per_point"]["n"] == 950


def test_a_window_of_one_row_leaves_nab_out_and_nothing_else():
    card = scorecard(rows(), {}, labels((300, 300)))
    assert "single row" in card["legacy"]["nab"]["why"]
    assert card["events"]["n_events"] == 1


def test_the_order_of_the_rows_does_not_matter():
    given, order = rows(), np.random.default_rng(3).permutation(2 * N)
    mixed = RunRows(
        given.series,
        given.codes[order],
        given.times[order],
        given.ratio[order],
        given.score[order],
        given.score_final[order],
    )
    assert scorecard(mixed, ALARMS, labels()) == scorecard(given, ALARMS, labels())


def test_the_window_of_a_series_may_be_given():
    wide = scorecard(rows(False), {}, labels(), ScorecardOptions(windows={"pump": 400}))
    assert wide["ranking"]["causal"] != scorecard(rows(False), {}, labels())["ranking"]["causal"]


def test_an_empty_run_is_refused():
    none = np.empty(0)
    empty = RunRows([], none.astype(np.int32), none.astype(np.int64), none, none, none)
    with pytest.raises(ConfigError, match="no scores to evaluate"):
        scorecard(empty, {}, labels())


def alert(event, key, at, series="pump"):
    return Alert(event, key, 1, "p", series, "d", "d", "high", at, None, at, 1, 1, 1, at, 1, 1)


def test_alarms_go_from_the_opening_to_the_resolving_of_their_episode():
    events = [
        alert("open", "a", 10),
        alert("update", "a", 15),
        alert("open", "b", 12, "fan"),
        alert("resolve", "a", 20),
    ]
    found = alarms_of(events)
    assert found["pump"].tolist() == [[10, 20]]
    assert found["fan"].tolist() == [[12, np.iinfo(np.int64).max]]


def test_an_alarm_that_was_never_resolved_lasts_to_the_end_of_its_series():
    forever = {"pump": np.array([[EVENT[0] * MINUTE, np.iinfo(np.int64).max]])}
    card = scorecard(rows(), forever, labels())
    assert card["events"]["reset_median_s"] == (1000 - EVENT[1]) * 60.0
