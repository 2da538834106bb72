"""A record that ends the process at once, on a real broker: started again, it gets past it."""

from __future__ import annotations

import json

import pytest
from reference.kafka_rows import BEGIN_MS, wait_until
from reference.live_plant import (
    PIPELINE,
    Plant,
    jsonl_events,
    live_config,
    saved_offsets,
    score_rows,
)
from reference.live_process import LiveProcess
from reference.live_runner import RUNNER

pytestmark = pytest.mark.kafka

PLANT = Plant(n_series=6, n_steps=300, partitions=2)
DEADLY = json.dumps({"id": "pump-1", "t": BEGIN_MS + 150_500, "flow": 5000.0}).encode()
DIES = 70


def consumed(broker, folder, *, deadly):
    """What was made of the plant, with the deadly record in its middle; how many processes died."""
    topic = broker.create_topic("deadly", PLANT.partitions)
    n = PLANT.fill(broker, topic, 0, 150)
    if deadly:
        n += broker.produce(topic, [DEADLY], keys=[b"pump-1"], partition=None)
    n += PLANT.fill(broker, topic, 150)
    config = live_config(folder, broker, topic, sinks=("jsonl", "parquet", "sqlite"))
    for died in range(12):
        with LiveProcess(config, program=(*RUNNER, "deadly")) as process:
            wait_until(
                lambda process=process: process.ended or sum(saved_offsets(folder).values()) == n,
                "it dies, or all is consumed",
            )
            if not process.ended:
                process.stop()
                return score_rows(folder), sorted(jsonl_events(folder)), died
            assert process.wait() == DIES, process.tail()
    raise AssertionError(f"it never gets past the record: {process.tail()}")


def test_a_record_that_ends_the_process_is_left_out_and_nothing_else_is(broker, tmp_path):
    scores, events, died = consumed(broker, tmp_path / "tried", deadly=True)
    calm_scores, calm_events, nobody = consumed(broker, tmp_path / "calm", deadly=False)
    assert (nobody, died > 0) == (0, True)
    assert scores == calm_scores
    assert events == calm_events
    assert len(events) > PLANT.n_series
    letters = (tmp_path / "tried" / "state" / PIPELINE).glob("rejects-*.jsonl")
    (line,) = [json.loads(line) for path in letters for line in path.read_text().splitlines()]
    assert line["reason"] == "crash"
    assert line["row"]["series"] == "pump-1"
    assert line["row"]["values"] == {"flow": 5000.0}
