"""The member that watches still channels: what it promises beside its definition."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from reference.members import cuts, feed, prepared, waves

from streamad.detectors.recipe.waking import Waking

SPLIT, N = 200, 900


@cache
def row_by_row():
    """Two series, each on its own, one row at a time."""
    series = [prepared(waves(N, 3, seed, quiet=2 - seed), SPLIT) for seed in (0, 1)]
    return series, [feed(Waking(), [one], [[1] * (N - SPLIT)])[0] for one in series]


@given(st.integers(0, 2**32 - 1))
def test_neither_cuts_nor_company_change_a_bit(seed):
    series, alone = row_by_row()
    rng = np.random.default_rng(seed)
    together = feed(Waking(), series, [cuts(rng, N - SPLIT) for _ in series])
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(other.scores, one.scores)
        np.testing.assert_array_equal(other.shares, one.shares)


def test_a_series_without_still_channels_costs_and_scores_nothing():
    got = feed(Waking(), [prepared(waves(N, 3), SPLIT)], [[512, 188]])[0]
    assert got.fitted.block.nbytes < 100
    assert not got.scores.any()
    assert not got.shares.any()


def test_a_channel_that_never_moves_scores_nothing():
    assert not feed(Waking(), [prepared(np.ones((N, 2)), SPLIT)], [[512, 188]])[0].scores.any()


def test_the_first_move_is_new_and_its_repeats_are_not():
    values = waves(2000, 2)
    values[:, 1] = 0.0
    for start in range(600, 2000, 200):
        values[start : start + 100, 1] = 1.0
    got = feed(Waking(), [prepared(values, SPLIT)], [[512, 512, 512, 264]])[0]
    peaks = [got.scores[0, start : start + 100].max() for start in range(600, 2000, 200)]
    assert peaks[0] > 1
    assert max(peaks[3:]) < 0.1 * peaks[0]
    assert (got.shares[600 - SPLIT : 700 - SPLIT].argmax(1)[10:] == 1).all()
