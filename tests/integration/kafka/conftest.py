"""Sources and sinks that are closed when their test ends."""

from __future__ import annotations

import itertools

import pytest

pytest.importorskip("kafka")

from reference.kafka_rows import FORMAT

_group = itertools.count()


@pytest.fixture
def open_source(broker):
    """Opens sources; options beside broker, topic and group as in the configuration."""
    from streamad_connectors.kafka.source import KafkaSource

    made = []
    own_group = f"group-{next(_group)}"

    def make(topic, **options):
        given = {
            "brokers": [broker.bootstrap],
            "topics": [topic] if isinstance(topic, str) else topic,
            "group": own_group,
            "format": FORMAT,
            "start": "earliest",
            "session_timeout": "6s",
            "metadata_age": "1s",
        }
        made.append(KafkaSource(**given | options))
        return made[-1]

    yield make
    broker.recover()
    for source in made:
        source.close()


@pytest.fixture
def maker(tmp_path, broker):
    """Makers of what delivers to the broker; what they made is open, and closed at the end."""
    made = []

    def maker_of(kind, partition, **defaults):
        def make(topic, **options):
            given = {
                "brokers": [broker.bootstrap],
                "topic": topic,
                "spool": str(tmp_path / "spool"),
                "timeout": "2s",
                "longest_wait": "200ms",
            }
            made.append(kind(**given | defaults | options))
            made[-1].open(partition, None)
            return made[-1]

        return make

    yield maker_of
    broker.recover()
    for one in made:
        one.close()
