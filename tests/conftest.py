"""Hypothesis profiles by HYPOTHESIS_PROFILE; what is done where Apache Kafka cannot run."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from reference.kafka_jars import lacking_kafka

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


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """A broker that runs when the first test asks for it."""
    from reference.kafka_fixtures import shared_broker

    return shared_broker(tmp_path_factory.mktemp("kafka"))


@pytest.fixture
def broker(shared):
    """The broker of the session; it runs again after tests that end or freeze it."""
    yield shared
    shared.recover()


def pytest_collection_modifyitems(items):
    """Without Apache Kafka, a stand-in broker serves the tests that say that any broker will do."""
    marked = [item for item in items if item.get_closest_marker("kafka")]
    lacking = marked and lacking_kafka()
    for item in marked if lacking else ():
        if not item.get_closest_marker("any_broker"):
            item.add_marker(pytest.mark.skip(reason=f"NOT RUN, NO APACHE KAFKA: {lacking}"))


def pytest_terminal_summary(terminalreporter):
    """One loud line on what was not run for want of Apache Kafka."""
    reports = terminalreporter.stats.get("skipped", [])
    lost = [report for report in reports if "NO APACHE KAFKA" in str(report.longrepr)]
    if lost:
        terminalreporter.section("NO APACHE KAFKA", sep="!", red=True, bold=True)
        terminalreporter.line(
            f"{len(lost)} tests were NOT RUN; those of groups, commits and crashes had a stand-in "
            f"broker, which has no disk, no security and no read_committed: {lacking_kafka()}",
            red=True,
        )
