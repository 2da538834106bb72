"""Statistics of several series and channels, with missing and infinite values among them."""

from __future__ import annotations

import numpy as np
import pytest
from reference.windows import robust, weighted

from streamad.kernels.scaling import MEMORY, ew_pass, robust_pass


@pytest.fixture
def rows():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(1200, 2)).round(2)
    values[rng.random(values.shape) < 0.1] = np.nan
    values[rng.random(values.shape) < 0.05] = np.inf
    return rng.integers(0, 2, 1200).astype(np.int32), values


def expected(slots, values, ends, statistic):
    """Statistics before each end from the rows of its slot, (k, C) centre and scale."""
    found = np.empty((2, len(ends), 2))
    for k, end in enumerate(ends):
        past = values[:end][slots[:end] == slots[end]]
        for c in range(2):
            found[:, k, c] = statistic(past[:, c])
    return found


def test_robust_statistics_are_those_of_numpy(rows):
    slots, values = rows
    ends = np.arange(0, 1200, 7)
    center, scale = np.empty((2, len(ends), 2))
    state = (
        np.full((2, 2, MEMORY), np.inf),
        np.zeros((2, 2, MEMORY), np.uint8),
        *np.zeros((2, 2, 2), np.int32),
    )
    robust_pass(slots, values, 0, 1200, ends, *state, center, scale)
    np.testing.assert_allclose((center, scale), expected(slots, values, ends, robust), rtol=1e-14)


def test_weighted_statistics_are_those_of_their_weights(rows):
    slots, values = rows
    ends = np.arange(0, 1200, 7)
    center, scale = np.empty((2, len(ends), 2))
    mean, variance = np.zeros((2, 2, 2))
    known = np.zeros((2, 2), np.int64)
    ew_pass(slots, values, 0, 1200, ends, 1 / MEMORY, mean, variance, known, center, scale)
    wanted = expected(slots, values, ends, weighted)
    np.testing.assert_allclose((center, scale), wanted, rtol=1e-9, atol=1e-12)
