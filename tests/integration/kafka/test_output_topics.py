"""Output topics that are not there: an error at the start, an outage later; never silence."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from reference.kafka_records import read_topic
from reference.kafka_rows import wait_until
from reference.live_plant import Plant, live_config
from reference.live_process import LiveProcess
from streamad_connectors.kafka.dead_letter_topic import DeadLetterTopic
from streamad_connectors.kafka.kafka_sink import KafkaSink
from streamad_connectors.kafka.transactional_sink import KafkaTransactionalSink

from streamad.core.errors import Backpressure, Refused
from streamad.testing.sinks import example_output

ALERT = replace(example_output(1)[1][0], id="alt_0123456789abcdef", event="open", end_ns=None)
LIMIT_S = 15.0


def made(kind, broker, topic, folder):
    options = {"brokers": [broker.bootstrap], "topic": topic, "timeout": "2s"}
    if kind is not DeadLetterTopic:
        options["dead_letter"] = str(folder / "refused.jsonl")
    return kind(**options)


@pytest.mark.parametrize("kind", [KafkaSink, DeadLetterTopic, KafkaTransactionalSink])
def test_a_topic_that_is_not_there_is_said_when_it_is_opened(broker, tmp_path, kind):
    sink = made(kind, broker, "nowhere", tmp_path)
    began = time.monotonic()
    with pytest.raises(Refused, match="there is no topic 'nowhere' to write to: create it"):
        sink.open("rows/0", None)
    assert time.monotonic() - began < 5
    assert "nowhere" not in broker.admin.list_topics()
    sink.close()


@pytest.mark.parametrize("kind", [KafkaSink, DeadLetterTopic, KafkaTransactionalSink])
def test_a_broker_that_is_away_is_an_outage_and_no_error(broker, tmp_path, kind):
    sink = made(kind, broker, broker.create_topic("alerts"), tmp_path)
    broker.stop(9)
    began = time.monotonic()
    for number in range(8):
        sink.open(f"rows/{number}", None)
    assert time.monotonic() - began < 6, "the loop stands still for every partition"
    sink.close()


@pytest.mark.parametrize("kind", ["kafka", "kafka_transactional"])
def test_a_run_into_a_topic_that_is_not_there_ends_with_four(broker, tmp_path, kind):
    rows = broker.create_topic("rows", 2)
    config = live_config(tmp_path, broker, rows, sinks=[kind], alerts_topic="nowhere")
    began = time.monotonic()
    with LiveProcess(config) as process:
        assert process.wait() == 4, process.tail()
        assert "there is no topic 'nowhere' to write to: create it" in process.tail()
    assert time.monotonic() - began < LIMIT_S


def test_a_run_whose_dead_letters_have_no_topic_ends_with_four(broker, tmp_path):
    letters = {"type": "kafka", "brokers": [broker.bootstrap], "topic": "nowhere"}
    rows = broker.create_topic("rows", 2)
    config = live_config(tmp_path, broker, rows, source__dead_letter=letters)
    with LiveProcess(config) as process:
        assert process.wait() == 4, process.tail()
        assert "there is no topic 'nowhere' to write to: create it" in process.tail()


def test_a_topic_that_is_deleted_while_it_is_written_is_an_outage_that_says_why(broker, tmp_path):
    topic = broker.create_topic("alerts")
    sink = made(KafkaSink, broker, topic, tmp_path)
    sink.open("rows/0", None)
    sink.write("rows/0", [], [ALERT])
    sink.flush("rows/0", 1)
    broker.admin.delete_topics([topic])
    wait_until(lambda: topic not in broker.admin.list_topics(), "it is gone")
    sink.write("rows/0", [], [replace(ALERT, seq=2)])

    def says_why():
        with pytest.raises(Backpressure) as refused:
            sink.flush("rows/0", 2)
        return f"there is no topic '{topic}' to write to: create it" in str(refused.value)

    wait_until(says_why, "it says why")
    broker.recreate_topic(topic, delete=False)
    wait_until(lambda: not sink.counts["waiting"], "it goes on")
    assert [json.loads(record.value)["seq"] for record in read_topic(broker, topic, 1)] == [2]
    sink.close()


def test_a_run_whose_topic_is_deleted_says_why_and_goes_on_when_it_is_back(broker, tmp_path):
    """The transactional sink: nothing but its commit can fail."""
    plant, rows = Plant(n_steps=400), broker.create_topic("rows", 8)
    alerts = broker.create_topic("alerts")
    config = live_config(tmp_path, broker, rows, sinks=["kafka_transactional"], alerts_topic=alerts)
    plant.fill(broker, rows, 0, 200)
    with LiveProcess(config) as process:
        process.until(lambda: read_topic(broker, alerts, 1), "alerts come")
        broker.admin.delete_topics([alerts])
        wait_until(lambda: alerts not in broker.admin.list_topics(), "it is gone")
        plant.fill(broker, rows, 200, 400)
        process.until(
            lambda: f"there is no topic '{alerts}' to write to: create it" in process.tail(),
            "it says why",
        )
        broker.recreate_topic(alerts, delete=False)
        process.until(lambda: read_topic(broker, alerts, 1), "alerts come again")
        process.stop()
