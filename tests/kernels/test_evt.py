"""The generalised Pareto fit against scipy, and the pass over scores against its slow twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import evt as slow
from scipy.stats import genpareto

from streamad.kernels.evt import FEW, LARGEST_SHAPE, LOWEST_SHAPE, pareto_fit
from streamad.thresholds import Dspot, Spot
from streamad.thresholds.spot import FEWEST_PEAKS

SLOT = np.zeros(1, np.int32)


def lines_of(threshold, scores):
    threshold.admit(SLOT)
    return threshold.step(np.zeros(len(scores), np.int32), scores)


@pytest.mark.parametrize("shape", [-0.4, -0.2, 0.0, 0.3, 0.7])
@pytest.mark.parametrize("size", [8, 20, 50, 256])
@pytest.mark.parametrize("scale", [1e-7, 1.0, 1e6])
def test_the_fit_is_at_least_as_likely_as_that_of_scipy(shape, size, scale):
    y = genpareto.rvs(shape, scale=scale, size=size, random_state=size)
    ours = genpareto.logpdf(y, *_arguments(pareto_fit(y))).sum()
    theirs_shape, _, theirs_scale = genpareto.fit(y, floc=0)
    theirs = genpareto.logpdf(y, theirs_shape, 0.0, theirs_scale).sum()
    if LOWEST_SHAPE <= theirs_shape <= LARGEST_SHAPE:
        assert ours >= theirs - 1e-5
    else:
        assert ours >= genpareto.logpdf(y, 0.0, 0.0, y.mean()).sum() - 1e-5


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.5])
def test_many_excesses_give_back_their_shape_and_scale(shape):
    y = genpareto.rvs(shape, scale=3.0, size=20_000, random_state=5)
    assert pareto_fit(y) == pytest.approx((shape, 3.0), abs=0.08)


@given(
    shape=st.floats(-0.45, 0.95),
    size=st.integers(8, 60),
    share=st.sampled_from([0.0, 0.1, 0.5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_fit_is_as_likely_as_that_of_its_slow_twin(shape, size, share, seed):
    rng = np.random.default_rng(seed)
    y = genpareto.rvs(shape, size=size, random_state=rng)
    y[1:][rng.random(size - 1) < share] *= -1
    expected = slow.log_likelihood(y, *slow.pareto_fit(y))
    assert slow.log_likelihood(y, *pareto_fit(y)) == pytest.approx(expected, abs=1e-4)


def test_censored_excesses_do_not_make_the_tail_lighter():
    y = genpareto.rvs(0.3, scale=2.0, size=20_000, random_state=3)
    cut = np.quantile(y, 0.9)
    assert pareto_fit(np.where(y > cut, -cut, y)) == pytest.approx((0.3, 2.0), abs=0.1)
    assert pareto_fit(np.minimum(y, cut))[0] < 0.1


@pytest.mark.parametrize("size", [1, 8, 256])
@pytest.mark.parametrize("value", [1e-200, 1e-9, 5.0, 1e200])
def test_equal_excesses_give_a_finite_fit_with_an_end_beyond_them(size, value):
    shape, scale = pareto_fit(np.full(size, value))
    assert LOWEST_SHAPE <= shape < 0
    assert value < -scale / shape < 10 * value


def test_one_giant_among_excesses_gives_a_shape_within_bounds():
    shape, scale = pareto_fit(np.append(np.full(40, 1e-9), 1e9))
    assert LOWEST_SHAPE <= shape <= LARGEST_SHAPE
    assert np.isfinite(scale)
    assert scale > 0


SCORES = {
    "exponential": lambda rng, n: rng.exponential(size=n),
    "heavy": lambda rng, n: np.abs(rng.standard_t(2, size=n)),
    "light": lambda rng, n: rng.random(n),
    "mostly zero": lambda rng, n: np.where(rng.random(n) < 0.9, 0.0, rng.exponential(size=n)),
    "with NaN and inf": lambda rng, n: _pierced(rng, rng.exponential(size=n)),
    "alternating": lambda rng, n: np.where(np.arange(n) % 2, 0.1 * rng.random(n), n - np.arange(n)),
    "risen": lambda rng, n: rng.exponential(size=n) + 30.0 * (np.arange(n) > n // 2),
}


@pytest.mark.parametrize("kind", SCORES)
@pytest.mark.parametrize("depth", [0, 7])
def test_lines_are_those_of_the_slow_twin(kind, depth):
    scores = SCORES[kind](np.random.default_rng(11), 700)
    options = {"risk": 0.004, "init": 100, "level": 0.9, "max_excesses": 24}
    threshold = Dspot(**options, depth=depth) if depth else Spot(**options)
    expected = slow.spot_lines(scores, 0.004, 100, 0.9, 24, depth)
    np.testing.assert_allclose(lines_of(threshold, scores), expected, rtol=1e-3)


def test_the_fewest_peaks_are_the_same_on_both_sides_of_numba():
    assert FEWEST_PEAKS == FEW


def _arguments(fitted):
    return fitted[0], 0.0, fitted[1]


def _pierced(rng, scores):
    scores[rng.random(len(scores)) < 0.1] = np.nan
    scores[rng.random(len(scores)) < 0.02] = np.inf
    return scores
