"""Deviation from the running level against its equations in plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from reference.level import level
from reference.members import cuts, feed, prepared, waves

from streamad.detectors.recipe.level import Level

SPLIT, N = 300, 1500


@pytest.mark.parametrize("n_channels", [1, 3, 17])
def test_scores_and_shares_are_those_of_the_equations(n_channels):
    series = prepared(waves(N, n_channels), SPLIT)
    got = feed(Level(), [series], [cuts(np.random.default_rng(1), N - SPLIT)])[0]
    expected = level(series[1], SPLIT)
    np.testing.assert_allclose(got.scores[0], expected.max(0), rtol=1e-9, atol=1e-12)
    if n_channels > 1:
        np.testing.assert_allclose(got.shares, expected[:, SPLIT:].T ** 2, rtol=1e-6, atol=1e-9)


def test_a_channel_that_never_moved_counts_fifty_deviations_at_most():
    values = waves(N, 2)
    values[:SPLIT, 1] = 0.0
    series = prepared(values, SPLIT)
    got = feed(Level(), [series], [[512, 512, 176]])[0]
    np.testing.assert_allclose(got.scores[0], level(series[1], SPLIT).max(0), rtol=1e-9, atol=1e-12)
    assert got.scores[0, SPLIT] == pytest.approx(30 * (1 + np.log(50 / 0.05 / 30)))
