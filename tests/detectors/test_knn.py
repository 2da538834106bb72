"""Nearest neighbours: what they find, what the memory keeps, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from reference.judging import judge, opened, water_flow, windows_of

from streamad.core.errors import ConfigError
from streamad.detectors.ewma import Ewma
from streamad.detectors.knn import FEATURES, Knn


def small(**params):
    return Knn(**{"length": 50, "points": 10, "memory": 128, "keep": 32, "every": 7, **params})


def wave(n=2000, seed=0):
    rng = np.random.default_rng(seed)
    return np.sin(np.arange(n) * 2 * np.pi / 50)[:, None] + 0.05 * rng.normal(size=(n, 1))


def test_a_beat_of_another_shape_is_found_that_ewma_does_not_see():
    values = wave()
    values[1500:1550] = -values[1500:1550]
    knn = np.nanargmax(judge(small(), values).final)
    ewma = np.nanargmax(judge(Ewma(), values).final)
    assert 1450 < knn < 1550
    assert not 1450 < ewma < 1550


@pytest.mark.parametrize("features", FEATURES)
def test_another_level_is_found_by_every_representation(features):
    values = wave()
    values[1500:1600] += 3
    assert 1490 < np.nanargmax(judge(small(features=features), values).final) < 1610


def test_a_repeated_stretch_of_a_real_series_scores_lower_the_second_time():
    flow = water_flow(400)
    causal = judge(small(length=24, warm_up=100, every=3), np.concatenate([flow, flow])).causal
    assert np.nanmean(causal[450:800]) < 0.75 * np.nanmean(causal[150:400])


def test_windows_that_share_rows_with_the_judged_one_are_not_compared():
    """A long flat stretch resembles itself, and still is strange for one window length."""
    values = wave()
    values[1500:1560] = 5.0
    causal = judge(small(every=1, quantile=1.0), values).causal
    assert causal[1549] > 5 * np.nanmedian(causal)


def test_strange_windows_are_stored_only_when_they_last():
    values = wave(3000)
    values[1500:] = 4.0 + 0.1 * wave(1500, 1)
    patient = judge(small(max_skipped=100), values).causal
    eager = judge(small(max_skipped=5), values).causal
    ordinary = np.nanquantile(patient[:1500], 0.99)
    assert eager[1700] < 2 * ordinary < patient[1700]
    assert patient[2500] < 2 * ordinary


def test_the_first_windows_stay_in_memory_for_ever():
    detector = opened(Knn(length=10, warm_up=20, memory=30, keep=10, every=1, quantile=1.0), 1)
    detector.step(windows_of(water_flow(600), 10))
    age = detector.slab["age"][0]  # numbers of windows; the first 4 of 600 hold too little
    assert age[:10].tolist() == list(range(10, 20))
    assert sorted(age[10:].tolist()) == list(range(576, 596))


def test_the_channel_of_another_shape_has_the_largest_share():
    values = np.concatenate([wave(seed=seed) for seed in range(3)], axis=1)
    values[1500:1550, 2] = -values[1500:1550, 2]
    assert judge(small(), values).shares[1545].argmax() == 2


def test_a_channel_that_never_comes_does_not_keep_the_others_from_being_judged():
    values = np.concatenate([wave(), np.full((2000, 1), np.nan)], axis=1)
    values[1500:1550, 0] *= -1
    scores = judge(small(), values)
    assert 1450 < np.nanargmax(scores.final) < 1550


def test_a_constant_channel_that_wakes_gives_a_finite_score():
    values = np.concatenate([wave(), np.full((2000, 1), 7.0)], axis=1)
    values[1500:, 1] = 8.0
    causal = judge(small(), values).causal
    assert np.all(np.isfinite(causal[300:]))
    assert causal[1549] > 20 * np.nanmedian(causal)


@pytest.mark.parametrize(
    "wrong",
    [
        {"length": 1},
        {"features": "fourier"},
        {"points": 0},
        {"k": 0},
        {"keep": 512},
        {"keep": -1},
        {"every": 0},
        {"warm_up": 3},
        {"quantile": 0.0},
        {"max_skipped": -1},
        {"scaling": "minmax"},
    ],
)
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Knn(**wrong)


def test_a_machine_that_starts_switched_off_is_judged_as_well_as_one_that_runs():
    def contrast(values):
        causal = judge(small(), values).causal
        return np.nanmax(causal[-200:-150]) / np.nanquantile(causal[-600:-210], 0.99)

    running = wave()
    running[-200:-180] = running[-230:-210].mean()
    late = np.concatenate([np.zeros((700, 1)), running])
    assert contrast(late) > 0.5 * contrast(running)
