"""One broker a test process, started when the first test asks for the fixture ``shared``."""

from __future__ import annotations

import atexit
import signal
from functools import cache
from pathlib import Path

import pytest
from reference.broker import Broker
from reference.kafka_broker import RealKafka
from reference.kafka_jars import NoKafkaError, kafka_libs, lacking_kafka
from reference.tansu_broker import TansuBroker


def shared_broker(folder: Path) -> Broker:
    """The broker of this process, running whatever the test before did to it.

    Apache Kafka; where that cannot run, and may be missing, a stand-in.
    """
    _folders.append(folder)
    broker = _broker()
    broker.recover()
    return broker


def require_kafka() -> None:
    """Fail if Apache Kafka cannot be had."""
    try:
        kafka_libs()
    except NoKafkaError as error:
        pytest.fail(f"no Kafka broker: {error}", pytrace=False)


_folders: list[Path] = []


@cache
def _broker() -> Broker:
    if lacking_kafka():
        broker: Broker = TansuBroker()
    else:
        require_kafka()
        broker = RealKafka(_folders[0])
    atexit.register(broker.stop, signal.SIGKILL)
    return broker.start()
