"""Streaming Mahalanobis distance against the covariance itself and direct solves."""

from __future__ import annotations

import numpy as np
import pytest
from reference.judging import judge, two_pumps, water_flow, windows_of, with_holes
from reference.residual import mahalanobis_scores

from streamad.detectors.mahalanobis import Mahalanobis

SMALL = {"horizon": 200, "ridge": 0.01, "warm_up": 40, "quantile": 0.95, "max_skipped": 5}


def both(values, rows, **params):
    detector = Mahalanobis(rows=rows, **params)
    fast = judge(detector, values)
    vectors = windows_of(values, rows).values.reshape(len(values), -1)
    return detector, fast, mahalanobis_scores(vectors, values.shape[1], **params)


@pytest.mark.parametrize("rows", [1, 3, 8])
@pytest.mark.parametrize("series", [water_flow, two_pumps])
def test_scores_are_those_of_direct_solves(series, rows):
    _, fast, (scores, _, _) = both(series(600), rows, **SMALL)
    np.testing.assert_allclose(fast.causal, scores, rtol=1e-8)
    assert np.count_nonzero(~np.isnan(scores)) > 500


def test_the_factor_stays_that_of_the_covariance():
    detector, _, (_, _, covariance) = both(two_pumps(1200), 3, **SMALL)
    factor = np.triu(detector.slab["factor"][0])
    deviations = np.sqrt(np.diag(covariance))
    units = np.outer(deviations, deviations)
    np.testing.assert_allclose(factor.T @ factor / units, covariance / units, atol=1e-12)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("series", [water_flow, two_pumps])
def test_missing_and_infinite_values_count_as_the_mean_as_in_direct_solves(series, rows):
    _, fast, (scores, _, _) = both(with_holes(series(800)), rows, **SMALL)
    np.testing.assert_allclose(fast.causal, scores, rtol=1e-8)
    assert np.count_nonzero(~np.isnan(scores)) > 650


def test_shares_are_those_of_direct_solves():
    _, fast, (scores, shares, _) = both(with_holes(two_pumps(800)), 3, **SMALL)
    judged = ~np.isnan(scores)
    np.testing.assert_allclose(fast.shares[judged], shares[judged], atol=1e-6)


def test_units_do_not_matter():
    values = two_pumps(500)
    changed = values * [1e12, 1e-9, 3.0] + [3e12, 0.0, -1e6]
    for rows in (1, 3):
        plain = judge(Mahalanobis(rows=rows, **SMALL), values).causal
        scaled = judge(Mahalanobis(rows=rows, **SMALL), changed).causal
        np.testing.assert_allclose(scaled, plain, rtol=1e-4)
