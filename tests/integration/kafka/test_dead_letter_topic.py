from __future__ import annotations

import json
import signal

import pytest
from reference.kafka_records import read_topic
from streamad_connectors.kafka.dead_letter_topic import DeadLetterTopic

from streamad.core.data import Reject
from streamad.core.errors import ConnectorError
from streamad.core.protocols import DeadLetter

pytestmark = pytest.mark.kafka

REJECT = Reject(
    "sensors/3",
    88_012,
    "decode",
    "a JSON object was expected, got b'\\xff'",
    raw=b"\xff\x00not json",
    headers={"trace": "7", "ünit": "°C"},
)


@pytest.fixture
def make(maker):
    return maker(DeadLetterTopic, "sensors/3")


def test_it_has_the_verbs_of_a_dead_letter(broker, make):
    assert isinstance(make(broker.create_topic("verbs")), DeadLetter)


def test_a_row_comes_as_it_was_with_the_reason_in_the_headers(broker, make):
    topic = broker.create_topic("dlq")
    letters = make(topic)
    letters.write("sensors/3", [REJECT])
    assert letters.flush("sensors/3") == {}
    (record,) = read_topic(broker, topic, 1)
    assert record.value == REJECT.raw
    assert record.key == b"sensors-3-88012"
    assert dict(record.headers) == {
        "trace": b"7",
        "ünit": "°C".encode(),
        "streamad.error.reason": b"decode",
        "streamad.error.topic": b"sensors",
        "streamad.error.partition": b"3",
        "streamad.error.offset": b"88012",
        "streamad.error.message": REJECT.detail.encode(),
    }


def test_a_row_without_raw_bytes_comes_as_json(broker, make):
    topic = broker.create_topic("dlq")
    letters = make(topic)
    letters.write("files", [Reject("files", None, "late", "too late", {"time": 1, "flow": 2.5})])
    letters.flush("files")
    (record,) = read_topic(broker, topic, 1)
    assert json.loads(record.value) == {"time": 1, "flow": 2.5}
    assert record.key == b"files-0-"


def test_a_row_that_the_topic_rejects_comes_without_its_value(broker, make):
    topic = broker.create_topic("dlq", max_message_bytes="20000")
    letters = make(topic)
    large = Reject("sensors/3", 2, "size", "too large", raw=bytes(range(256)) * 200)
    letters.write("sensors/3", [REJECT, large])
    letters.flush("sensors/3")
    by_key = {record.key: record for record in read_topic(broker, topic, 2)}
    assert by_key[b"sensors-3-88012"].value == REJECT.raw
    assert by_key[b"sensors-3-2"].value in {None, b""}
    assert dict(by_key[b"sensors-3-2"].headers)["streamad.error.truncated"] == b"true"


def test_a_topic_that_takes_nothing_is_an_error(broker, make):
    topic = broker.create_topic("dlq", max_message_bytes="100")
    letters = make(topic, spool=None)
    letters.write("sensors/3", [REJECT])
    with pytest.raises(ConnectorError, match="not even without its value"):
        letters.flush("sensors/3")


def test_an_outage_loses_nothing(broker, make):
    topic = broker.create_topic("dlq")
    broker.stop(signal.SIGKILL)
    letters = make(topic)
    letters.write("sensors/3", [REJECT])
    letters.flush("sensors/3")
    letters.close()
    broker.start()
    again = make(topic)
    again.flush("sensors/3")
    (record,) = read_topic(broker, topic, 1)
    assert record.value == REJECT.raw


def test_a_dropped_partition_is_silent(broker, make):
    topic = broker.create_topic("dlq")
    broker.stop(signal.SIGKILL)
    letters = make(topic)
    letters.write("sensors/3", [REJECT])
    letters.drop("sensors/3")
    letters.write("sensors/4", [Reject("sensors/4", 1, "late", "")])
    letters.flush("sensors/4")
    broker.start()
    assert [r.key for r in read_topic(broker, topic, 1)] == [b"sensors-4-1"]


def test_a_topic_that_is_not_there_is_said_at_once(make):
    with pytest.raises(ConnectorError, match="there is no topic 'nowhere' to write to: create it"):
        make("nowhere")
