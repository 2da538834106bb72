"""A real broker for the tests that trouble a consumer."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    from reference.kafka_fixtures import shared_broker

    return shared_broker(tmp_path_factory.mktemp("kafka"))


@pytest.fixture
def broker(shared):
    """The broker of the session; it runs again after tests that end or freeze it."""
    yield shared
    shared.recover()
