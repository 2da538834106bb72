"""EWMA: what it finds, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from reference.judging import judge, water_flow

from streamad.core.errors import ConfigError
from streamad.detectors.ewma import Ewma


def test_a_jump_in_a_real_series_scores_highest():
    values = water_flow(600)
    values[400] += 20 * values.std()
    assert np.nanargmax(judge(Ewma(), values).causal) == 400


def test_one_strange_row_does_not_hide_the_next():
    values = water_flow(600)
    values[[400, 410]] += 20 * values.std()
    highest = np.argsort(np.nan_to_num(judge(Ewma(), values).causal))[-4:]
    assert {400, 410} <= set(highest.tolist())


def test_the_final_score_is_the_causal_one():
    scores = judge(Ewma(), water_flow(200))
    np.testing.assert_array_equal(scores.final, scores.causal)


def test_rows_of_the_warm_up_are_not_judged():
    causal = judge(Ewma(warm_up=50), water_flow(200)).causal
    assert np.flatnonzero(~np.isnan(causal))[0] == 50


def test_the_channel_that_jumped_has_the_largest_share():
    values = np.repeat(water_flow(300), 3, axis=1)
    values[250, 1] += 20 * values.std()
    assert judge(Ewma(), values).shares[250].argmax() == 1


def test_a_tiny_value_after_a_constant_gives_finite_shares():
    values = np.zeros((100, 2))
    values[90, 0] = 1e9
    shares = judge(Ewma(warm_up=10), values).shares
    np.testing.assert_allclose(shares[90], [1.0, 0.0])


@pytest.mark.parametrize(
    "wrong",
    [{"alpha": 0.0}, {"alpha": 1.5}, {"alpha_scale": 0.0}, {"clip": 0.0}, {"warm_up": 1}],
)
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Ewma(**wrong)
