"""The fixed-lag score against its definition, with unjudged rows in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.overlap import final_scores

from streamad.kernels.overlap import overlap_mean, overlap_tail


def run(causal, m):
    codes = np.zeros(len(causal), np.int32)
    recent, count = np.full((1, m), np.nan), np.zeros(1, np.int64)
    final, tail = np.empty(len(causal)), np.empty(m - 1)
    overlap_mean(codes, causal, recent, count, final)
    n = overlap_tail(recent[0], int(count[0]), tail)
    return np.concatenate((final, tail[:n]))[-len(causal) :]


scores = st.lists(st.one_of(st.floats(0, 1e12), st.just(np.nan)), min_size=1, max_size=60)


@given(scores, st.integers(2, 9))
def test_a_row_gets_the_mean_of_the_judged_windows_that_cover_it(causal, m):
    causal = np.array(causal)
    np.testing.assert_allclose(run(causal, m), final_scores(causal, m), rtol=1e-9)


def test_a_series_shorter_than_the_lag_is_owed_all_its_finals():
    assert run(np.array([1.0, 3.0]), 5).tolist() == [2.0, 3.0]


@pytest.mark.parametrize("m", [2, 7])
def test_an_infinite_score_reaches_only_the_rows_it_covers(m):
    causal = np.ones(30)
    causal[15] = np.inf
    final = run(causal, m)
    assert np.flatnonzero(np.isinf(final)).tolist() == list(range(15 - m + 1, 16))
