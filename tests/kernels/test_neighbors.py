"""Nearest neighbours against brute force in plain numpy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from reference.judging import judge, two_pumps, water_flow, windows_of, with_holes
from reference.neighbors import knn_scores

from streamad.detectors.knn import FEATURES, Knn

SMALL = {
    "points": 6,
    "k": 3,
    "memory": 40,
    "keep": 10,
    "every": 5,
    "warm_up": 100,
    "quantile": 0.95,
    "max_skipped": 4,
}


def both(values, length, **params):
    detector = Knn(length=length, **params)
    fast = judge(detector, values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # means of nothing are NaN on purpose
        slow = knn_scores(windows_of(values, length).values, **params)
    return fast, slow


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("series", [water_flow, two_pumps])
def test_scores_are_those_of_brute_force(series, features):
    fast, (scores, _) = both(series(600), 24, features=features, **SMALL)
    np.testing.assert_allclose(fast.causal, scores, rtol=1e-4)
    assert np.count_nonzero(~np.isnan(scores)) > 450


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("series", [water_flow, two_pumps])
def test_missing_and_infinite_values_are_left_out_as_in_brute_force(series, features):
    fast, (scores, _) = both(with_holes(series(600)), 24, features=features, **SMALL)
    np.testing.assert_allclose(fast.causal, scores, rtol=1e-4)
    assert np.count_nonzero(~np.isnan(scores)) > 450


@pytest.mark.parametrize("features", FEATURES)
def test_shares_are_those_of_brute_force(features):
    fast, (scores, shares) = both(with_holes(two_pumps(600)), 24, features=features, **SMALL)
    judged = ~np.isnan(scores)
    np.testing.assert_allclose(fast.shares[judged], shares[judged], atol=1e-4)


def test_a_window_length_that_the_points_do_not_divide_is_cut_as_in_brute_force():
    params = {**SMALL, "points": 7, "features": "shape+level"}
    fast, (scores, _) = both(water_flow(400), 23, **params)
    np.testing.assert_allclose(fast.causal, scores, rtol=1e-4)
