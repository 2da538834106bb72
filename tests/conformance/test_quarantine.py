"""A pipeline whose detector raises now and then keeps every promise all the same."""

from __future__ import annotations

from reference.touchy import Touchy

from streamad.alerting import EpisodeMachine, EpisodeRules
from streamad.pipeline import Pipeline, Stage
from streamad.testing.conformance import PipelineConformance
from streamad.thresholds import make_threshold
from streamad.windowing.event_time import EventTime
from streamad.windowing.pending import FixedLag
from streamad.windowing.sliding import Sliding


def pipeline(channels, limit, detector="ewma", output="causal", **params):
    made = Touchy(limit, detector, **params)
    stage = Stage(
        "touchy",
        made,
        Sliding(made.window),
        FixedLag(made.lag + 1),
        make_threshold("fixed", {"value": 1.5}),
        EpisodeMachine(
            EpisodeRules(), pipeline="plant", detector="touchy", detector_type="ewma", labels={}
        ),
        output,
    )
    found = Pipeline("plant", EventTime(lateness_ns=3 * 10**9), [stage])
    found.open(channels)
    found.be_careful("touchy")
    return found


class TestTouchyEwma(PipelineConformance):
    def make(self, channels):
        return pipeline(channels, 1.9, warm_up=8)


class TestTouchyKnn(PipelineConformance):
    effort = 0.5

    def make(self, channels):
        return pipeline(
            channels, 2.0, "knn", "final",
            length=8, points=4, memory=24, keep=8, warm_up=16, max_skipped=8,
        )  # fmt: skip
