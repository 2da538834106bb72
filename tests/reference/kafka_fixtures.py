"""One real broker a test process, started when the first test asks for it.

A ``conftest.py`` offers it as::

    @pytest.fixture(scope="session")
    def broker(tmp_path_factory):
        return shared_broker(tmp_path_factory.mktemp("kafka"))
"""

from __future__ import annotations

import atexit
import os
import signal
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest
from reference.kafka_broker import RealKafka
from reference.kafka_jars import NoKafkaError, kafka_libs

REQUIRED = "STREAMAD_REQUIRE_KAFKA"
"""Environment variable: 1 = a test that cannot have its broker fails."""


def shared_broker(folder: Path) -> RealKafka:
    """The broker of this process, running whatever the test before did to it."""
    require_kafka()
    broker = _start(folder)
    broker.recover()
    return broker


def require_kafka() -> None:
    """Skip, or fail where that is asked for, if there can be no broker."""
    try:
        kafka_libs()
    except NoKafkaError as error:
        without(f"NOT RUN, NO KAFKA BROKER: {error}")


def without(reason: str) -> NoReturn:
    """Skip the test, or fail it where ``STREAMAD_REQUIRE_KAFKA`` is 1."""
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{reason} ({REQUIRED} is 1)", pytrace=False)
    pytest.skip(reason)


_folders: list[Path] = []


def _start(folder: Path) -> RealKafka:
    _folders.append(folder)
    return _broker()


@cache
def _broker() -> RealKafka:
    broker = RealKafka(_folders[0])
    atexit.register(broker.stop, signal.SIGKILL)
    return broker.start()
