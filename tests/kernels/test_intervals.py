"""Two pointers against row-by-row definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import intervals as reference
from reference.vus import ranges

from streamad.evaluation import affiliation, range_f1
from streamad.evaluation.checks import segments
from streamad.kernels.intervals import range_reward, runs_above

pairs = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60).map(
    lambda rows: np.array(rows).T
)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 4))
def test_runs_are_the_maximal_ranges_above_the_level(level, k):
    level = np.array(level, np.int16)
    starts, stops = (np.empty(len(level) // 2 + 1, np.int64) for _ in range(2))
    n = runs_above(level, k, starts, stops)
    assert list(zip(starts[:n], stops[:n], strict=True)) == ranges(level > k)


@given(pairs, st.sampled_from([0.0, 0.2, 1.0]))
def test_the_reward_of_ranges_is_that_of_the_definition(both, existence):
    labels, flags = both
    edges = [edge for side in (labels, flags) for edge in segments(side)]
    expected = reference.range_reward(labels, flags, existence)
    assert range_reward(*edges, existence) == pytest.approx(expected, abs=1e-12)


@given(pairs.filter(lambda both: both[0].any()))
def test_affiliation_is_the_integral_of_its_definition(both):
    labels, flags = both
    expected = reference.affiliation(labels, flags)
    np.testing.assert_allclose(affiliation(labels, flags)[:2], expected, rtol=0, atol=1e-12)


@given(pairs.filter(lambda both: not both[0].all() and not both[1].all()))
def test_range_f1_is_the_harmonic_mean_of_the_two_rewards(both):
    labels, flags = both
    recall = reference.range_reward(labels, flags, 0.2)
    precision = reference.range_reward(flags, labels, 0.0)
    expected = 2 * recall * precision / (recall + precision) if recall + precision else 0.0
    assert range_f1(labels, flags) == pytest.approx(expected, abs=1e-12)
