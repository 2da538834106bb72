"""The window rule of the benchmark, step by step."""

from __future__ import annotations

import numpy as np
import pytest

from streamad.core.errors import ShapeError
from streamad.evaluation import window_length


def rule(x):
    """The rule with the autocorrelation as plain sums."""
    x = np.asarray(x, float)[:20_000]
    x = x - x.mean()
    lags = range(min(401, len(x)))
    curve = np.array([x[: len(x) - lag] @ x[lag:] for lag in lags])[3:] / (x @ x)
    peaks = [i for i in range(1, len(curve) - 1) if curve[i] > max(curve[i - 1], curve[i + 1])]
    if not peaks:
        return 125
    best = max(peaks, key=lambda i: curve[i])
    return best + 3 if 3 <= best <= 300 else 125


@pytest.mark.parametrize("period", [7, 24, 96, 288])
def test_a_noisy_wave_has_its_period_as_window(period):
    noise = np.random.default_rng(0).standard_normal(6000)
    x = np.sin(np.arange(6000) * 2 * np.pi / period) + 0.05 * noise
    assert abs(window_length(x) - period) <= 1


@pytest.mark.parametrize("seed", range(20))
def test_the_window_is_that_of_plain_sums(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 900))
    x = np.cumsum(rng.standard_normal(n)) + 5 * np.sin(np.arange(n) / rng.uniform(0.7, 60))
    assert window_length(x) == rule(x)


@pytest.mark.parametrize(
    "x", [np.ones(500), np.zeros(500), np.arange(3.0), np.full(50, np.nan), np.arange(500.0)]
)
def test_a_series_without_a_peak_gets_125(x):
    assert window_length(x) == 125


@pytest.mark.parametrize("period", [5, 350])
def test_a_period_too_short_or_too_long_gets_125(period):
    assert window_length(np.sin(np.arange(7000) * 2 * np.pi / period)) == 125


def test_only_the_first_channel_counts():
    t = np.arange(3000)
    both = np.column_stack((np.sin(t * 2 * np.pi / 30), np.sin(t * 2 * np.pi / 70)))
    assert window_length(both) == 30


def test_only_the_first_20000_rows_count():
    t = np.arange(40_000)
    x = np.where(t < 20_000, np.sin(t * 2 * np.pi / 30), 50 * np.sin(t * 2 * np.pi / 70))
    assert window_length(x) == 30


def test_missing_values_count_as_the_mean():
    x = np.sin(np.arange(3000) * 2 * np.pi / 30) + 5
    x[100:130] = np.nan
    assert window_length(x) == 30


def test_a_table_of_three_axes_is_refused():
    with pytest.raises(ShapeError, match=r"\(2, 2, 2\)"):
        window_length(np.zeros((2, 2, 2)))
