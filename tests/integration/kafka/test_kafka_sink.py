from __future__ import annotations

import json
import signal
import subprocess
import time
from dataclasses import replace

import jsonschema
import pytest
from cloudevents.v1.http import from_json
from cloudevents.v1.kafka import KafkaMessage, from_binary
from reference.kafka_records import read_topic
from reference.kafka_rows import FORMAT
from reference.live_process import STREAMAD
from streamad_connectors.kafka.kafka_sink import KafkaSink

from streamad.core.errors import Backpressure, ConnectorError
from streamad.core.event import alert_document, alert_schema
from streamad.testing.sinks import example_output

pytestmark = pytest.mark.kafka

ALERT = replace(example_output(1)[1][0], id="alt_0123456789abcdef", event="open", end_ns=None)


def numbered(n, **changes):
    return [replace(ALERT, id=f"alt_{i:016x}", **changes) for i in range(n)]


@pytest.fixture
def make(maker, tmp_path):
    return maker(KafkaSink, "p", dead_letter=str(tmp_path / "dead.jsonl"))


def settled(sink, seconds=30.0):
    deadline = time.monotonic() + seconds
    while sink.counts["waiting"]:
        sink.write("p", [], [])
        assert time.monotonic() < deadline, sink.counts
        time.sleep(0.02)


def ids(records):
    return [record.key.decode() for record in records]


def test_an_event_is_a_record_keyed_by_the_id(broker, make):
    topic = broker.create_topic("alerts")
    sink = make(topic)
    sink.write("p", [], [ALERT])
    assert sink.flush("p", 1) == {}
    (record,) = read_topic(broker, topic, 1)
    assert record.key.decode() == ALERT.id
    assert json.loads(record.value) == alert_document(ALERT)
    assert list(record.headers) == [("content-type", b"application/json")]
    jsonschema.validate(json.loads(record.value), alert_schema())


def test_events_of_an_alert_stay_in_order(broker, make):
    topic = broker.create_topic("alerts", 3)
    sink = make(topic)
    events = [replace(alert, seq=seq) for seq in (1, 2, 3) for alert in numbered(50)]
    for start in range(0, 150, 7):
        sink.write("p", [], events[start : start + 7])
    sink.flush("p", 1)
    seqs = {}
    for record in read_topic(broker, topic, 150):
        seqs.setdefault(record.key, []).append(json.loads(record.value)["seq"])
    assert list(seqs.values()) == [[1, 2, 3]] * 50


def test_structured_cloudevents_are_read_by_their_own_library(broker, make):
    topic = broker.create_topic("alerts")
    sink = make(topic, format="cloudevents")
    sink.write("p", [], [ALERT])
    sink.flush("p", 1)
    (record,) = read_topic(broker, topic, 1)
    event = from_json(record.value)
    assert event.data == alert_document(ALERT)
    assert event["id"] == f"{ALERT.id}:{ALERT.seq}"
    assert event["source"] == "/streamad/plant"
    assert event["type"] == "io.streamad.alert.open.v1"
    assert event["subject"] == ALERT.series
    assert dict(record.headers)["content-type"].startswith(b"application/cloudevents+json")


def test_binary_cloudevents_are_read_by_their_own_library(broker, make):
    topic = broker.create_topic("alerts")
    sink = make(topic, format="cloudevents-binary")
    sink.write("p", [], [ALERT])
    sink.flush("p", 1)
    (record,) = read_topic(broker, topic, 1)
    event = from_binary(KafkaMessage(dict(record.headers), record.key, record.value))
    assert event.data == alert_document(ALERT)
    assert event["id"] == f"{ALERT.id}:{ALERT.seq}"
    assert event["subject"] == ALERT.series


@pytest.mark.parametrize("position", [0, 7, 19])
def test_a_record_that_the_broker_rejects_is_put_aside_and_all_others_arrive(
    broker, make, tmp_path, position
):
    topic = broker.create_topic("alerts", max_message_bytes="20000")
    alerts = numbered(20)
    alerts[position] = replace(alerts[position], summary="x" * 30_000)
    sink = make(topic)
    sink.write("p", [], alerts)
    sink.flush("p", 1)
    settled(sink)
    sink.write("p", [], numbered(21)[20:])
    sink.flush("p", 2)
    settled(sink)
    good = [a.id for i, a in enumerate(numbered(21)) if i != position]
    assert sorted(set(ids(read_topic(broker, topic)))) == good
    (line,) = [json.loads(line) for line in (tmp_path / "dead.jsonl").read_text().splitlines()]
    assert line["alert"]["id"] == alerts[position].id
    assert "does not take the record" in line["detail"]
    assert sink.counts == {"delivered": 20, "dead_lettered": 1, "waiting": 0}


def test_a_record_over_the_limit_of_the_client_is_put_aside(broker, make):
    topic = broker.create_topic("alerts")
    sink = make(topic)
    sink.write("p", [], [replace(ALERT, summary="x" * 2_000_000), *numbered(3)])
    settled(sink)
    assert sink.counts == {"delivered": 3, "dead_lettered": 1, "waiting": 0}
    assert len(read_topic(broker, topic, 3)) == 3


def test_a_broker_that_dies_and_comes_back_loses_nothing(broker, make):
    topic = broker.create_topic("alerts", 2)
    sink = make(topic)
    alerts = numbered(40)
    sink.write("p", [], alerts[:10])
    sink.flush("p", 1)
    broker.stop(signal.SIGKILL)
    for start in range(10, 40, 10):
        sink.write("p", [], alerts[start : start + 10])
        sink.flush("p", start)
    assert sink.counts["waiting"] > 0
    broker.start()
    settled(sink)
    found = read_topic(broker, topic)
    assert sorted(set(ids(found))) == [a.id for a in alerts]


def test_what_a_process_left_in_the_spool_is_sent_by_the_next_one(broker, make):
    topic = broker.create_topic("alerts")
    broker.stop(signal.SIGKILL)
    sink = make(topic)
    sink.write("p", [], numbered(5))
    sink.flush("p", 1)
    sink.close()
    broker.start()
    settled(make(topic))
    assert sorted(set(ids(read_topic(broker, topic, 5)))) == [a.id for a in numbered(5)]


def test_a_frozen_broker_holds_a_flush_up_for_a_few_seconds_only(broker, make):
    topic = broker.create_topic("alerts")
    sink = make(topic)
    sink.write("p", [], numbered(1))
    sink.flush("p", 1)
    broker.freeze()
    started = time.monotonic()
    for i in range(5):
        sink.write("p", [], numbered(7)[i + 1 : i + 2])
        sink.flush("p", i)
    assert time.monotonic() - started < 15
    broker.thaw()
    settled(sink)
    assert sorted(set(ids(read_topic(broker, topic)))) == [a.id for a in numbered(6)]


def test_without_a_spool_a_flush_waits_for_the_broker(broker, make):
    topic = broker.create_topic("alerts")
    broker.stop(signal.SIGKILL)
    sink = make(topic, spool=None)
    sink.write("p", [], [ALERT])
    with pytest.raises(Backpressure, match=f"1 alerts wait for the topic {topic}"):
        sink.flush("p", 1)
    broker.start()
    settled(sink)
    assert sink.flush("p", 1) == {}


def test_a_topic_that_went_away_holds_the_alerts(broker, make):
    topic = broker.create_topic("short-lived")
    sink = make(topic, spool=None, timeout="1s")
    broker.admin.delete_topics([topic])
    sink.write("p", [], [ALERT])
    with pytest.raises(Backpressure, match=topic):
        sink.flush("p", 1)
    assert sink.counts["waiting"] == 1


def test_a_broker_that_refuses_us_is_said_at_once(make):
    with pytest.raises(ConnectorError, match=r"closed the connection|speaks no TLS"):
        make("alerts", security={"protocol": "SSL"}, spool=None, timeout="3s")


def test_a_topic_that_is_not_there_is_said_at_once(maker, tmp_path):
    began = time.monotonic()
    with pytest.raises(ConnectorError, match="there is no topic 'nowhere' to write to: create it"):
        maker(KafkaSink, "p", dead_letter=str(tmp_path / "dead.jsonl"))("nowhere")
    assert time.monotonic() - began < 5


def validated(folder, tree):
    config = folder / "plant.yaml"
    config.write_text(json.dumps(tree))
    return subprocess.run(
        [*STREAMAD, "validate", str(config)], capture_output=True, text=True, check=False
    )


def test_validate_looks_for_the_topics_that_are_written_to(broker, tmp_path):
    to_kafka = {"type": "kafka", "brokers": [broker.bootstrap]}
    bad = str(tmp_path / "bad.jsonl")
    tree = {
        "version": 1,
        "pipeline": "plant",
        "source": {
            **to_kafka,
            "topics": [broker.create_topic("rows")],
            "group": "plant",
            "format": FORMAT,
            "dead_letter": {**to_kafka, "topic": "no-letters"},
        },
        "detectors": [{"type": "ewma"}],
        "sinks": [
            {**to_kafka, "topic": broker.create_topic("alerts"), "dead_letter": bad},
            {**to_kafka, "topic": "no-alerts", "dead_letter": bad},
        ],
    }
    done = validated(tmp_path, tree)
    assert done.returncode == 4
    assert "sinks.0            ok" in done.stdout
    assert "sinks.1            there is no topic 'no-alerts' to write to" in done.stdout
    assert "source.dead_letter there is no topic 'no-letters' to write to" in done.stdout


def test_validate_looks_for_the_topics_that_are_read(broker, tmp_path):
    tree = {
        "version": 1,
        "pipeline": "plant",
        "source": {
            "type": "kafka",
            "brokers": [broker.bootstrap],
            "topics": ["no-rows"],
            "group": "plant",
            "format": FORMAT,
        },
        "detectors": [{"type": "ewma"}],
    }
    done = validated(tmp_path, tree)
    assert done.returncode == 4
    assert "source             there is no topic 'no-rows': check source.topics" in done.stdout
