"""River detectors as detectors of streamad."""

from __future__ import annotations

import json

import numpy as np
import pytest
from reference.judging import judge, opened, two_pumps, water_flow, windows_of
from river import anomaly, preprocessing

from streamad.core.errors import ConfigError, StateError
from streamad.detectors.river_adapter import RiverDetector, river_names
from streamad.testing.conformance import DetectorConformance

SMALL = {
    "GaussianScorer": {"grace_period": 20},
    "HalfSpaceTrees": {"n_trees": 2, "height": 3, "window_size": 20},
    "LODA": {"n_bins": 4, "n_random_cuts": 3},
    "LocalOutlierFactor": {"n_neighbors": 3},
    "OneClassSVM": {},
    "PredictiveAnomalyDetection": {"warmup_period": 20},
    "StandardAbsoluteDeviation": {},
}


def test_every_anomaly_detector_of_river_is_covered_here():
    assert river_names() == sorted(SMALL)


class TestRiver(DetectorConformance):
    effort = 0.3
    max_rows = 120
    settled_rows = 1100

    @pytest.fixture(autouse=True, params=sorted(SMALL))
    def _choose(self, request):
        self.name = request.param

    def make(self):
        return RiverDetector(self.name, SMALL[self.name])

    def test_memory_is_bounded(self):
        """The number of objects; their text breathes with the digits of the numbers."""

        def n_objects(n_rows):
            detector = opened(self.make(), 2)
            detector.step(windows_of(stream[:n_rows], detector.window.length))
            return len(json.loads(detector.snapshot()["bytes"].tobytes())["nodes"])

        stream = np.random.default_rng(0).normal(size=(3300, 2))
        assert n_objects(3300) <= 1.02 * n_objects(1100)


def test_half_space_trees_score_as_in_a_plain_river_loop():
    values = two_pumps(400)
    params = {"n_trees": 5, "height": 4, "window_size": 50}
    detector = opened(RiverDetector("HalfSpaceTrees", params), 3)
    windows = windows_of(values, 1)
    own = detector._models[0][0]["HalfSpaceTrees"]
    plain = preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(**params, seed=own.seed)
    expected = []
    for row in values.tolist():
        x = dict(zip(detector.channels_, row, strict=True))
        expected.append(plain.score_one(x))
        plain.learn_one(x)
    assert detector.step(windows).causal.tolist() == expected


def test_one_target_detectors_score_as_in_a_plain_river_loop():
    values = water_flow(400)
    plain = anomaly.GaussianScorer(grace_period=50)
    expected = []
    for (y,) in values.tolist():
        expected.append(plain.score_one({}, y))
        plain.learn_one({}, y)
    causal = judge(RiverDetector("GaussianScorer", {"grace_period": 50}), values).causal
    assert causal.tolist() == expected


def test_one_target_detectors_say_which_channel_scored():
    values = np.random.default_rng(0).normal(size=(200, 3))
    values[150, 1] = 30.0
    scores = judge(RiverDetector("StandardAbsoluteDeviation"), values)
    assert np.argmax(scores.causal[10:]) == 140
    assert scores.shares[150].argmax() == 1


def test_the_seed_depends_on_the_name_of_the_series():
    detector = opened(RiverDetector("HalfSpaceTrees", {"seed": 1}), 1, names=("a", "b"))
    a, b = (detector._models[code][0]["HalfSpaceTrees"].seed for code in (0, 1))
    again = opened(RiverDetector("HalfSpaceTrees", {"seed": 1}), 1, names=("b",))
    assert a != b == again._models[0][0]["HalfSpaceTrees"].seed


def test_rows_with_a_missing_channel_are_neither_judged_nor_learned():
    values = two_pumps(300)
    holes = values.copy()
    holes[100:110, 1] = np.nan
    detector = RiverDetector("HalfSpaceTrees", SMALL["HalfSpaceTrees"])
    causal = judge(detector, holes).causal
    whole = judge(detector.clone(), np.delete(values, np.arange(100, 110), axis=0)).causal
    assert np.all(np.isnan(causal[100:110]))
    np.testing.assert_array_equal(np.delete(causal, np.arange(100, 110)), whole)


def test_a_detector_whose_state_needs_pickle_is_refused_at_open():
    model = anomaly.PredictiveAnomalyDetection(predictive_model=None).predictive_model
    model.foreign = lambda: 1
    detector = RiverDetector("PredictiveAnomalyDetection", {"predictive_model": model})
    with pytest.raises(StateError, match="cannot be saved without pickle"):
        detector.open(["a"])


def test_a_snapshot_without_its_arrays_is_refused():
    with pytest.raises(StateError, match="lacks bytes"):
        opened(RiverDetector("GaussianScorer"), 1).restore({"codes": np.zeros(1, np.int32)})


def test_an_unknown_preparation_is_refused():
    with pytest.raises(ConfigError, match="auto, none, minmax or standard"):
        RiverDetector("HalfSpaceTrees", prepare="log")
