"""Random convolutions against their definition in plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from reference.convolutions import answer, convolutions, draw, raw_features
from reference.members import cuts, feed, prepared, waves

from streamad.detectors.recipe.component import Prefix
from streamad.detectors.recipe.convolutions import Convolutions
from streamad.kernels.convolutions import LAG_BITS, convolve


def compare(series, n_kernels=12, seed=3, *, short=False, least_hop=1):
    """Score a series by the member and by the definition."""
    prefix, z = series
    member = Convolutions("convolutions", n_kernels, seed, short=short, least_hop=least_hop)
    pieces = cuts(np.random.default_rng(1), z.shape[1] - prefix.split)
    got = feed(member, [series], [pieces])[0]
    window = max(8, prefix.window // 4) if short else prefix.window
    hop = max(least_hop, window // 16)
    score, parts = convolutions(z, prefix.liveliness, prefix.split, window, hop, n_kernels, seed)
    assert got.fitted.lengths == window
    np.testing.assert_allclose(got.scores[0], score, rtol=2e-4)
    if len(z) > 1:
        np.testing.assert_allclose(got.shares, parts[prefix.split :], rtol=1e-3, atol=1e-3)


def noise(n, n_channels, split, window, seed=0):
    """A series of noise with a window that is set."""
    z = np.random.default_rng(seed).normal(size=(n_channels, n)).astype(np.float32)
    live = np.random.default_rng(seed).uniform(0.1, 0.9, n_channels)
    constant = np.zeros(n_channels, np.bool_)
    return Prefix(z[:, :split].copy(), constant, live, 0, window), z


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("n_channels", [1, 3, 17])
def test_scores_and_shares_are_those_of_the_definition(n_channels, short):
    compare(prepared(waves(4000, n_channels), 600), short=short)


def test_windows_may_be_taken_more_rarely():
    compare(noise(3000, 2, 700, 20), least_hop=3)


def test_the_blocks_of_a_window_of_many_rows_begin_with_the_features_after_the_prefix():
    compare(noise(4000, 2, 1003, 250))


def test_blocks_beyond_the_memory_are_forgotten():
    prefix, z = noise(14_000, 1, 700, 8)
    z[:, 700:] *= np.linspace(1.5, 0.5, 13_300, dtype=np.float32)
    compare((prefix, z), n_kernels=4)


def test_a_prefix_that_is_longer_than_the_rows_of_the_biases():
    compare(noise(22_000, 1, 11_000, 40), n_kernels=3)


def test_channels_that_are_not_lively_are_not_seen_unless_all_are_like_that():
    prefix, z = noise(1500, 4, 600, 20)
    prefix.liveliness[[0, 2]] = 0
    compare((prefix, z))
    prefix.liveliness[:] = 0
    compare((prefix, z))


@pytest.mark.parametrize("odd", [0.0, np.nan, np.inf])
def test_a_convolution_is_the_sum_of_its_terms_wherever_they_fall(odd):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(2, 400)).astype(np.float32)
    z[1, 210] = odd
    own, mix, taps, dilation, _ = draw(np.ones(2), 40, 9, 0)[8]
    expected = answer(z, own, mix, taps, dilation)[200:300]
    places = (own << LAG_BITS) + dilation * np.arange(len(taps))[:, None]
    y = np.empty(100, np.float32)
    convolve(
        np.outer(taps, mix).ravel().astype(np.float32), places.ravel().astype(np.int32),
        np.ones(places.size, np.int32), 0, z.ravel(), 400, 200, y,
    )  # fmt: skip
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("window", [8, 47, 256])
def test_the_scale_of_the_features_is_that_of_the_prefix(window):
    from streamad.kernels import convolutions as kernels

    prefix, z = noise(1200, 2, 1200, window)
    block = Convolutions("convolutions", 7, 2).fit(prefix).block
    parts, size = kernels.layout(block)
    hop = max(1, window // 16)
    features = raw_features(z, 1200, window, hop, draw(prefix.liveliness, window, 7, 2))
    terms = [len(own) * len(taps) for own, _, taps, *_ in draw(prefix.liveliness, window, 7, 2)]
    order = np.argsort(-np.array(terms), kind="stable")
    features = features[np.append(order, 7 + order)]
    mean, rate = (
        block.view(np.float32)[parts[part] : parts[part + 1]]
        for part in (kernels.CENTER, kernels.RATE)
    )
    assert len(block) == size
    np.testing.assert_allclose(mean, features.mean(1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(1 / rate, np.maximum(features.std(1), 0.05), rtol=1e-3)
