"""Hypothesis profiles by HYPOTHESIS_PROFILE; tests on a broker by STREAMAD_REQUIRE_KAFKA."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("dev", max_examples=30, deadline=None, suppress_health_check=_SLOW)
settings.register_profile(
    "ci", max_examples=200, deadline=None, derandomize=True, suppress_health_check=_SLOW
)
settings.register_profile(
    "nightly",
    max_examples=2000,
    stateful_step_count=100,
    deadline=None,
    suppress_health_check=_SLOW,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_collection_modifyitems(items):
    """Tests that start brokers run in `make test-kafka`: they want the machine for themselves."""
    if not os.environ.get("STREAMAD_REQUIRE_KAFKA"):
        skip = pytest.mark.skip(reason="starts an Apache Kafka broker: run `make test-kafka`")
        for item in items:
            if item.get_closest_marker("kafka") or "integration" in item.path.parts:
                item.add_marker(skip)
