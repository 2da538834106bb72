"""Every installed detector keeps the promises; the registry names them, so none is forgotten."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from river.neighbors import LazySearch

from streamad.detectors.registry import detector_class, detector_names, make_detector
from streamad.detectors.river_adapter import river_names
from streamad.testing.conformance import DetectorConformance

EWMA = {"warm_up": 8}
KNN = {"length": 8, "points": 4, "memory": 24, "keep": 8, "warm_up": 16, "max_skipped": 8}
MAHALANOBIS = {"warm_up": 12, "horizon": 60, "max_skipped": 8}
SMALL = {
    "ewma": EWMA,
    "knn": KNN,
    "mahalanobis": MAHALANOBIS,
    "fusion": {
        "members": {"ewma": EWMA, "knn": KNN, "mahalanobis": MAHALANOBIS},
        "warm_up": 64,
    },
    "reconstruction": {"length": 32, "hop": 4, "warm_up": 16, "hidden": 4, "steps": 4},
}
"""Short warm-ups and small memories, so that a few hundred rows reach every branch."""

EFFORT = {"fusion": 0.5}


class TestDetector(DetectorConformance):
    @pytest.fixture(autouse=True, params=detector_names())
    def _choose(self, request):
        self.name = request.param
        self.effort = EFFORT.get(self.name, 1.0)
        if detector_class(self.name).info.extra == "deep" and find_spec("torch") is None:
            pytest.skip("torch is not installed")

    def make(self):
        return make_detector(self.name, SMALL.get(self.name))


RIVER_SMALL = {
    "GaussianScorer": {"grace_period": 10},
    "HalfSpaceTrees": {"n_trees": 3, "height": 3, "window_size": 20},
    "LocalOutlierFactor": {"n_neighbors": 3, "engine": LazySearch(window_size=25)},
    "PredictiveAnomalyDetection": {"warmup_period": 10},
    "StandardAbsoluteDeviation": {},
}


class TestRiverDetector(DetectorConformance):
    """River's objects are slow and kept as text: fewer and shorter streams, sizes that vary."""

    effort = 0.2
    max_rows = 120
    settled_rows = 60
    slack = 1.2
    exact_state = False

    @pytest.fixture(autouse=True, params=river_names())
    def _choose(self, request):
        self.name = request.param

    def make(self):
        return make_detector(f"river:{self.name}", RIVER_SMALL.get(self.name))
