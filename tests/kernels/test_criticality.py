"""The kernels of the CARE score against the rules row by row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.care import care_parts, counts

from streamad.kernels.criticality import care_pass, criticality_pass

rows = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80)


@given(rows, st.data(), st.booleans(), st.sampled_from([(1, 4), (1, 2), (3, 5), (0, 1)]))
def test_one_pass_gives_what_the_equations_give(pairs, data, anomaly, descent):
    flags, normal = (np.array(column) for column in zip(*pairs, strict=True))
    start = data.draw(st.integers(0, len(pairs) - 1))
    stop = data.draw(st.integers(start + 1, len(pairs)))
    threshold, cap = data.draw(st.integers(1, 8)), data.draw(st.integers(8, 20))
    found = care_pass(flags, normal, start, stop, stop, anomaly, *descent, threshold, cap)
    expected = care_parts(flags, normal, start, stop, anomaly, descent, threshold, cap)
    assert found == pytest.approx(expected, abs=1e-12)


def test_no_status_means_normal_everywhere():
    flags = np.array([True, False, True, True])
    given_status = care_pass(flags, np.ones(4, np.bool_), 1, 3, 3, True, 1, 4, 2, 9)
    assert care_pass(flags, np.empty(0, np.bool_), 1, 3, 3, True, 1, 4, 2, 9) == given_status


@given(st.lists(st.sampled_from([0.0, 0.99, 1.0, 7.0, np.inf, -np.inf, np.nan]), max_size=60))
def test_the_counter_holds_where_a_row_was_not_judged(ratio):
    ratio = np.array(ratio)
    state, out = np.zeros(1, np.int64), np.empty(len(ratio), np.int64)
    criticality_pass(np.zeros(len(ratio), np.int32), ratio, 5, state, out)
    assert out.tolist() == counts(ratio >= 1.0, ~np.isnan(ratio), 5)
