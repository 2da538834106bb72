"""A process that is sent what it cannot use: nothing is lost, and health says so."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request

import pytest
from kafka import KafkaProducer
from reference.kafka_records import read_topic
from reference.kafka_rows import records
from reference.live_plant import live_config, saved_offsets
from reference.live_process import LiveProcess
from reference.servers import free_port

pytestmark = pytest.mark.kafka

MOST = 1 << 20
LARGE = b'{"id": "pump", "t": 1, "note": "' + b"x" * 5 * MOST + b'"}'
RAW_BYTES = 65_536


class Consumer:
    """A process over one topic, with a page of health."""

    def __init__(self, broker, folder, **changes):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.folder = folder
        self.topic = broker.create_topic("poison", max_message_bytes="10000000")
        self.config = live_config(folder, broker, self.topic, web__port=port, **changes)
        self.n = 0
        self._broker = broker

    def send(self, values):
        """Write records, large ones too."""
        self.n += len(values)
        with KafkaProducer(
            bootstrap_servers=self._broker.bootstrap, max_request_size=10_000_000
        ) as producer:
            for value in values:
                producer.send(self.topic, value, b"pump")

    def has_all(self):
        """Whether everything that was written is in a snapshot."""
        return saved_offsets(self.folder) == {0: self.n}

    def ask(self, path):
        """Status and text of a page."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def refused(self):
        """The dead letters in the file."""
        name = f"rejects-{self.topic}%2F0.jsonl"
        lines = (self.folder / "state" / "plant" / name).read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize("client", ["kafka-python", "confluent"])
def test_too_large_records_are_kept_in_part_and_too_many_trip_readiness(broker, tmp_path, client):
    consumer = Consumer(broker, tmp_path, source__client=client)
    consumer.send([*records(range(3)), LARGE, LARGE, None, LARGE, LARGE])
    with LiveProcess(consumer.config) as process:
        process.until(consumer.has_all, "all is read")
        code, said = consumer.ask("/readyz")
        assert code == 503
        assert "57% of the rows of the last minute were refused, more than 50%" in said
        assert consumer.ask("/healthz")[0] == 200
        metrics = consumer.ask("/metrics")[1]
        for reason, n in (("size", 4.0), ("tombstone", 1.0)):
            line = f'streamad_records_rejected_total{{pipeline="plant",reason="{reason}"}} {n}'
            assert line in metrics
        consumer.send(records(range(3, 20)))
        process.until(consumer.has_all, "the rest is read")
        assert consumer.ask("/readyz")[0] == 200
        process.stop()
    found = consumer.refused()
    assert [(one["offset"], one["reason"]) for one in found] == [
        (3, "size"), (4, "size"), (5, "tombstone"), (6, "size"), (7, "size")
    ]  # fmt: skip
    assert found[0]["detail"] == f"{len(LARGE)} bytes, expected at most {MOST}"
    assert base64.b64decode(found[0]["raw"]) == LARGE[:RAW_BYTES]
    assert found[0]["row"] == {"message_key": "pump"}


def test_too_large_records_fit_into_a_topic_of_dead_letters(broker, tmp_path):
    letters = broker.create_topic("letters")
    wanted = {"type": "kafka", "brokers": [broker.bootstrap], "topic": letters}
    consumer = Consumer(broker, tmp_path, source__dead_letter=wanted)
    consumer.send([LARGE, *records(range(3))])
    with LiveProcess(consumer.config) as process:
        process.until(consumer.has_all, "all is read")
        process.stop()
    (letter,) = read_topic(broker, letters, 1)
    headers = dict(letter.headers)
    assert letter.value == LARGE[:RAW_BYTES]
    assert headers["streamad.error.reason"] == b"size"
    assert headers["streamad.error.message"].startswith(str(len(LARGE)).encode())


def test_the_size_that_is_too_large_is_an_option(broker, tmp_path):
    consumer = Consumer(broker, tmp_path, source__format__max_bytes="8MiB")
    consumer.send([LARGE, *records(range(3))])
    with LiveProcess(consumer.config) as process:
        process.until(consumer.has_all, "all is read")
        process.stop()
    (refused,) = consumer.refused()
    assert refused["reason"] != "size"
    assert refused["detail"].endswith(f"of {len(LARGE)} bytes the first {RAW_BYTES} are kept")
