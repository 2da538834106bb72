"""The window PCA member: what it promises beside its definition."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.members import cuts, feed, prepared, waves

from streamad.detectors.recipe.subspace import Subspace

SPLIT, N = 300, 1800


def noise(n, n_channels, seed):
    return np.random.default_rng(seed).normal(size=(n, n_channels))


@cache
def row_by_row(kind):
    """Two series, each on its own, one row at a time."""
    series = [prepared(kind(N, 2, seed), SPLIT) for seed in (0, 1)]
    return series, [feed(Subspace(48), [one], [[1] * (N - SPLIT)])[0] for one in series]


@pytest.mark.parametrize("kind", [waves, noise])
@given(st.integers(0, 2**32 - 1))
def test_neither_cuts_nor_company_change_a_bit(kind, seed):
    series, alone = row_by_row(kind)
    rng = np.random.default_rng(seed)
    together = feed(Subspace(48), series, [cuts(rng, N - SPLIT) for _ in series])
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(other.scores, one.scores)
        np.testing.assert_array_equal(other.shares, one.shares)


def test_scores_do_not_depend_on_whether_shares_are_wanted():
    series = prepared(waves(N, 2), SPLIT)
    without, with_shares = (
        feed(Subspace(), [series], [[512, 512, 476]], explain)[0] for explain in (False, True)
    )
    np.testing.assert_array_equal(with_shares.scores, without.scores)


def test_shares_that_are_wanted_later_are_those_of_the_window_that_is_held():
    """The same rows, with shares from the start and from row ``late`` on."""
    series = prepared(waves(N, 2), SPLIT)
    late = 600
    whole = feed(Subspace(), [series], [[500, late - 500, 400]])[0]
    part = feed(Subspace(), [series], [[500, late - 500, 400]], [False, False, True])[0]
    np.testing.assert_allclose(part.shares, whole.shares[late:], rtol=1e-5)


def test_a_constant_series_scores_nothing():
    series = prepared(np.ones((N, 2)), SPLIT)
    assert not feed(Subspace(), [series], [[512, 512, 476]])[0].scores.any()


def test_another_shape_is_odd():
    values = np.sin(np.arange(N) / 5)[:, None] + 0.05 * noise(N, 1, 0)
    values[1000:1040, 0] = np.sin(np.arange(40) / 2)
    score = feed(Subspace(), [prepared(values, SPLIT)], [[512, 512, 476]])[0].scores[0]
    assert score[1000:1040].max() > 5 * score[:1000].max()


def test_a_level_shift_is_accepted_in_the_end():
    values = np.sin(np.arange(20_000) / 5)[:, None] + 0.2 * noise(20_000, 1, 0)
    values[1000:] += 1
    pieces = [512] * 38 + [244]
    score = feed(Subspace(), [prepared(values, SPLIT)], [pieces])[0].scores[0]
    assert score[1100:1600].mean() > 2 * score[:1000].mean()
    assert score[-500:].mean() < 1.2 * score[:1000].mean()


def test_the_channel_that_changed_has_the_largest_share():
    values = waves(N, 3)
    values[1000:1060, 1] = 0
    shares = feed(Subspace(), [prepared(values, SPLIT)], [[512, 512, 476]])[0].shares
    assert (shares[1030 - SPLIT : 1060 - SPLIT].argmax(1) == 1).all()


def test_a_window_of_many_channels_is_thinned():
    prefix, _ = prepared(waves(1000, 40), 1000)
    few, many = (Subspace(dims).fit(prefix).block.nbytes for dims in (128, 512))
    assert few < many / 3
