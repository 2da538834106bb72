"""Inversions against counting pairs."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from reference.concordance import inversions as counted

from streamad.kernels.concordance import inversions

numbers = st.lists(st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 3.0, np.inf]), max_size=40)


@given(numbers)
def test_inversions_are_pairs_in_the_wrong_order(values):
    array = np.array(values, np.float64)
    assert inversions(array, np.empty_like(array)) == counted(values)
    assert array.tolist() == sorted(values)
