"""The level member: what it promises beside its equations."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from reference.members import cuts, feed, prepared, waves

from streamad.detectors.recipe.level import Level

SPLIT, N = 200, 900


@cache
def row_by_row():
    """Two series, each on its own, one row at a time."""
    series = [prepared(waves(N, 3, seed), SPLIT) for seed in (0, 1)]
    return series, [feed(Level(), [one], [[1] * (N - SPLIT)])[0] for one in series]


@given(st.integers(0, 2**32 - 1))
def test_neither_cuts_nor_company_change_a_bit(seed):
    series, alone = row_by_row()
    rng = np.random.default_rng(seed)
    together = feed(Level(), series, [cuts(rng, N - SPLIT) for _ in series])
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(other.scores, one.scores)
        np.testing.assert_array_equal(other.shares, one.shares)


def test_a_constant_series_scores_nothing():
    series = prepared(np.ones((N, 2)), SPLIT)
    assert not feed(Level(), [series], [[500, 200]])[0].scores.any()


def test_a_shift_is_odd_at_first_and_usual_in_the_end():
    values = np.random.default_rng(0).normal(size=(6000, 1))
    values[1000:] += 5
    score = feed(Level(), [prepared(values, SPLIT)], [[512] * 11 + [168]])[0].scores[0]
    assert score[1000:1020].mean() > 4
    assert score[5900:].mean() < 1


def test_the_channel_that_moved_has_the_largest_share():
    values = np.random.default_rng(0).normal(size=(N, 4))
    values[600:620, 2] += 8
    shares = feed(Level(), [prepared(values, SPLIT)], [[512, 188]])[0].shares
    assert (shares[400:420].argmax(1) == 2).all()
