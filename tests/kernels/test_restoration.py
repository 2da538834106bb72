"""The scores of restored patches against their slow twin."""

from __future__ import annotations

import numpy as np
import pytest
from reference.restoration import covering, judge

from streamad.kernels.restoration import covering_mean, restoration_pass

PATCH, HOP, RATE, CLIP = 8, 4, 0.05, 3.0


def run(codes, ready, error, typical, work=3, n_covering=6):
    n, n_patches, n_channels = error.shape
    slots = typical.shape[0]
    typical = typical.copy()
    recent, count = np.full((slots, n_covering, n_patches), np.nan), np.zeros(slots, np.int64)
    causal, final = np.full(n, np.nan), np.full(n, np.nan)
    shares = np.empty((n, n_channels), np.float32)
    restoration_pass(
        codes, ready, error, typical, recent, count, PATCH, HOP, RATE, CLIP, work, causal, final,
        shares,
    )  # fmt: skip
    return causal, final, shares, typical


@pytest.mark.parametrize("channels", [1, 3])
def test_scores_equal_the_twin(channels):
    rng = np.random.default_rng(channels)
    codes = rng.integers(0, 3, 60).astype(np.int32)
    ready = rng.random(60) < 0.8
    error = rng.exponential(size=(60, 4, channels)).astype(np.float32)
    error[5] = 0.0
    typical = rng.random((3, 4, channels))
    typical[1, 2] = 0.0
    found = run(codes, ready, error, typical)
    expected = judge(codes, ready, error, typical, 6, PATCH, HOP, RATE, CLIP)
    for actual, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-6)


def test_scoring_alone_learns_nothing():
    codes, ready = np.zeros(5, np.int32), np.ones(5, np.bool_)
    error, typical = np.ones((5, 4, 1), np.float32), np.full((1, 4, 1), 0.5)
    causal, final, _, after = run(codes, ready, error, typical, work=1)
    np.testing.assert_array_equal(causal, np.full(5, 2.0))
    assert np.isnan(final).all()
    np.testing.assert_array_equal(after, typical)


def test_the_mean_over_covering_windows_equals_the_twin():
    rng = np.random.default_rng(4)
    recent = rng.random((6, 4))
    recent[2, 3] = np.nan
    for start in (0, 1, 5):
        windows = [recent[k] for k in range(start, 6)]
        wanted = covering(windows, PATCH, HOP)
        assert covering_mean(recent, 6, start, PATCH, HOP) == pytest.approx(wanted, nan_ok=True)
