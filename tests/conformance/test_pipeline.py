"""The whole pipeline keeps the promises, whichever output drives it."""

from __future__ import annotations

import pytest
from reference.two_views import TwoViews

from streamad.alerting import EpisodeMachine, EpisodeRules
from streamad.detectors.registry import make_detector
from streamad.pipeline import Pipeline, Stage
from streamad.testing.conformance import PipelineConformance
from streamad.testing.streams import SECOND_NS
from streamad.thresholds import make_threshold
from streamad.windowing.event_time import EventTime
from streamad.windowing.pending import FixedLag
from streamad.windowing.sliding import Sliding

RULES = EpisodeRules(close_rows=2, merge_gap_ns=3 * SECOND_NS, cool_down_ns=9 * SECOND_NS)
DETECTORS = {
    "ewma": ("ewma", {"warm_up": 20}),
    "knn": ("knn", {"length": 8, "warm_up": 40}),
    "cloud": ("mahalanobis", {"warm_up": 40}),
    "fused": ("two_views", {}),
}
ORDERINGS = {
    "plain": {},
    "late": {"lateness_ns": 6 * SECOND_NS},
    "grid": {"period_ns": SECOND_NS, "fill": "hold"},
}


def make_stage(name: str, output: str) -> Stage:
    kind, params = DETECTORS[name]
    detector = TwoViews() if kind == "two_views" else make_detector(kind, params)
    return Stage(
        name,
        detector,
        Sliding(detector.window),
        FixedLag(detector.lag + 1),
        make_threshold("quantile", {"q": 0.97}),
        EpisodeMachine(RULES, pipeline="plant", detector=name, detector_type=kind, labels={}),
        output,
    )


class TestPipeline(PipelineConformance):
    max_rows = 400
    settled_rows = 600
    effort = 0.25

    @pytest.fixture(autouse=True, params=["causal", "final"])
    def _output(self, request):
        self.output = request.param

    @pytest.fixture(autouse=True, params=ORDERINGS)
    def _ordering(self, request):
        self.ordering = ORDERINGS[request.param]

    def make(self, channels):
        stages = [make_stage(name, self.output) for name in DETECTORS]
        pipeline = Pipeline("plant", EventTime(**self.ordering), stages)
        pipeline.open(channels)
        return pipeline
