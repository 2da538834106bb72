"""What the warm-up rows of a series say about it."""

from __future__ import annotations

import numpy as np
import pytest
from reference import intake as reference

from streamad.detectors.recipe.prepare import autocorrelation_peak, find_window, liveliness, prepare


def wave(period, n=2000, seed=0):
    noise = 0.1 * np.random.default_rng(seed).normal(size=n)
    return np.sin(2 * np.pi * np.arange(n) / period) + noise


def test_a_prefix_is_scaled_by_its_deviation_or_a_quarter_of_its_range():
    rng = np.random.default_rng(0)
    values = np.stack((rng.normal(size=500), np.r_[np.zeros(499), 100.0]), axis=1)
    z = prepare(values).prefix.z
    np.testing.assert_allclose(z.T, reference.scaled(values, 500), rtol=1e-6, atol=1e-6)
    assert np.abs(z[1]).max() <= 4.0


@pytest.mark.parametrize("period", [21, 64, 150])
def test_the_window_is_the_period(period):
    found, window = find_window(wave(period)[:, None])
    assert found == pytest.approx(period, abs=1)
    assert window == found


def test_a_short_period_gives_a_window_of_several():
    assert find_window(wave(7)[:, None]) == (7, 21)


def test_a_period_beyond_256_counts_as_none():
    assert find_window(wave(290, 4000)[:, None]) == (0, 64)


def test_a_series_without_a_peak_gets_the_window_64():
    assert find_window(np.arange(2000.0)[:, None]) == (0, 64)


def test_the_window_is_at_most_a_quarter_of_the_prefix():
    assert find_window(wave(64, 120)[:, None])[1] == 30


def test_channels_vote_for_the_period_by_the_height_of_their_peaks():
    weak = 0.3 * wave(50, seed=1) + np.random.default_rng(2).normal(size=2000)
    values = np.stack((weak, wave(30, seed=3), wave(30, seed=4)), axis=1)
    assert find_window(values)[0] == 30


def test_a_channel_of_few_values_has_no_vote_beside_others():
    square = np.where(np.arange(2000) % 40 < 20, 1.0, 0.0)
    assert find_window(np.stack((square, wave(30)), axis=1))[0] == 30


def test_a_peak_outside_6_to_303_is_none():
    assert autocorrelation_peak(wave(4)) == (0, 0.0)


def test_a_constant_has_no_liveliness_and_a_spread_channel_much():
    values = np.stack((np.ones(1000), np.linspace(0, 1, 1000)), axis=1)
    np.testing.assert_allclose(liveliness(values), [0.0, 0.98], atol=1e-9)


def test_missing_values_are_filled_before_anything_is_measured():
    values = wave(30)[:, None]
    values[100:105] = np.nan
    values[0] = np.inf
    prefix = prepare(values).prefix
    assert np.isfinite(prefix.z).all()
    np.testing.assert_array_equal(prefix.z[0, 100:105], np.full(5, prefix.z[0, 99]))


def test_a_channel_that_stands_still_is_constant_and_zero():
    prefix = prepare(np.stack((wave(30), np.full(2000, 1e6)), axis=1)).prefix
    assert prefix.constant.tolist() == [False, True]
    np.testing.assert_array_equal(prefix.z[1], np.zeros(2000, np.float32))
