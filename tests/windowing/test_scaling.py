"""Running statistics of single series."""

from __future__ import annotations

import numpy as np
import pytest
from reference.windows import robust, weighted

from streamad.core.data import Rows
from streamad.core.errors import ConfigError
from streamad.core.slab import Slab
from streamad.windowing.scaling import make_scaler


def statistics(name, values):
    """Centre and scale before each value, (n,) each."""
    scaler = make_scaler(name)
    slab = Slab(scaler.layout(1))
    slab.admit(np.zeros(1, np.int32))
    n = len(values)
    flags = np.zeros(n, np.bool_)
    rows = Rows(np.zeros(n, np.int32), np.arange(n), np.array(values)[:, None], flags, flags)
    center, scale = np.empty((2, n, 1))
    scaler.step(slab, rows, 0, n, np.arange(n), center, scale)
    return center[:, 0], scale[:, 0]


def twin(statistic, values):
    return np.array([statistic(np.array(values)[:i]) for i in range(len(values))]).T


@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_robust_equals_median_and_mad_of_the_last_256_finite_values(decimals):
    rng = np.random.default_rng(1)
    values = rng.standard_t(2, 900).round(decimals)
    values[rng.random(900) < 0.1] = np.nan
    values[rng.random(900) < 0.02] = np.inf
    center, scale = statistics("robust", values)
    expected_center, expected_scale = twin(robust, values)
    np.testing.assert_array_equal(center, expected_center)
    np.testing.assert_allclose(scale, expected_scale, rtol=1e-14)


def test_robust_follows_a_step_of_the_level():
    values = np.concatenate((np.arange(300.0) % 7, 1e6 + np.arange(300.0) % 5))
    np.testing.assert_allclose(statistics("robust", values), twin(robust, values), rtol=1e-14)


def test_ew_equals_the_weighted_mean_and_deviation():
    values = np.random.default_rng(2).normal(3.0, 2.0, 900)
    values[100:120] = np.nan
    values[50] = -np.inf
    np.testing.assert_allclose(statistics("ew", values), twin(weighted, values), rtol=1e-9)


@pytest.mark.parametrize("name", ["robust", "ew"])
def test_the_first_value_has_no_past(name):
    center, scale = statistics(name, [5.0, 6.0])
    assert np.isnan(center[0])
    assert np.isnan(scale[0])


@pytest.mark.parametrize("name", ["robust", "ew"])
@pytest.mark.parametrize("level", [0.0, -3.0, 1e-12, 1e12])
def test_the_scale_of_a_constant_is_positive_and_finite(name, level):
    _, scale = statistics(name, np.full(300, level))
    assert (scale[1:] > 0).all()
    assert np.isfinite(scale[1:]).all()


def test_where_most_values_are_equal_the_range_stands_in_for_the_deviation():
    values = np.zeros(100)
    values[::10] = 2.0
    _, scale = statistics("robust", values)
    assert scale[-1] == 2.0


def test_few_values_are_scaled_by_their_range():
    _, scale = statistics("robust", [1.0, 4.0, 2.0, 9.0])
    assert scale[2:].tolist() == [3.0, 3.0]


def test_raw_windows_have_no_scaler():
    assert make_scaler("none") is None


def test_an_unknown_scaling_is_refused():
    with pytest.raises(ConfigError, match="none, robust, ew"):
        make_scaler("minmax")
