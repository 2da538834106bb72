"""The promises of a source, on a topic that is read to its present end."""

from __future__ import annotations

import itertools
import json
from importlib.util import find_spec

import pytest
from reference.kafka_rows import BEGIN_MS
from streamad_connectors.kafka.source import KafkaSource

from streamad.testing.conformance import SourceConformance

pytestmark = pytest.mark.kafka

FORMAT = {
    "type": "json",
    "key": "$.id",
    "time": {"path": "$.t", "unit": "ms"},
    "values": ["$.flow", "$.heat"],
}
_group = itertools.count()


class ToTheEnd(KafkaSource):
    """Ends where the partitions end now."""

    def exhausted(self):
        lags = list(self.lag().values())
        return bool(lags) and all(lag == 0 for lag in lags)


def rows(partition):
    """Several series, missing values, and records that are refused."""
    for n in range(120):
        row = {"id": f"pump-{n % 3}", "t": BEGIN_MS + 500 * n, "flow": n + partition, "heat": -n}
        if n % 7 == 0:
            del row["heat"]
        yield b"not JSON" if n in {31, 32, 90} else json.dumps(row).encode()


@pytest.fixture(scope="module")
def topic(shared):
    name = shared.create_topic("conformance", 2)
    for partition in range(2):
        shared.produce(name, rows(partition), partition=partition)
    return name


class TestKafkaSource(SourceConformance):
    effort = 0.1
    client = "kafka-python"

    @pytest.fixture(autouse=True)
    def _choose(self, broker, topic):
        self.broker, self.topic = broker, topic
        self.made = []
        yield
        for source in self.made:
            source.close()

    def make(self):
        source = ToTheEnd(
            brokers=[self.broker.bootstrap],
            topics=[self.topic],
            group=f"conformance-{next(_group)}",
            format=FORMAT,
            start="earliest",
            client=self.client,
        )
        self.made.append(source)
        return source


@pytest.mark.skipif(find_spec("confluent_kafka") is None, reason="needs confluent-kafka")
class TestKafkaSourceOnConfluent(TestKafkaSource):
    client = "confluent"
