"""What must hold of any labels and scores: bounds, invariances, perfection, reversal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamad.evaluation import (
    affiliation,
    auc_pr,
    auc_roc,
    best_affiliation,
    best_event_f,
    best_f1,
    best_point_adjusted_f1,
    best_range_f1,
    event_f,
    fixed_f1,
    point_adjusted_f1,
    range_f1,
    vus,
)

RANKING = {
    "auc_pr": auc_pr,
    "auc_roc": auc_roc,
    "best_f1": best_f1,
    "vus_pr": lambda labels, scores: vus(labels, scores, 12).pr,
    "vus_roc": lambda labels, scores: vus(labels, scores, 12).roc,
}
GRID = {
    "event_f": best_event_f,
    "range_f1": best_range_f1,
    "affiliation": best_affiliation,
    "point_adjusted_f1": best_point_adjusted_f1,
}
FIXED = {
    "fixed_f1": fixed_f1,
    "event_f": event_f,
    "range_f1": range_f1,
    "affiliation": lambda labels, flags: affiliation(labels, flags).f,
    "point_adjusted_f1": point_adjusted_f1,
}
ALL = {**RANKING, **GRID}
series = (
    st.lists(st.tuples(st.booleans(), st.integers(-20, 20)), min_size=3, max_size=80)
    .map(lambda rows: np.array(rows, np.int64).T)
    .filter(lambda both: 0 < both[0].sum() < both.shape[1])
)


def inner(labels):
    """The labels with a normal row put before and after."""
    return np.concatenate(([0], labels, [0]))


@pytest.mark.parametrize("name", ALL)
@given(both=series)
def test_every_metric_lies_between_0_and_1(name, both):
    assert 0 <= ALL[name](*both) <= 1 + 1e-12


@pytest.mark.parametrize("name", RANKING)
@given(both=series)
def test_a_strictly_increasing_map_of_the_scores_changes_no_ranking_metric(name, both):
    labels, scores = both
    metric = RANKING[name]
    assert metric(labels, np.exp(scores / 3)) == metric(labels, scores)


@pytest.mark.parametrize("name", ALL)
@given(both=series)
def test_scale_and_shift_by_powers_of_two_change_nothing(name, both):
    labels, scores = both
    assert ALL[name](labels, scores * 4.0 + 64) == pytest.approx(
        ALL[name](labels, scores), abs=1e-12
    )


@pytest.mark.parametrize("name", ALL)
@given(both=series)
def test_the_labels_themselves_are_a_perfect_score(name, both):
    labels = inner(both[0])
    assert ALL[name](labels, labels) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", FIXED)
@given(both=series)
def test_the_labels_themselves_are_perfect_flags(name, both):
    labels = inner(both[0])
    assert FIXED[name](labels, labels) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("name", FIXED)
@given(both=series)
def test_silence_is_worth_nothing(name, both):
    labels = both[0]
    assert FIXED[name](labels, np.zeros_like(labels)) == 0


@pytest.mark.parametrize("name", GRID)
@given(both=series)
def test_no_fixed_threshold_of_the_grid_beats_the_oracle(name, both):
    labels, scores = both
    grid = np.linspace(scores.min(), scores.max(), 7)
    best = GRID[name](labels, scores, n_thresholds=7)
    fixed = [FIXED[name](labels, scores > threshold) for threshold in grid]
    assert best == max(fixed)


@given(both=series)
def test_reversed_scores_mirror_the_auc_roc(both):
    labels, scores = both
    assert auc_roc(labels, -scores) == pytest.approx(1 - auc_roc(labels, scores), abs=1e-12)


@pytest.mark.parametrize("name", ALL)
@given(both=series)
def test_playing_a_series_backwards_changes_nothing(name, both):
    labels, scores = both
    labels, scores = inner(labels), np.concatenate(([-20], scores, [-20]))
    backwards = ALL[name](labels[::-1], scores[::-1])
    assert backwards == pytest.approx(ALL[name](labels, scores), abs=1e-12)


@given(both=series)
def test_the_auc_roc_is_the_share_of_pairs_ranked_right(both):
    labels, scores = both
    above = scores[labels == 1][:, None] - scores[labels == 0]
    assert auc_roc(labels, scores) == pytest.approx(np.mean((np.sign(above) + 1) / 2), abs=1e-12)


@given(both=series)
def test_the_auc_pr_is_that_of_scikit_learn(both):
    from sklearn.metrics import average_precision_score

    assert auc_pr(*both) == pytest.approx(average_precision_score(*both), abs=1e-12)


@given(both=series)
def test_without_buffers_the_volume_under_roc_of_distinct_scores_is_the_auc(both):
    labels = both[0][:80]
    scores = np.random.default_rng(len(labels)).permutation(len(labels)).astype(float)
    one = np.zeros(len(labels), int)
    one[np.argmax(labels)] = 1
    assert vus(one, scores, 0).roc == pytest.approx(auc_roc(one, scores), abs=1e-12)


@given(both=series)
def test_inputs_are_never_written_to(both):
    labels, scores = both[0].copy(), both[1].astype(float)
    scores[0] = np.nan
    labels.setflags(write=False)
    scores.setflags(write=False)
    for metric in ALL.values():
        metric(labels, scores)
