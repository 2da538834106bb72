"""Fusion: members, windows, scores, shares."""

from __future__ import annotations

import numpy as np
import pytest
from reference.fuse import fused
from reference.judging import judge, opened, two_pumps, water_flow, windows_of

from streamad.core.data import Windows
from streamad.core.errors import ConfigError
from streamad.detectors.fusion import Fusion
from streamad.detectors.registry import make_detector

MEMBERS = {
    "ewma": {},
    "knn": {"length": 24, "warm_up": 64},
    "mahalanobis": {"warm_up": 64},
}


def apart(values, members, length):
    """Causal and final scores (n, m) of the members on windows of this length."""
    windows = windows_of(values, length).values
    causal, final = [], []
    for name, params in members.items():
        member = opened(make_detector(name, params), values.shape[1])
        n, own = len(values), member.window.length
        scores = member.step(
            Windows(windows[:, length - own :], np.zeros(n, np.int32), np.arange(n))
        )
        _, owed = member.close(np.zeros(1, np.int32))
        causal.append(scores.causal)
        final.append(np.concatenate((scores.final, owed))[-n:])
    return np.stack(causal, axis=1), np.stack(final, axis=1)


@pytest.mark.parametrize("series", [water_flow, two_pumps])
def test_both_scores_are_the_formula_over_the_members_scores(series):
    values = series(1000)
    made = judge(Fusion(MEMBERS, warm_up=200), values)
    causal, final = apart(values, MEMBERS, 24)
    first = 11  # the first window of 24 rows that holds at least half of its values
    np.testing.assert_allclose(made.causal, fused(causal, 200, first), rtol=1e-9)
    np.testing.assert_allclose(made.final[:-23], fused(final, 200, first)[:-23], rtol=1e-9)
    np.testing.assert_allclose(made.final[-23:], fused(final, 200, first)[-23:], rtol=0.05)


def test_a_level_a_shape_and_a_relation_are_all_found_by_the_default_members():
    rng = np.random.default_rng(0)
    common = np.sin(np.arange(3000) * 2 * np.pi / 50)
    values = np.stack([common, common], axis=1) + 0.05 * rng.normal(size=(3000, 2))
    values[1500, :] += 3.0
    values[2000:2050] *= -1
    values[2500, 1] -= 0.5
    knn = {"points": 10, "memory": 128, "keep": 32, "every": 7}
    final = judge(Fusion({"ewma": {}, "knn": knn, "mahalanobis": {}}), values).final
    ordinary = np.nanquantile(final[:1400], 0.95)
    for place in (slice(1499, 1502), slice(2000, 2050), slice(2499, 2502)):
        assert final[place].max() > 2 * ordinary


def test_it_wants_the_longest_window_of_a_member_and_has_the_largest_lag():
    fusion = Fusion(MEMBERS)
    assert (fusion.window.length, fusion.lag) == (24, 23)


def test_a_detector_may_take_part_twice():
    fusion = Fusion({"fast": {"type": "knn", "length": 8}, "slow": {"type": "knn", "length": 32}})
    assert list(fusion.detectors) == ["fast", "slow"]
    assert [member.window.length for member in fusion.detectors.values()] == [8, 32]


def test_members_that_do_not_judge_are_left_out():
    values = water_flow(600)
    both = Fusion({"ewma": {}, "knn": {"warm_up": 10_000}}, warm_up=100)
    alone = Fusion({"ewma": {}}, warm_up=100)
    windows = windows_of(values, both.window.length)
    narrow = Windows(windows.values[:, -1:], windows.codes, windows.ends)
    np.testing.assert_array_equal(
        opened(both, 1).step(windows).causal[200:], opened(alone, 1).step(narrow).causal[200:]
    )


def test_contributions_say_which_member_drove_the_score():
    detector = opened(Fusion(MEMBERS, warm_up=200), 3)
    windows = windows_of(two_pumps(800), 24)
    detector.step(windows.take(slice(0, 600)))
    rest = windows.take(slice(600, None))
    parts = detector.contributions(rest)
    expected = np.sqrt(np.nanmean(parts**2, axis=1))
    np.testing.assert_allclose(detector.score(rest).causal, expected, rtol=1e-12)


def test_shares_are_those_of_the_members_weighted_by_their_squared_scores():
    detector = opened(Fusion(MEMBERS, warm_up=200), 3)
    windows = windows_of(two_pumps(800), 24)
    detector.step(windows.take(slice(0, 600)))
    rest = windows.take(slice(600, None))
    weights = detector.contributions(rest) ** 2
    total = np.zeros((200, 3))
    for j, member in enumerate(detector.detectors.values()):
        own = member.window.length
        view = Windows(rest.values[:, 24 - own :], rest.codes, rest.ends)
        total += weights[:, j, None] * member.score(view).shares
    certain = total.sum(axis=1) > 0
    expected = total[certain] / total[certain].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(detector.score(rest).shares[certain], expected, atol=1e-6)


def test_a_member_that_wants_raw_values_gets_them_though_another_wants_scaled_ones():
    values = water_flow(600)
    raw = windows_of(values, 24)
    center, scale = np.full((600, 1), 100.0), np.full((600, 1), 8.0)
    scaled = Windows((raw.values - 100.0) / 8.0, raw.codes, raw.ends, center, scale)
    mixed = Fusion({"knn": {"length": 24, "scaling": "robust"}, "ewma": {}})
    assert mixed.window.scaling == "robust"
    opened(mixed, 1).step(scaled)
    alone = opened(make_detector("ewma"), 1)
    alone.step(Windows(raw.values[:, -1:], raw.codes, raw.ends))
    mean = mixed.detectors["ewma"].snapshot()["mean"]
    np.testing.assert_allclose(mean, alone.snapshot()["mean"], rtol=1e-9)


def test_a_river_detector_may_take_part():
    scores = judge(Fusion({"ewma": {}, "river:GaussianScorer": {}}, warm_up=200), water_flow(500))
    assert np.all(np.isfinite(scores.causal[200:]))


def test_state_bytes_are_those_of_the_arrays():
    detector = opened(Fusion(MEMBERS), 2)
    assert detector.state_bytes(2) == sum(a.nbytes for a in detector.snapshot().values())


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "list of detector names"),
        ("ewma", "list of detector names"),
        (["ewma", "ewma"], "occurs twice"),
        (["emwa"], "did you mean 'ewma'"),
        ({"ewma": {"alpa": 1}}, "did you mean 'alpha'"),
        (
            {"knn": {"scaling": "robust"}, "mahalanobis": {"scaling": "ew"}},
            "share one scaling",
        ),
    ],
)
def test_members_that_cannot_be_are_refused(members, message):
    with pytest.raises(ConfigError, match=message):
        Fusion(members)


def test_a_warm_up_too_short_to_know_what_is_ordinary_is_refused():
    with pytest.raises(ConfigError, match="at least 64"):
        Fusion(warm_up=10)
