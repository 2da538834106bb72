"""The default detector."""

from __future__ import annotations

import numpy as np
import pytest

import streamad
from streamad.core.data import Windows
from streamad.core.errors import ConfigError
from streamad.detectors.fusion import PRESETS, Fusion
from streamad.detectors.recipe.words import REASONS


def wave(n=2400, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    phase = np.arange(n)[:, None] * 2 * np.pi / 30 + np.arange(channels)
    return np.sin(phase) + 0.1 * rng.normal(size=(n, channels))


def found(values, form="final", **params):
    return int(np.nanargmax(getattr(streamad.score(values, warm_up=600, **params), form)))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_broken_shape_is_found(preset, channels):
    values = wave(channels=channels)
    values[1500:1530, 0] = values[1500:1530, 0][::-1] * 0.3
    assert 1480 <= found(values, preset=preset) < 1550


@pytest.mark.parametrize("preset", PRESETS)
def test_a_spike_is_found_at_its_row_at_once(preset):
    values = wave()
    values[1700] += 3.0
    causal = streamad.score(values, warm_up=600, preset=preset).causal
    assert causal[1700] > 3 * np.quantile(causal[600:1700], 0.99)
    assert 1700 <= np.nanargmax(causal) < 1730


def test_a_channel_that_wakes_up_is_found():
    values = wave(channels=3)
    values[:, 1] = 7.0
    values[1600:1620, 1] = 7.5
    scored = streamad.score(values, warm_up=600)
    worst = int(np.nanargmax(scored.causal))
    assert 1600 <= worst < 1640
    assert int(scored.shares[worst].argmax()) == 1


def test_relations_between_channels_count():
    values = wave(channels=3)
    values[1500:1560, 2] = -values[1500:1560, 2]
    assert 1490 <= found(values) < 1580


@pytest.mark.parametrize(
    ("preset", "channels", "members"),
    [("default", 1, 11), ("default", 2, 6), ("small", 1, 11), ("fast", 1, 5), ("fast", 4, 5)],
)
def test_the_members_of_a_preset(preset, channels, members):
    detector = Fusion(preset)
    detector.open([f"c{i}" for i in range(channels)])
    assert len(detector.part_names) == members
    assert set(detector.part_names) <= REASONS.keys()


def test_parts_of_a_spike_name_the_forecast_and_the_level():
    values = wave()
    values[1700] += 3.0
    detector = Fusion(warm_up=600)
    detector.open(["flow"])
    detector.admit(np.zeros(1, np.int32), ["pump"])
    times = np.arange(len(values), dtype=np.int64)
    scores = detector.step(Windows(values[:, None], np.zeros(len(values), np.int32), times))
    parts = dict(zip(detector.part_names, scores.parts[1700], strict=True))
    assert parts["forecast"] > 5
    assert parts["level"] > 5
    assert parts["waking"] == 0
    assert scores.expected[1700, 0] == pytest.approx(values[1700, 0] - 3.0, abs=0.6)


def test_a_series_that_never_moves_scores_zero():
    scored = streamad.score(np.full(1500, 4.2), warm_up=600)
    np.testing.assert_array_equal(scored.causal[600:], np.zeros(900))


@pytest.mark.parametrize("scale", [1e-6, 1e12])
def test_units_do_not_matter(scale):
    values = wave(1200)
    plain = streamad.score(values, warm_up=600).causal[600:]
    scaled = streamad.score(values * scale, warm_up=600).causal[600:]
    np.testing.assert_allclose(scaled, plain, rtol=0.02, atol=0.05)


def test_a_row_without_values_is_not_judged_and_the_next_one_is():
    values = wave(1200)
    values[900:910] = np.nan
    scored = streamad.score(values, warm_up=600)
    np.testing.assert_array_equal(np.isnan(scored.causal[600:]), np.isnan(values[600:, 0]))
    assert np.isfinite(scored.final[600:900]).all()


@pytest.mark.parametrize("warm_up", [32, 200])
def test_short_warm_ups_work(warm_up):
    values = wave(900)
    values[700] += 4.0
    scored = streamad.score(values, warm_up=warm_up)
    assert np.isfinite(scored.causal[warm_up:]).all()
    assert scored.causal[700] > 3 * np.median(scored.causal[warm_up:])


def test_a_contaminated_warm_up_does_not_hide_what_comes():
    values = wave()
    values[200:215] += 4.0
    values[1500:1515] += 4.0
    assert 1495 <= found(values) < 1540


def test_a_level_shift_becomes_ordinary():
    values = wave(9000)
    values[2000:] += 1.5
    causal = streamad.score(values, warm_up=1000).causal
    ordinary = np.quantile(causal[1000:2000], 0.995)
    assert np.nanmax(causal[2000:2100]) > 2 * ordinary
    assert np.median(causal[8000:]) < ordinary


def test_an_unknown_preset_is_refused():
    with pytest.raises(ConfigError, match="preset must be one of default, fast, small"):
        Fusion("huge")
