"""Every installed detector keeps the promises; the registry names them, so none is forgotten."""

from __future__ import annotations

import pytest
from reference.small_detectors import SMALL, skip_without_its_extra
from reference.two_views import TwoViews
from river.neighbors import LazySearch

from streamad.detectors.registry import detector_names, make_detector
from streamad.detectors.river_adapter import river_names
from streamad.testing.conformance import DetectorConformance

EFFORT = {"fusion": 0.2}
"""Share of the examples of a profile, 0.3 where nothing is said: all of them take half an hour."""

RIVER_EFFORT = {"LODA": 0.06}


class TestDetector(DetectorConformance):
    @pytest.fixture(autouse=True, params=detector_names())
    def _choose(self, request):
        self.name = request.param
        self.effort = EFFORT.get(self.name, 0.3)
        skip_without_its_extra(self.name)

    def make(self):
        return make_detector(self.name, SMALL.get(self.name))


class TestDetectorWithMembers(DetectorConformance):
    effort = 0.5

    def make(self):
        return TwoViews()


RIVER_SMALL = {
    "GaussianScorer": {"grace_period": 10},
    "HalfSpaceTrees": {"n_trees": 3, "height": 3, "window_size": 20},
    "LocalOutlierFactor": {"n_neighbors": 3, "engine": LazySearch(window_size=25)},
    "PredictiveAnomalyDetection": {"warmup_period": 10},
    "StandardAbsoluteDeviation": {},
}


class TestRiverDetector(DetectorConformance):
    """River's objects are slow and kept as text: fewer and shorter streams, sizes that vary."""

    max_rows = 120
    settled_rows = 60
    slack = 1.2
    exact_state = False

    @pytest.fixture(autouse=True, params=river_names())
    def _choose(self, request):
        self.name = request.param
        self.effort = RIVER_EFFORT.get(self.name, 0.2)

    def make(self):
        return make_detector(f"river:{self.name}", RIVER_SMALL.get(self.name))
