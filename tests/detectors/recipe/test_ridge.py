"""The forecasting member: what it promises beside its equations."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from reference.members import cuts, feed, prepared, waves

from streamad.detectors.recipe.ridge import Ridge

SPLIT, N = 200, 1600


@cache
def row_by_row():
    """Two series, each on its own, one row at a time."""
    series = [prepared(waves(N, 3, seed), SPLIT) for seed in (0, 1)]
    return series, [feed(Ridge(), [one], [[1] * (N - SPLIT)])[0] for one in series]


@given(st.integers(0, 2**32 - 1))
def test_neither_cuts_nor_company_change_a_bit(seed):
    series, alone = row_by_row()
    rng = np.random.default_rng(seed)
    together = feed(Ridge(), series, [cuts(rng, N - SPLIT) for _ in series])
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(other.scores, one.scores)
        np.testing.assert_array_equal(other.shares, one.shares)
        np.testing.assert_array_equal(other.expected, one.expected)


def test_wide_series_are_cut_as_freely():
    series = prepared(waves(900, 38), SPLIT)
    one = feed(Ridge(), [series], [[1] * 700])[0]
    other = feed(Ridge(), [series], [[512, 188]])[0]
    np.testing.assert_array_equal(other.scores, one.scores)


def test_scores_do_not_depend_on_whether_shares_are_wanted():
    series = prepared(waves(900, 3), SPLIT)
    without, with_shares = (
        feed(Ridge(), [series], [[512, 188]], explain)[0] for explain in (False, True)
    )
    np.testing.assert_array_equal(with_shares.scores, without.scores)


def test_a_constant_series_scores_nothing():
    series = prepared(np.ones((N, 2)), SPLIT)
    assert not feed(Ridge(), [series], [[512, 512, 376]])[0].scores.any()


def test_two_hundred_channels_are_within_its_reach():
    series = prepared(np.random.default_rng(0).normal(size=(800, 200)), SPLIT)
    got = feed(Ridge(), [series], [[512, 88]])[0]
    assert np.isfinite(got.scores).all()
    assert np.isfinite(got.expected).all()


def test_the_forecast_follows_a_wave_and_is_surprised_by_a_jump():
    t = np.arange(N)
    values = np.sin(t / 20)[:, None] + 0.01 * np.random.default_rng(0).normal(size=(N, 1))
    values[1000] += 0.5
    series = prepared(values, SPLIT)
    got = feed(Ridge(), [series], [[512, 512, 376]])[0]
    ordinary = slice(0, 1000 - SPLIT)
    error = got.expected[ordinary, 0] - series[1][0, SPLIT:1000]
    assert np.abs(error).max() < 0.15
    assert got.scores[0, 1000] == got.scores.max() > 5
