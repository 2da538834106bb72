"""The sections of the process that runs on."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import jsonschema
import pytest

from streamad.config import (
    config_from,
    fingerprint,
    load_config,
    lock,
    make_dead_letter,
    make_live_sinks,
)
from streamad.config.schema import json_schema
from streamad.runtime.deadletter import DeadLetterFile

LETTERS = "type: parquet, dead_letter: {type: letters, topic: sensors.dlq}"


@pytest.mark.usefixtures("foreign")
def test_a_dead_letter_is_a_plugin_of_its_own(write, good, tmp_path):
    config = load_config(write(good.replace("type: parquet", LETTERS)))
    assert config.source.dead_letter.options == {"topic": "sensors.dlq", "retries": 3}
    assert "dead_letter" not in config.source.options
    assert make_dead_letter(config, tmp_path).given == ("sensors.dlq", 3)


@pytest.mark.usefixtures("foreign")
def test_its_options_are_checked(write, good, refusal):
    text = good.replace("type: parquet", LETTERS.replace("topic:", "topc:"))
    told = refusal(write(text))
    assert "unknown option 'source.dead_letter.topc'" in told
    assert "did you mean 'topic'?" in told
    assert "unknown dead_letter 'leters'" in refusal(
        write(good.replace("type: parquet", LETTERS.replace("type: letters", "type: leters")))
    )


@pytest.mark.usefixtures("foreign")
def test_its_options_are_in_the_schema(good):
    validator = jsonschema.Draft202012Validator(json_schema())
    source = {"type": "parquet", "path": "x", "dead_letter": {"type": "letters", "topic": "t"}}
    tree = {"version": 1, "pipeline": "p", "source": source}
    assert not list(validator.iter_errors(tree))
    source["dead_letter"]["topc"] = source["dead_letter"].pop("topic")
    assert list(validator.iter_errors(tree))


@pytest.mark.usefixtures("foreign")
def test_a_lock_repeats_it(write, good):
    config = load_config(write(good.replace("type: parquet", LETTERS)))
    assert load_config(write(lock(config), "lock.yaml")) == config


def test_without_one_rejected_rows_go_to_a_file_a_partition(write, good, tmp_path):
    letters = make_dead_letter(load_config(write(good)), tmp_path)
    assert isinstance(letters, DeadLetterFile)


def test_without_sinks_alerts_go_to_standard_output(write, good):
    (sink,) = make_live_sinks(load_config(write(good)))
    assert type(sink).__name__ == "StdoutSink"


def test_how_the_process_runs_does_not_change_the_fingerprint(write, good):
    more = "web: {port: 9000}\nshutdown: {timeout: 5s}\nruntime: {workers: 3, stall_after: 1m}\n"
    one, other = load_config(write(good)), load_config(write(good + more, "other.yaml"))
    assert fingerprint(one) == fingerprint(other)
    assert (other.web.port, other.runtime.workers) == (9000, 3)


def test_files_can_be_followed_and_what_to_do_about_gaps_touches_no_state(write, good):
    followed = good.replace("time: ts", "time: ts, values: [flow], follow: true")
    resumes = load_config(write(followed))
    stops = load_config(write(followed.replace("follow: true", "follow: true, on_gap: stop"), "b"))
    assert resumes.source.options["follow"]
    assert stops.source.options["on_gap"] == "stop"
    assert fingerprint(resumes) == fingerprint(stops)
    assert fingerprint(resumes) != fingerprint(load_config(write(good, "c")))


def test_a_sink_that_keeps_the_name_of_the_pipeline_gets_it(tmp_path):
    path = tmp_path / "alerts.db"
    sink = {"type": "sqlite", "path": str(path)}
    source = {"type": "parquet", "path": "x"}
    (made,) = make_live_sinks(config_from({"pipeline": "plant", "source": source, "sinks": [sink]}))
    made.open("rows/3", None)
    made.flush("rows/3", 7)
    made.close()
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT * FROM progress").fetchall() == [("plant", "rows", 3, 7)]
