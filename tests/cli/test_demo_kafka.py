"""`streamad demo --kafka`: a broker of its own or a named one, and a consumer that is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamad.cli import embedded_broker
from streamad.cli.embedded_broker import TansuBroker
from streamad.core.errors import ConnectorError, MissingExtraError

STREAMAD = Path(sys.executable).with_name("streamad")


def demo(*arguments, cwd):
    return subprocess.run(
        [str(STREAMAD), "demo", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ},
    )


@pytest.mark.slow
def test_on_a_broker_of_its_own_a_killed_consumer_loses_and_doubles_nothing(tmp_path):
    done = demo("--kafka", "--kill", "--kills", "1", "--speed", "600", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "kill 1 of 1 (SIGKILL)" in done.stdout
    assert "The consumer was killed 1 time." in done.stdout
    assert "0 lost, 0 duplicated, 0 changed, 0 that should not be." in done.stdout
    assert "4 of 4 known incidents found" in done.stdout
    lines = (tmp_path / "demo-out/kafka/alerts.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert len({(event["id"], event["seq"]) for event in events}) == len(events) > 100
    assert {event["series"] for event in events} == {f"pipe-{n}" for n in range(1, 17)}


@pytest.mark.any_broker
@pytest.mark.slow
@pytest.mark.kafka
def test_no_topic_stays_on_a_named_broker(shared, tmp_path):
    before = set(shared.admin.list_topics())
    done = demo("--kafka", shared.bootstrap, "--speed", "600", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Nothing was killed." in done.stdout
    assert "0 lost, 0 duplicated" in done.stdout
    assert set(shared.admin.list_topics()) - {"__consumer_offsets"} <= before


def test_a_kill_without_kafka_is_a_mistake(tmp_path):
    done = demo("--kill", cwd=tmp_path)
    assert done.returncode == 2
    assert "goes with --kafka only" in done.stderr


def test_a_broker_that_is_not_there_is_said(tmp_path):
    done = demo("--kafka", "127.0.0.1:1", cwd=tmp_path)
    assert done.returncode == 4
    assert "127.0.0.1:1" in done.stderr


def test_another_program_than_the_known_one_is_not_run(tmp_path, monkeypatch):
    program = tmp_path / "tansu"
    program.write_text("#!/bin/sh\ntouch was-run\n")
    monkeypatch.setattr(embedded_broker, "_program", lambda: program)
    broker = TansuBroker()
    with pytest.raises(ConnectorError, match="SHA-256"):
        broker.start()
    assert broker.process is None


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.delenv(embedded_broker.BINARY, raising=False)
    monkeypatch.setattr(embedded_broker, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"streamad-engine\[broker\]"):
        TansuBroker().start()
