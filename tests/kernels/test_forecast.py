"""EWMA against its equations in plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from reference.forecast import ewma_scores
from reference.judging import judge, two_pumps, water_flow, windows_of, with_holes

from streamad.detectors.ewma import Ewma

PARAMS = {"alpha": 0.3, "alpha_scale": 0.02, "clip": 3.0, "warm_up": 10}


@pytest.mark.parametrize("series", [water_flow, two_pumps])
def test_scores_are_those_of_the_equations(series):
    values = series(600)
    fast = judge(Ewma(**PARAMS), values).causal
    np.testing.assert_allclose(fast, ewma_scores(values, **PARAMS), rtol=1e-9)
    assert np.count_nonzero(~np.isnan(fast)) == 590


@pytest.mark.parametrize("series", [water_flow, two_pumps])
def test_missing_and_infinite_values_are_left_out_as_in_the_equations(series):
    values = with_holes(series(600))
    fast = judge(Ewma(**PARAMS), values).causal
    handed_over = windows_of(values, 1).values[:, 0]
    np.testing.assert_allclose(fast, ewma_scores(handed_over, **PARAMS), rtol=1e-9)
