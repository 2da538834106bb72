"""The running quantile against its slow twin."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from reference.quantile import EDGES, quantile_lines

from streamad.kernels.quantile import N_BUCKETS
from streamad.thresholds import Quantile

SCORES = st.one_of(
    st.sampled_from([0.0, 0.0, 1.0, 1.0, 2.5, np.nan, np.inf, 1e-300, 1e300, -3.0]),
    st.floats(0, 10),
    st.floats(1e-12, 1e22),
)


@given(
    scores=st.lists(SCORES, max_size=150),
    q=st.sampled_from([0.53, 0.9137, 0.991]),
    window=st.sampled_from([2, 20, 5000]),
    factor=st.sampled_from([1.0, 2.0]),
    init=st.sampled_from([1, 30]),
)
def test_lines_are_those_of_the_slow_twin(scores, q, window, factor, init):
    threshold = Quantile(q=q, window=window, factor=factor, init=init)
    threshold.admit(np.zeros(1, np.int32))
    found = threshold.step(np.zeros(len(scores), np.int32), np.array(scores, float))
    expected = quantile_lines(scores, q, window, factor, init)
    np.testing.assert_array_equal(found, expected)


def test_there_are_as_many_buckets_as_edges():
    assert len(EDGES) == N_BUCKETS
