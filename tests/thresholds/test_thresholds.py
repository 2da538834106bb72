"""What the lines mean: rates of alarms, ties, constants, drift, alarms that are not learned."""

from __future__ import annotations

import numpy as np
import pytest

from streamad.core.errors import NotFittedError, ShapeError, StateError
from streamad.thresholds import Dspot, Quantile, Spot

SLOT = np.zeros(1, np.int32)
LEARNERS = {
    "quantile": lambda: Quantile(q=0.95, init=30),
    "spot": lambda: Spot(risk=1e-3, init=100, level=0.9, max_excesses=40),
    "dspot": lambda: Dspot(risk=1e-3, init=100, level=0.9, max_excesses=40, depth=10),
}
SHAPES = {
    "exponential": lambda rng, n: rng.exponential(size=n),
    "half normal": lambda rng, n: np.abs(rng.normal(size=n)),
    "heavy": lambda rng, n: np.abs(rng.standard_t(3, size=n)),
    "cauchy": lambda rng, n: np.abs(rng.standard_cauchy(size=n)),
    "mostly zero": lambda rng, n: np.where(rng.random(n) < 0.97, 0.0, rng.exponential(size=n)),
    "counts": lambda rng, n: rng.poisson(3.0, n).astype(float),
}


def lines_of(threshold, scores):
    threshold.admit(SLOT)
    return threshold.step(np.zeros(len(scores), np.int32), scores)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("risk", [1e-3, 2e-4])
@pytest.mark.parametrize("kind", [Spot, Dspot])
def test_the_alarm_rate_on_stationary_scores_is_near_the_risk(shape, risk, kind):
    scores = SHAPES[shape](np.random.default_rng(7), 300_000)
    rate = np.mean(scores >= lines_of(kind(risk=risk), scores))
    assert rate < 3 * risk
    if shape not in {"mostly zero", "counts"}:
        assert rate > risk / 3


@pytest.mark.parametrize("shape", ["exponential", "half normal", "heavy", "cauchy"])
@pytest.mark.parametrize("q", [0.9, 0.99])
def test_a_share_of_the_scores_lies_over_the_quantile(shape, q):
    scores = SHAPES[shape](np.random.default_rng(7), 300_000)
    rate = np.mean(scores >= lines_of(Quantile(q=q, factor=1.0), scores))
    assert 0.75 * (1 - q) < rate < 1.15 * (1 - q)


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("constant", [0.0, 1e-30, 1e-9, 0.1, 1.0, 3e7, 1e22])
def test_constant_scores_never_alarm(name, constant):
    scores = np.full(2000, constant)
    lines = lines_of(LEARNERS[name](), scores)[500:]
    assert np.isfinite(lines).all()
    assert (lines > scores[500:] * 1.01).all()


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("constant", [0.1, 0.97, 5.0])
def test_scores_that_became_constant_stop_being_alarms(name, constant):
    scores = np.append(np.random.default_rng(0).random(1000), np.full(3000, constant))
    lines = lines_of(LEARNERS[name](), scores)
    stuck = constant > 1.0 and name != "quantile"
    assert (constant >= lines[-1]) == stuck


@pytest.mark.parametrize("name", LEARNERS)
def test_rounding_noise_on_constant_scores_never_alarms(name):
    scores = 7.0 * (1.0 + 1e-15 * np.random.default_rng(0).integers(-3, 4, 5000))
    lines = lines_of(LEARNERS[name](), scores)
    assert not (scores >= lines).any()


@pytest.mark.parametrize("name", LEARNERS)
def test_the_first_positive_score_after_zeros_alarms(name):
    scores = np.zeros(1001)
    scores[-1] = 1e-3
    assert scores[-1] >= lines_of(LEARNERS[name](), scores)[-1]


@pytest.mark.parametrize("name", ["spot", "dspot"])
def test_the_size_of_an_alarm_is_not_learned(name):
    scores = np.random.default_rng(1).exponential(size=3000)
    huge, large = scores.copy(), scores.copy()
    huge[2000:2500], large[2000:2500] = 1e9, 1e2
    after = slice(2500, None)
    expected = lines_of(LEARNERS[name](), large)[after]
    np.testing.assert_array_equal(lines_of(LEARNERS[name](), huge)[after], expected)
    assert (expected < 2.0 * lines_of(LEARNERS[name](), scores)[after]).all()


@pytest.mark.parametrize("name", ["spot", "dspot"])
def test_a_run_of_alarms_stays_over_the_line_to_its_end(name):
    scores = np.random.default_rng(1).exponential(size=3000)
    scores[2000:] = 50.0
    assert (scores[2000:] >= lines_of(LEARNERS[name](), scores)[2000:]).all()


def test_a_long_anomaly_lifts_the_quantile_by_few_buckets():
    scores = np.random.default_rng(1).exponential(size=20_000)
    scores[15_000:15_500] = 1e9
    lines = lines_of(Quantile(q=0.99, factor=2.0), scores)
    assert (lines[15_000:15_500] < 1e9).all()
    assert lines[15_500] < 1.5 * lines[14_999]


def test_dspot_follows_a_fall_that_leaves_spot_behind():
    fall = 50.0 - 1e-3 * np.arange(50_000)
    scores = fall + np.random.default_rng(2).exponential(size=50_000)
    assert 5.0 < lines_of(Dspot(risk=1e-3), scores)[-1] - fall[-1] < 10.0
    assert lines_of(Spot(risk=1e-3), scores)[-1] - fall[-1] > 50.0


@pytest.mark.parametrize("name", LEARNERS)
def test_there_is_no_line_before_the_first_scores_are_in(name):
    scores = np.random.default_rng(0).random(300)
    lines = lines_of(LEARNERS[name](), scores)
    first = {"quantile": 30, "spot": 100, "dspot": 110}[name]
    assert np.isnan(lines[:first]).all()
    assert np.isfinite(lines[first:]).all()


@pytest.mark.parametrize("name", LEARNERS)
def test_a_missing_score_keeps_the_line(name):
    scores = np.random.default_rng(0).random(300)
    scores[200:210] = np.nan
    lines = lines_of(LEARNERS[name](), scores)
    assert len(set(lines[200:211])) == 1


@pytest.mark.parametrize("name", LEARNERS)
def test_an_infinite_score_is_an_alarm_and_not_learned(name):
    scores = np.random.default_rng(0).random(300)
    pierced = np.insert(scores, 250, np.inf)
    lines = lines_of(LEARNERS[name](), pierced)
    assert np.inf >= lines[250]
    np.testing.assert_array_equal(
        np.delete(lines, 250)[:250], lines_of(LEARNERS[name](), scores)[:250]
    )
    assert np.isfinite(lines[100 + 10 :]).all()


@pytest.mark.parametrize("name", LEARNERS)
def test_state_of_other_parameters_is_refused(name):
    other = {"quantile": Spot(), "spot": Spot(), "dspot": Dspot()}[name]
    with pytest.raises(StateError):
        LEARNERS[name]().restore(other.snapshot())


@pytest.mark.parametrize("name", LEARNERS)
def test_a_slot_that_was_never_admitted_is_refused(name):
    with pytest.raises(NotFittedError, match="slot 2 was never admitted"):
        LEARNERS[name]().step(np.array([2], np.int32), np.zeros(1))


@pytest.mark.parametrize("name", LEARNERS)
def test_every_row_needs_a_score(name):
    with pytest.raises(ShapeError, match="one score a slot"):
        LEARNERS[name]().step(np.zeros(2, np.int32), np.zeros(3))
