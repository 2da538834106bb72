"""Windowing, pending and ordering keep the promises."""

from __future__ import annotations

import pytest

from streamad.core.data import WindowSpec
from streamad.testing.conformance import (
    OrderingConformance,
    PendingConformance,
    WindowingConformance,
)
from streamad.testing.streams import SECOND_NS
from streamad.windowing.event_time import EventTime
from streamad.windowing.pending import FixedLag
from streamad.windowing.sliding import Sliding

SPECS = [
    WindowSpec(),
    WindowSpec(length=5),
    WindowSpec(length=8, hop=3),
    WindowSpec(length=2, hop=7),
    WindowSpec(length=1, scaling="robust"),
    WindowSpec(length=6, hop=2, scaling="robust"),
    WindowSpec(length=6, scaling="ew"),
]


class TestSliding(WindowingConformance):
    effort = 0.5

    @pytest.fixture(autouse=True, params=SPECS, ids=str)
    def _choose(self, request):
        self.spec = request.param

    def make(self):
        return Sliding(self.spec)


class TestFixedLag(PendingConformance):
    @pytest.fixture(autouse=True, params=[1, 2, 7])
    def _choose(self, request):
        self.depth = request.param

    def make(self):
        return FixedLag(self.depth)


OPTIONS = {
    "plain": {},
    "period": {"period_ns": SECOND_NS, "fill": "nan", "max_gap_ns": 5 * SECOND_NS},
    "hold": {"period_ns": SECOND_NS, "fill": "hold", "lateness_ns": 4 * SECOND_NS},
    "lateness": {"lateness_ns": 6 * SECOND_NS},
    "duplicates": {"lateness_ns": 20 * SECOND_NS, "duplicates": "keep"},
    "ttl": {"ttl_ns": 3 * SECOND_NS},
}


class TestEventTime(OrderingConformance):
    @pytest.fixture(autouse=True, params=OPTIONS)
    def _choose(self, request):
        self.options = OPTIONS[request.param]

    def make(self, channels):
        ordering = EventTime(**self.options)
        ordering.open(channels)
        return ordering


class TestCrowdedEventTime(OrderingConformance):
    """Fewer keys than series: company decides who has to leave, so that check does not apply."""

    test_company_changes_nothing = None
    max_series = 4

    def make(self, channels):
        ordering = EventTime(max_keys=2, lateness_ns=3 * SECOND_NS, max_held_rows=5)
        ordering.open(channels)
        return ordering
