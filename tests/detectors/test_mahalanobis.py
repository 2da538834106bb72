"""Mahalanobis: what it finds, how it survives, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from reference.judging import judge, two_pumps, water_flow

import streamad
from streamad.core.errors import ConfigError
from streamad.detectors.mahalanobis import Mahalanobis


def twins(n=2000):
    """Two channels that always agree, and a third on its own."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=n)
    return np.stack([common, common + 0.05 * rng.normal(size=n), rng.normal(size=n)], axis=1)


def test_channels_that_stop_agreeing_are_found_though_each_value_is_ordinary():
    values = twins()
    values[1500, :2] = [1.0, -1.0]
    scores = judge(Mahalanobis(), values)
    assert np.nanargmax(scores.causal) == 1500
    assert scores.shares[1500, 2] < 0.1


def test_a_jump_in_a_real_series_scores_highest():
    values = water_flow(900)
    values[700] += 10 * values.std()
    assert 700 <= np.nanargmax(judge(Mahalanobis(), values).causal) <= 702


def test_ordinary_rows_score_about_one():
    assert 0.8 < np.nanmedian(judge(Mahalanobis(), twins()).causal) < 1.2


def test_many_channels_are_judged_row_by_row():
    values = np.random.default_rng(0).normal(size=(400, 40))
    detector = Mahalanobis()
    assert np.count_nonzero(~np.isnan(judge(detector, values).causal)) == 400 - 128 - 1
    assert detector.slab["factor"].shape[1:] == (40, 40)


def test_a_relation_that_changed_for_good_becomes_ordinary():
    values = twins(4000)
    values[1500:, 1] *= -1
    causal = judge(Mahalanobis(horizon=500, max_skipped=30), values).causal
    assert np.median(causal[1501:1520]) > 5
    assert np.median(causal[3500:]) < 1.5


def test_a_constant_channel_that_wakes_becomes_ordinary():
    values = twins(3000)
    values[:1500, 2] = 0.0
    causal = judge(Mahalanobis(horizon=500), values).causal
    assert np.all(np.isfinite(causal[129:]))
    assert causal[1500] > 100
    assert np.median(causal[2500:]) < 2


def test_a_channel_that_is_missing_for_long_comes_back_ordinary():
    values = two_pumps(1200)
    values[500:900, 1] = np.nan
    causal = judge(Mahalanobis(), values).causal
    calm = judge(Mahalanobis(), two_pumps(1200)).causal
    assert np.median(causal[903:]) < 1.5 * np.median(calm[903:])


def test_a_channel_that_comes_late_is_learned():
    values = twins(3000)
    values[:1000, 1] = np.nan
    causal = judge(Mahalanobis(horizon=500), values).causal
    assert np.median(causal[2500:]) < 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"rows": 0},
        {"max_size": 0},
        {"horizon": 1},
        {"ridge": 0.0},
        {"warm_up": 1},
        {"quantile": 1.5},
        {"max_skipped": -1},
        {"scaling": "minmax"},
    ],
)
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Mahalanobis(**wrong)


def test_a_channel_that_first_comes_after_the_warm_up_starts_it_anew():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(2000, 2))
    values[:1000, 1] = np.nan
    causal = streamad.score(values, "mahalanobis").causal
    judged = np.flatnonzero(~np.isnan(causal))
    assert 1100 < judged[judged > 1005][0] < 1200
    assert np.nanmax(causal[1000:]) < 3 * np.nanmax(causal[:1000])
