"""Every threshold and the episode machine keep the promises."""

from __future__ import annotations

import pytest

from streamad.alerting import EpisodeMachine, EpisodeRules, SeverityRule
from streamad.testing.conformance import EpisodesConformance, ThresholdConformance
from streamad.testing.streams import SECOND_NS
from streamad.thresholds import make_threshold, threshold_names

SMALL = {
    "fixed": {"value": 2.0},
    "quantile": {"q": 0.9, "window": 40, "init": 10},
    "spot": {"risk": 0.01, "init": 40, "level": 0.75, "max_excesses": 16},
    "dspot": {"risk": 0.01, "init": 40, "level": 0.75, "max_excesses": 16, "depth": 5},
}
"""Short warm-ups and small memories, so that a few hundred rows reach every branch."""


class TestThreshold(ThresholdConformance):
    @pytest.fixture(autouse=True, params=threshold_names())
    def _choose(self, request):
        self.name = request.param

    def make(self):
        return make_threshold(self.name, SMALL[self.name])


RULES = {
    "plain": EpisodeRules(),
    "slow": EpisodeRules(
        open_rows=2,
        close_ratio=0.5,
        close_rows=3,
        merge_gap_ns=5 * SECOND_NS,
        cool_down_ns=20 * SECOND_NS,
    ),
    "timed": EpisodeRules(
        open_ns=2 * SECOND_NS,
        close_ns=4 * SECOND_NS,
        no_data_after_ns=4 * SECOND_NS,
        update_every_ns=3 * SECOND_NS,
        max_open_ns=15 * SECOND_NS,
        severities=(
            SeverityRule("critical", ratio=1.5, lasting_ns=5 * SECOND_NS),
            SeverityRule("major", lasting_ns=3 * SECOND_NS),
        ),
    ),
}


class TestEpisodeMachine(EpisodesConformance):
    @pytest.fixture(autouse=True, params=RULES)
    def _choose(self, request):
        self.rules = RULES[request.param]

    def make(self):
        return EpisodeMachine(
            self.rules,
            pipeline="plant",
            detector="fast",
            detector_type="ewma",
            labels={"site": "north"},
        )
