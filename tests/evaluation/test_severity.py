"""Severity against scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.concordance import agreement as counted
from scipy.stats import kendalltau
from sklearn.metrics import roc_auc_score

from streamad.core.errors import ConfigError, ShapeError
from streamad.evaluation.severity import agreement, episode_scores, severity_score

pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(-3, 3)), min_size=1, max_size=40)


def columns(listed):
    levels, scores = zip(*listed, strict=True)
    return np.array(levels, np.float64), np.array(scores, np.float64)


@given(pairs)
def test_agreement_is_what_counting_pairs_gives(listed):
    found = agreement(*columns(listed))
    assert (found.tau_b, found.c_index) == pytest.approx(counted(*columns(listed)), nan_ok=True)


@given(pairs)
def test_a_monotone_map_of_the_scores_changes_nothing(listed):
    levels, scores = columns(listed)
    assert repr(agreement(levels, np.exp(scores))) == repr(agreement(levels, scores))


@given(pairs)
def test_reversed_scores_reverse_the_agreement(listed):
    levels, scores = columns(listed)
    there, back = agreement(levels, scores), agreement(levels, -scores)
    assert there.tau_b == pytest.approx(-back.tau_b, nan_ok=True)
    assert there.c_index == pytest.approx(1.0 - back.c_index, nan_ok=True)


def test_tau_b_is_that_of_scipy_on_many_ties():
    rng = np.random.default_rng(1)
    levels, scores = rng.integers(0, 4, 3000) * 1.0, rng.integers(0, 50, 3000) * 1.0
    assert agreement(levels, scores).tau_b == pytest.approx(kendalltau(levels, scores).statistic)


def test_auroc_of_a_level_is_that_of_scikit_learn():
    rng = np.random.default_rng(2)
    levels = rng.integers(0, 3, 500) * 1.0
    scores = np.round(levels + rng.normal(size=500), 1)
    found = severity_score(levels, scores)
    for level in (1.0, 2.0):
        rows = (levels == 0) | (levels == level)
        expected = roc_auc_score(levels[rows] == level, scores[rows])
        assert found.auroc[level] == pytest.approx(expected)
    assert found.auroc_all == pytest.approx(roc_auc_score(levels > 0, scores))


def test_scores_that_are_the_levels_agree_perfectly():
    levels = np.array([0.0, 0.0, 1.0, 2.0, 3.0])
    found = severity_score(levels, levels)
    assert (found.overall.c_index, found.anomalies.tau_b, found.monotone) == (1.0, 1.0, True)


def test_detection_and_ordering_are_told_apart():
    found = severity_score(np.array([0.0, 0.0, 1.0, 2.0]), np.array([0.1, 0.2, 0.9, 0.8]))
    assert (found.auroc_all, found.anomalies.c_index, found.monotone) == (1.0, 0.0, False)


def test_samples_that_were_not_judged_are_left_out():
    found = severity_score(np.array([0.0, 1.0, 1.0]), np.array([0.1, np.nan, 0.9]))
    assert (found.n, found.auroc) == (2, {1.0: 1.0})


def test_one_level_has_no_agreement():
    found = agreement(np.zeros(4), np.arange(4.0))
    assert math.isnan(found.tau_b)
    assert math.isnan(found.c_index)


@pytest.mark.parametrize(("how", "expected"), [("max", 5.0), ("mean", 4.0)])
def test_an_episode_has_the_score_of_its_judged_rows(how, expected):
    scores = np.array([9.0, 3.0, np.nan, 5.0, 9.0])
    assert episode_scores(scores, np.array([[1, 4]]), how).tolist() == [expected]


def test_an_unknown_aggregation_is_refused():
    with pytest.raises(ConfigError, match="max or mean"):
        episode_scores(np.zeros(3), np.array([[0, 2]]), "median")


def test_a_negative_level_is_refused():
    with pytest.raises(ConfigError, match="0 for normal or larger"):
        severity_score(np.array([0.0, -1.0]), np.zeros(2))


def test_one_score_a_level_is_needed():
    with pytest.raises(ShapeError, match="one score a level"):
        agreement(np.zeros(2), np.zeros(3))
