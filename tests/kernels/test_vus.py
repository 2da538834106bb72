"""Nested thresholds against one threshold at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import vus as reference

from streamad.evaluation.vus import vus

series = st.lists(
    st.tuples(st.booleans(), st.one_of(st.integers(-3, 3), st.floats(-9, 9))),
    min_size=2,
    max_size=60,
).filter(lambda rows: 0 < sum(label for label, _ in rows) < len(rows))


def columns(rows):
    return np.array([label for label, _ in rows]), np.array([float(score) for _, score in rows])


@given(series, st.integers(0, 25), st.sampled_from([2, 7, 250]))
def test_the_volumes_are_those_of_the_definition(rows, window, n_thresholds):
    labels, scores = columns(rows)
    expected = reference.vus(labels, scores, window, n_thresholds)
    actual = vus(labels, scores, window, n_thresholds=n_thresholds)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12)


@given(series, st.integers(0, 25))
def test_infinite_scores_rank_like_large_finite_ones(rows, window):
    labels, scores = columns(rows)
    scores[0], scores[-1] = np.inf, -np.inf
    finite = np.clip(scores, -1e6, 1e6)
    assert vus(labels, scores, window) == vus(labels, finite, window)


@given(series, st.integers(0, 25))
def test_a_missing_score_counts_as_the_lowest(rows, window):
    labels, scores = columns(rows)
    missing, lowest = scores.copy(), scores.copy()
    missing[::3] = np.nan
    rest = missing[~np.isnan(missing)]
    lowest[::3] = rest.min()
    assert vus(labels, missing, window) == vus(labels, lowest, window)


@pytest.mark.parametrize("window", [0, 1, 2, 40])
def test_a_window_wider_than_the_gaps_merges_anomalies_as_the_definition_does(window):
    labels = np.zeros(60, bool)
    labels[[0, 5, 6, 20, 59]] = True
    scores = np.random.default_rng(3).random(60)
    expected = reference.vus(labels, scores, window, 250)
    np.testing.assert_allclose(vus(labels, scores, window), expected, rtol=0, atol=1e-12)
