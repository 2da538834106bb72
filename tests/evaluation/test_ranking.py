"""Undefined cases, wrong arguments, and values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from streamad.core.errors import ConfigError, ShapeError
from streamad.evaluation import (
    affiliation,
    auc_pr,
    auc_roc,
    best_affiliation,
    best_event_f,
    best_f1,
    best_range_f1,
    event_f,
    fixed_f1,
    point_adjusted_f1,
    positive_share,
    random_baseline,
    range_f1,
    rank,
    vus,
)

SCORES = np.array([0.1, 0.5, 0.3, 0.9])
NONE, EVERY = np.zeros(4, int), np.ones(4, int)


@pytest.mark.parametrize("labels", [NONE, EVERY])
def test_the_volumes_and_the_auc_roc_need_both_kinds_of_rows(labels):
    assert np.isnan([*vus(labels, SCORES, 2), auc_roc(labels, SCORES)]).all()


def test_without_an_anomaly_event_and_affiliation_f_are_undefined():
    values = [best_event_f(NONE, SCORES), best_affiliation(NONE, SCORES), event_f(NONE, EVERY)]
    assert np.isnan([*values, *affiliation(NONE, EVERY)]).all()


def test_without_an_anomaly_precision_and_recall_based_metrics_are_0():
    assert [auc_pr(NONE, SCORES), best_f1(NONE, SCORES), fixed_f1(NONE, NONE)] == [0, 0, 0]


def test_where_every_row_is_flagged_the_range_f1_is_0_as_in_the_reference():
    assert range_f1([0, 1, 1, 0], EVERY) == 0


def test_where_every_row_is_anomalous_the_range_f1_is_0_as_in_the_reference():
    assert best_range_f1(EVERY, SCORES) == 0


def test_a_hit_on_the_last_row_of_the_series_is_no_event_hit_as_in_the_reference():
    assert event_f([0, 0, 1, 1], [0, 0, 0, 1]) == 0


def test_the_first_row_of_the_series_is_not_filled_in_by_point_adjustment():
    assert point_adjusted_f1([1, 1, 1, 0], [0, 0, 1, 0]) == 0.8


def test_one_hit_fills_a_whole_anomaly_under_point_adjustment():
    assert point_adjusted_f1([0, 1, 1, 1, 1, 0, 1], [0, 0, 0, 1, 0, 0, 0]) == pytest.approx(8 / 9)


def test_beta_below_1_favours_precision():
    labels, precise = [0, 1, 0, 1, 0, 0], [0, 1, 0, 0, 0, 0]
    complete = [0, 1, 1, 1, 1, 0]
    assert event_f(labels, precise, beta=0.5) > event_f(labels, complete, beta=0.5)
    assert event_f(labels, precise, beta=2.0) < event_f(labels, complete, beta=2.0)


def test_affiliation_of_silence_has_no_precision_and_an_f_of_0():
    precision, recall, f = affiliation([0, 1, 1, 0], NONE)
    assert np.isnan(precision)
    assert (recall, f) == (0, 0)


def test_a_constant_score_finds_nothing_by_affiliation():
    assert best_affiliation([0, 1, 1, 0], np.ones(4)) == 0


def test_a_missing_score_counts_as_the_lowest_of_the_series():
    labels = [0, 1, 0, 1]
    assert auc_roc(labels, [0.2, np.nan, 0.3, 0.9]) == auc_roc(labels, [0.2, 0.2, 0.3, 0.9])


def test_scores_that_are_all_missing_rank_nothing():
    assert auc_roc([0, 1, 0, 1], np.full(4, np.nan)) == 0.5


def test_infinite_scores_lie_above_and_below_the_grid():
    scores = [-np.inf, np.inf, 0.0, 1.0]
    assert best_event_f([0, 1, 0, 0], scores) == pytest.approx(1.0)


def test_more_anomalous_rows_lift_the_random_baseline():
    few, many = np.zeros(4000, int), np.zeros(4000, int)
    few[100:180] = 1
    many[100:2900] = 1
    assert random_baseline(few, 50, 0).vus_pr < 0.1 < 0.6 < random_baseline(many, 50, 0).vus_pr


def test_the_random_baseline_depends_on_its_seed_only():
    labels = np.arange(500) % 50 < 5
    assert random_baseline(labels, 10, 1) == random_baseline(labels, 10, 1)
    assert random_baseline(labels, 10, 1) != random_baseline(labels, 10, 2)


def test_the_baseline_and_the_metrics_are_the_same_functions():
    labels = np.arange(500) % 50 < 5
    scores = np.random.default_rng(7).random(500)
    assert random_baseline(labels, 10, 7) == rank(labels, scores, 10)


def test_the_positive_share_is_the_mean_label():
    assert positive_share([0, 1, 1, 0]) == 0.5


@pytest.mark.parametrize("metric", [auc_pr, auc_roc, best_f1, best_event_f, best_range_f1])
def test_scores_of_another_length_are_refused_with_both_lengths(metric):
    with pytest.raises(ShapeError, match="got 4 for 3 labels"):
        metric([0, 1, 0], SCORES)


@pytest.mark.parametrize("metric", [fixed_f1, event_f, range_f1, affiliation, point_adjusted_f1])
def test_flags_of_another_length_are_refused_with_both_lengths(metric):
    with pytest.raises(ShapeError, match="got 4 for 3 labels"):
        metric([0, 1, 0], NONE)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((4, 1), int), r"\(4, 1\)"),
        ([], r"\(0,\)"),
        ([0, 2, 0, 1], "got .*2"),
        ([0.0, np.nan, 0.0, 1.0], "nan"),
        (["a", "b", "c", "d"], "dtype"),
    ],
)
def test_labels_that_are_no_flat_zeros_and_ones_are_refused(labels, message):
    with pytest.raises(ShapeError, match=message):
        auc_pr(labels, SCORES)


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(ShapeError, match="numbers"):
        auc_pr([0, 1], ["high", "low"])


def test_a_negative_window_is_refused():
    with pytest.raises(ConfigError, match="-1"):
        vus([0, 1], [0.0, 1.0], -1)


@pytest.mark.parametrize("n", [1, 30_001])
def test_a_senseless_number_of_thresholds_is_refused(n):
    with pytest.raises(ConfigError, match=str(n)):
        vus([0, 1], [0.0, 1.0], 1, n_thresholds=n)


@pytest.mark.parametrize("n", [1, 30_001])
def test_a_senseless_grid_is_refused(n):
    with pytest.raises(ConfigError, match=str(n)):
        best_range_f1([0, 1], [0.0, 1.0], n_thresholds=n)
