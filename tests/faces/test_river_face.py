"""River's own checks, for every installed detector, and what its users rely on."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from reference.small_detectors import SMALL, skip_without_its_extra
from river import checks, datasets

import streamad
from streamad.core.errors import ConfigError
from streamad.detectors.registry import detector_names
from streamad.faces import RiverFace

FEATURES = ["V1", "V2", "V3", "V4", "V5", "Amount"]


class Transactions:
    """Stands in for river's CreditCard, which it downloads: noise of six features, and outliers."""

    def take(self, n):
        rng = np.random.default_rng(5)
        rows, outliers = rng.normal(size=(n, 6)), np.arange(n) % 97 == 90
        rows[outliers] += 6.0
        for row, outlier in zip(rows.tolist(), outliers.tolist(), strict=True):
            yield dict(zip(FEATURES, row, strict=True)), outlier


@pytest.mark.parametrize("check", [c.__name__ for c in checks.yield_checks(RiverFace("ewma"))])
@pytest.mark.parametrize("name", detector_names())
def test_checks_of_river_hold(name, check, monkeypatch):
    skip_without_its_extra(name)
    monkeypatch.setattr(datasets, "CreditCard", Transactions)
    model = RiverFace(name, SMALL.get(name))
    [found] = [one for one in checks.yield_checks(model) if one.__name__ == check]
    found(model.clone())


def test_no_check_of_river_is_skipped():
    assert RiverFace("ewma")._unit_test_skips() == set()


def rows(n, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(n)[:, None]
    return np.sin(t * 0.3 + np.arange(2)) + 0.1 * rng.normal(size=(n, 2))


def prequential(model, dictionaries):
    scores = []
    for x in dictionaries:
        scores.append(model.score_one(x))
        model.learn_one(x)
    return scores


def warm(name="knn"):
    model = RiverFace(name, SMALL[name])
    prequential(model, ({"b": b, "a": a} for a, b in rows(200).tolist()))
    return model


def test_scores_are_those_of_the_array():
    x = rows(200)
    expected = np.nan_to_num(streamad.score(x, "knn", **SMALL["knn"]).causal)
    model = RiverFace("knn", SMALL["knn"])
    found = prequential(model, ({"b": b, "a": a} for a, b in x.tolist()))
    np.testing.assert_array_equal(found, expected)


def test_a_missing_feature_is_a_missing_value():
    x = rows(200)
    x[20:40, 0] = np.nan
    x[60:80] = np.nan
    x[100:110, 1] = np.nan
    given = [{k: v for k, v in zip("ab", row, strict=True) if v == v} for row in x.tolist()]
    given[100:110] = [{"a": a, "b": None} for a in x[100:110, 0].tolist()]
    expected = np.nan_to_num(streamad.score(x, "ewma", **SMALL["ewma"]).causal)
    np.testing.assert_array_equal(prequential(RiverFace("ewma", SMALL["ewma"]), given), expected)


def test_features_that_the_first_row_had_not_are_ignored():
    model = warm()
    row = {"a": 0.3, "b": -0.2}
    assert model.score_one({**row, "c": 1e6}) == model.score_one(row)


def test_named_features_need_not_be_in_the_first_row():
    model = RiverFace("ewma", SMALL["ewma"], features=["a", "b"])
    model.learn_one({"a": 0.0})
    for a, b in rows(50).tolist():
        model.learn_one({"a": a, "b": b})
    assert model.score_one({"a": 0.0, "b": 50.0}) > 10 * model.score_one({"a": 0.0, "b": 0.0})


def test_a_row_that_is_not_judged_scores_zero():
    assert RiverFace("ewma").score_one({"a": 1.0}) == 0.0
    assert warm("ewma").score_one({}) == 0.0


def test_scoring_changes_nothing():
    model = warm()
    before = pickle.dumps(model)
    model.score_one({"a": 9.0, "b": 9.0})
    assert pickle.dumps(model) == before


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_twin_goes_on_as_if_it_were_the_original(twin):
    model = warm()
    other = twin(model)
    ahead = [{"a": a, "b": b} for a, b in rows(60, seed=1).tolist()]
    assert prequential(other, ahead) == prequential(model, ahead)


def test_a_clone_has_learned_nothing():
    clone = warm().clone({"params": {"length": 12}})
    assert (clone.params, clone.score_one({"a": 9.0, "b": 9.0})) == ({"length": 12}, 0.0)


def test_what_is_wrong_is_said_at_once():
    with pytest.raises(ConfigError, match="did you mean 'knn'"):
        RiverFace("kn")
    with pytest.raises(ConfigError, match="no parameter 'lenght'"):
        RiverFace("knn", {"lenght": 5})
