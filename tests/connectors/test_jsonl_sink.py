from __future__ import annotations

import json
import os

import pytest
from streamad_connectors.jsonl_sink import JsonlSink, StdoutSink

from streamad.core.errors import ConfigError, ConnectorError, Disconnected
from streamad.core.event import alert_document
from streamad.testing.conformance import SinkConformance
from streamad.testing.sinks import example_output

ALERTS = example_output(1)[1]


class TestJsonlFile(SinkConformance):
    def make(self, folder):
        return JsonlSink(str(folder / "alerts.jsonl"))


class TestJsonlFilePerPartition(SinkConformance):
    def make(self, folder):
        return JsonlSink(str(folder / "below" / "{partition}.jsonl"))


def documents(text):
    return [json.loads(line) for line in text.splitlines()]


def test_each_event_is_a_line(tmp_path):
    sink = JsonlSink(str(tmp_path / "a.jsonl"))
    sink.open("p", None)
    sink.write("p", [], ALERTS)
    sink.write("p", [], ALERTS)
    position = sink.flush("p", 5)
    sink.close()
    text = (tmp_path / "a.jsonl").read_text()
    assert documents(text) == [alert_document(alert) for alert in ALERTS] * 2
    assert position == {"bytes": len(text.encode())}


def test_a_fresh_start_forgets_an_older_file(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("old\n")
    sink = JsonlSink(str(path))
    sink.open("p", None)
    sink.close()
    assert path.read_text() == ""


def test_the_name_of_the_partition_is_encoded_in_the_path(tmp_path):
    sink = JsonlSink(str(tmp_path / "{partition}.jsonl"))
    for partition in ("sensors/0", "sensors/1"):
        sink.open(partition, None)
        sink.write(partition, [], ALERTS)
    sink.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "sensors%2F0.jsonl",
        "sensors%2F1.jsonl",
    ]


def test_a_second_partition_needs_a_place_in_the_path(tmp_path):
    sink = JsonlSink(str(tmp_path / "a.jsonl"))
    sink.open("0", None)
    with pytest.raises(
        ConfigError, match=r"several partitions \('1' is the second\): put {partition}"
    ):
        sink.open("1", None)
    sink.close()


def test_a_file_shorter_than_its_checkpoint_is_an_error(tmp_path):
    sink = JsonlSink(str(tmp_path / "a.jsonl"))
    with pytest.raises(ConnectorError, match=r"a\.jsonl has 0 bytes but its checkpoint says 10"):
        sink.open("p", {"bytes": 10})
    sink.close()


def test_an_unwritable_path_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    sink = JsonlSink(str(tmp_path / "file" / "a.jsonl"))
    with pytest.raises(ConnectorError, match=r"cannot be written to .*a\.jsonl: .*choose another"):
        sink.open("p", None)


def test_a_full_disk_is_waited_for(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    sink = JsonlSink(str(tmp_path / "a.jsonl"))
    sink.open("p", None)
    sink.write("p", [], ALERTS)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(
            Disconnected, match=r"to .*a\.jsonl: No space left on device; make room"
        ):
            sink.flush("p", 1)
    sink.flush("p", 1)
    sink.close()
    found = documents((tmp_path / "a.jsonl").read_text())
    assert found == [alert_document(alert) for alert in ALERTS]


def test_what_the_disk_does_not_keep_is_an_error(tmp_path, monkeypatch):
    def full(_):
        raise OSError(5, "Input/output error")

    sink = JsonlSink(str(tmp_path / "a.jsonl"))
    sink.open("p", None)
    sink.write("p", [], ALERTS)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConnectorError, match=r"to .*a\.jsonl: Input/output error; make room"):
        sink.flush("p", 1)
    sink.close()


def test_standard_output_gets_a_line_per_event(capsys):
    sink = StdoutSink()
    sink.open("p", None)
    sink.write("p", [], ALERTS)
    assert documents(capsys.readouterr().out) == [alert_document(alert) for alert in ALERTS]
    assert sink.flush("p", 1) == {}
    sink.finish("p")
    sink.close()


def test_a_closed_standard_output_is_an_error(monkeypatch):
    class Closed:
        def write(self, text):
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("sys.stdout", Closed())
    with pytest.raises(ConnectorError, match="cannot be written to standard output: Broken pipe"):
        StdoutSink().write("p", [], ALERTS)
