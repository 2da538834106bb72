"""Ridge forecast against its normal equations in plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from reference.members import cuts, feed, prepared, waves
from reference.ridge import ridge

from streamad.detectors.recipe.ridge import Ridge

SPLIT, N = 300, 2000


@pytest.mark.parametrize("n_channels", [1, 2, 5, 17, 38])
def test_scores_shares_and_forecasts_are_those_of_the_equations(n_channels):
    series = prepared(waves(N, n_channels), SPLIT)
    got = feed(Ridge(), [series], [cuts(np.random.default_rng(1), N - SPLIT)])[0]
    expected, squares = ridge(series[1], SPLIT)
    score = np.sqrt(squares.mean(1))
    np.testing.assert_allclose(got.scores[0], score, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got.expected, expected[SPLIT:], rtol=1e-4, atol=1e-5)
    if n_channels > 1:
        np.testing.assert_allclose(got.shares, squares[SPLIT:], rtol=1e-3, atol=1e-4)


def test_channels_that_repeat_each_other_are_no_obstacle():
    values = waves(N, 1) * np.array([1.0, 0.5, -2.0, 0.0])
    series = prepared(values, SPLIT)
    got = feed(Ridge(), [series], [[512, 512, 512, 164]])[0]
    score = np.sqrt(ridge(series[1], SPLIT)[1].mean(1))
    np.testing.assert_allclose(got.scores[0], score, rtol=1e-4, atol=1e-5)
