"""How one series is scored and rated."""

from __future__ import annotations

import judge
import numpy as np
import pytest
from series_folder import Entry

from streamad.core.errors import ConfigError


def entry(n, split=300, columns=("value",)):
    return Entry("wave", "waves", "wave.parquet", columns, split, n)


def wave(n=1500):
    return np.sin(np.arange(n) * 2 * np.pi / 25)[:, None]


def test_a_row_that_was_not_judged_counts_with_the_lowest_judged_score():
    scores = np.array([np.nan, 2.0, np.nan, 1.5, 3.0])
    np.testing.assert_array_equal(judge.filled(scores), [1.5, 2.0, 1.5, 1.5, 3.0])


def test_a_series_that_was_never_judged_has_one_constant_score():
    np.testing.assert_array_equal(judge.filled(np.full(3, np.nan)), np.zeros(3))


def test_a_score_is_held_until_the_next_one():
    scores = np.array([np.nan, 1.0, np.nan, np.nan, 2.0, np.nan])
    np.testing.assert_array_equal(judge.held(scores), [np.nan, 1.0, 1.0, 1.0, 2.0, 2.0])


@pytest.mark.deep
def test_a_detector_that_hops_has_a_score_in_every_row_once_it_judges():
    pytest.importorskip("torch")
    output = judge.run("reconstruction", wave(), entry(1500))
    for scores in (output.causal, output.final):
        first = int(np.flatnonzero(np.isfinite(scores))[0])
        assert np.isfinite(scores[first:]).all()
    assert output.lag_rows == 60


def test_a_row_changes_no_causal_score_before_it():
    values = wave()
    changed = values.copy()
    changed[1000] = 50.0
    for detector in ("ewma", "mahalanobis", "norm"):
        before, after = (judge.run(detector, v, entry(1500)) for v in (values, changed))
        np.testing.assert_array_equal(before.causal[:1000], after.causal[:1000])


def test_a_row_changes_no_final_score_further_back_than_the_lag():
    values = wave()
    changed = values.copy()
    changed[1000] = 50.0
    for detector in ("mahalanobis", "norm"):
        before, after = (judge.run(detector, v, entry(1500)) for v in (values, changed))
        cut = 1000 - before.lag_rows
        np.testing.assert_array_equal(before.final[:cut], after.final[:cut])
        assert before.final[cut] != after.final[cut]


def test_the_window_norm_is_the_norm_of_the_scaled_window():
    values = np.random.default_rng(0).normal(size=(600, 2))
    values[50, 1] = np.nan
    causal, final = judge.window_norm(values, 300)
    scaled = judge.robust_scaled(values, 300)
    norm = [np.linalg.norm(scaled[i - 95 : i + 1]) for i in range(100, 600)]
    np.testing.assert_allclose(causal[300:], norm[200:])
    np.testing.assert_allclose(final[400], np.mean(norm[300:396]))
    np.testing.assert_allclose(final[590], np.mean(norm[490:]))


def test_the_window_norm_judges_no_row_that_gave_it_its_scale():
    causal, final = judge.window_norm(wave(), 300)
    assert np.isnan(causal[:300]).all()
    assert np.isnan(final[:300]).all()


def test_a_constant_channel_does_not_divide_by_zero():
    assert np.isfinite(judge.robust_scaled(np.ones((50, 1)), 20)).all()


def test_random_scores_depend_on_name_and_seed_alone():
    same = judge.random_scores("a", 5, 1)
    np.testing.assert_array_equal(same, judge.random_scores("a", 5, 1))
    assert not np.array_equal(same, judge.random_scores("b", 5, 1))
    assert not np.array_equal(same, judge.random_scores("a", 5, 2))


@pytest.mark.parametrize("labels", [np.zeros(50, np.bool_), np.ones(50, np.bool_)])
def test_labels_of_one_kind_have_no_rating(labels):
    assert set(judge.rate(labels, np.arange(50.0), 5).values()) == {None}
    assert judge.random_vus_pr(labels, "a", 5) is None


def test_the_buffer_of_vus_is_the_period_of_the_whole_first_channel():
    values = np.concatenate([wave(), np.zeros((1500, 1))], axis=1)
    labels = np.arange(1500) == 900
    assert judge.prepare(values, labels, entry(1500, columns=("a", "b"))).window == 25


def test_an_unknown_detector_names_the_baselines_too():
    with pytest.raises(ConfigError, match="norm and random"):
        judge.configuration("nothing")
