"""How one series is scored and rated."""

from __future__ import annotations

import judge
import numpy as np
import pytest
from series_folder import Entry

from streamad.backtest.array import ScoredSeries
from streamad.core.data import WindowSpec
from streamad.core.errors import ConfigError


class Warmed:
    """Stands in for a detector that is fitted on its first rows and tells their scores."""

    window = WindowSpec()

    def __init__(self, warm_up):
        self.warm_up = warm_up

    def prefix_scores(self, code):
        assert code == 0
        return np.full(self.warm_up, 7.0), np.full(self.warm_up, 9.0)

    def plan(self, code):
        assert code == 0
        return {"split": self.warm_up, "lag": 3}


def warmed_score(values, detector, *, channels, name, warm_up, keep_prefix, **params):
    assert keep_prefix
    causal = np.where(np.isnan(values[:, 0]), np.nan, values[:, 0])
    causal[:warm_up] = np.nan
    return ScoredSeries(causal, causal + 1.0, 257, None, Warmed(warm_up))


@pytest.fixture
def warmed(monkeypatch):
    """A contender whose detector is the stand-in."""
    monkeypatch.setattr(judge, "score", warmed_score)
    monkeypatch.setattr(judge.Contender, "takes_prefix", property(lambda _: True))
    return judge.contender("fusion")


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
    output = judge.run(judge.contender("reconstruction"), wave(), entry(1500))
    for scores in (output.causal, output.final):
        first = int(np.flatnonzero(np.isfinite(scores))[0])
        assert np.isfinite(scores[first:]).all()
    assert output.lag_rows == 60


def test_a_row_changes_no_causal_score_before_it():
    values = wave()
    changed = values.copy()
    changed[1000] = 50.0
    for detector in ("ewma", "mahalanobis", "norm"):
        before, after = (
            judge.run(judge.contender(detector), v, entry(1500)) for v in (values, changed)
        )
        np.testing.assert_array_equal(before.causal[:1000], after.causal[:1000])


def test_a_row_changes_no_final_score_further_back_than_the_lag():
    values = wave()
    changed = values.copy()
    changed[1000] = 50.0
    for detector in ("mahalanobis", "norm"):
        before, after = (
            judge.run(judge.contender(detector), v, entry(1500)) for v in (values, changed)
        )
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


def test_a_missing_value_is_held_for_the_buffer_of_vus():
    values = np.sin(np.arange(1500) * 2 * np.pi / 50)[:, None]
    values[5::7] = np.nan
    labels = np.arange(1500) == 900
    assert judge.prepare(values, labels, entry(1500)).window == 50


def test_an_unknown_detector_names_the_baselines_too():
    with pytest.raises(ConfigError, match="norm and random"):
        judge.configuration(judge.contender("nothing"))


@pytest.mark.parametrize(
    ("text", "label", "detector", "params"),
    [
        ("fusion", "fusion", "fusion", {}),
        ("fusion:fast", "fusion fast", "fusion", {"preset": "fast"}),
        ("river:HalfSpaceTrees", "river:HalfSpaceTrees", "river:HalfSpaceTrees", {}),
    ],
)
def test_a_preset_follows_a_colon(text, label, detector, params):
    assert judge.contender(text) == judge.Contender(label, detector, params)


def test_a_preset_of_a_detector_without_presets_is_refused():
    with pytest.raises(ConfigError, match="'knn' has no parameter 'preset'"):
        judge.configuration(judge.contender("knn:fast"))


@pytest.mark.parametrize(
    ("split", "n", "rows"), [(300, 900, 300), (31, 4000, 1000), (0, 600, 600), (500, 400, 400)]
)
def test_the_training_prefix_is_the_warm_up_and_a_short_one_is_none(split, n, rows):
    assert judge.warm_up_rows(split, n) == rows


def test_rows_of_the_prefix_have_their_in_sample_scores(warmed):
    output = judge.run(warmed, wave(), entry(1500))
    np.testing.assert_array_equal(output.causal[:300], np.full(300, 7.0))
    np.testing.assert_array_equal(output.final[:300], np.full(300, 9.0))
    np.testing.assert_array_equal(output.causal[300:], wave()[300:, 0])


def test_the_lag_is_that_of_the_series_where_a_detector_tells_it(warmed):
    assert judge.run(warmed, wave(), entry(1500)).lag_rows == 3


def test_a_missing_value_is_the_last_one_for_a_detector_that_takes_the_prefix(warmed):
    values = wave()
    values[800:803] = np.nan
    output = judge.run(warmed, values, entry(1500))
    np.testing.assert_array_equal(output.causal[799:804], values[[799, 799, 799, 799, 803], 0])
    assert np.isfinite(output.final).all()


def test_other_detectors_are_not_given_the_prefix():
    output = judge.run(judge.contender("ewma"), wave(), entry(1500))
    assert np.isnan(output.causal[:64]).all()
    assert np.isfinite(output.causal[64:]).all()


def test_fusion_is_warmed_up_on_the_training_prefix():
    output = judge.run(judge.contender("fusion:fast"), wave(), entry(1500))
    assert np.isfinite(output.causal).all()
    assert np.isfinite(output.final).all()


def test_fusion_tells_final_scores_of_the_prefix_that_wait_for_live_rows():
    values = wave()
    changed = values.copy()
    changed[300] = 50.0
    contender = judge.contender("fusion:fast")
    before, after = (judge.run(contender, v, entry(1500)) for v in (values, changed))
    np.testing.assert_array_equal(before.causal[:300], after.causal[:300])
    assert before.final[299] != after.final[299]
