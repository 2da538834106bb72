"""What a tracer sees of a run."""

from __future__ import annotations

import pytest
from reference.live import ROWS, Live, batches
from reference.web_receiver import Receiver, status

from streamad.core.errors import Disconnected
from streamad.runtime.spans import MOST_STEPS, Recorder
from streamad.runtime.telemetry import Telemetry
from streamad.testing.fakes import LiveSource

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from streamad.runtime.otlp import OtlpTraces, links_to

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Handed(list):
    """Turns that were handed over."""

    def __call__(self, steps, origins):
        self.append((steps, origins))


@pytest.fixture
def handed():
    return Handed()


@pytest.fixture
def telemetry():
    return Telemetry()


@pytest.fixture
def collector():
    with Receiver() as receiver:
        yield receiver


def spans_of(receiver):
    """Spans that came, by id, and the attributes of their resource."""
    spans, resources = {}, []
    for _, _, body in receiver.requests:
        for found in ExportTraceServiceRequest.FromString(body).resource_spans:
            resources.append({a.key: a.value.string_value for a in found.resource.attributes})
            spans |= {s.span_id: s for scope in found.scope_spans for s in scope.spans}
    return spans, resources


def traced(tmp_path, state, receiver):
    """An engine over rows in memory, whose spans a collector gets."""
    telemetry = Telemetry(["ListSink"])
    made = OtlpTraces(receiver.url.removesuffix("/hook"), "plant", timeout_s=1.0)
    recorder = Recorder(telemetry, made)
    recorder.origins = lambda: [PARENT, "nonsense"]
    run = Live(tmp_path, state(), source=LiveSource(batches()), telemetry=telemetry, spans=recorder)
    return run, made


def test_a_collector_gets_a_trace_for_every_batch_with_its_steps(tmp_path, state, collector):
    run, made = traced(tmp_path, state, collector)
    run.run()
    made.close(10.0)
    spans, resources = spans_of(collector)
    assert {path for path, _, _ in collector.requests} == {"/v1/traces"}
    assert {r["streamad.pipeline"] for r in resources} == {"plant"}
    turns = [s for s in spans.values() if s.name == "streamad batch" and not s.parent_span_id]
    read = [{a.key: a.value.int_value for a in s.attributes} for s in turns]
    assert sum(counts["streamad.rows"] for counts in read) == 2 * ROWS
    assert {counts["streamad.partitions"] for counts in read if counts["streamad.rows"]} == {2}
    assert sum(counts["streamad.alerts"] for counts in read) == run.telemetry.alerts.total()
    parents = {s.name: spans[s.parent_span_id].name for s in spans.values() if s.parent_span_id}
    assert parents["streamad poll"] == "streamad batch"
    assert parents["streamad score"] == "streamad batch"
    assert parents["streamad write"] == "streamad batch"
    for part in ("flush", "snapshot", "write", "commit"):
        assert f"streamad {part}" in parents
    assert parents["streamad flush"] == parents["streamad commit"] == "streamad checkpoint"
    for span in spans.values():
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        if span.parent_span_id:
            assert spans[span.parent_span_id].start_time_unix_nano <= span.start_time_unix_nano
            assert spans[span.parent_span_id].trace_id == span.trace_id
    links = {link.trace_id.hex() for s in turns for link in s.links}
    assert links == {"0af7651916cd43dd8448eb211c80319c"}


@pytest.mark.parametrize("trouble", ["nobody listens", "it fails"])
def test_a_collector_that_takes_nothing_changes_nothing(tmp_path, state, collector, trouble, calm):
    if trouble == "nobody listens":
        collector.stop()
    else:
        collector.default = status(500)
    run, made = traced(tmp_path, state, collector)
    run.run()
    made.close(0.5)
    assert run.telemetry.rows == 2 * ROWS
    assert [a.id for a in run.sink.alerts["p"]] == [a.id for a in calm.alerts["p"]]


def test_a_turn_in_which_nothing_came_is_no_trace(telemetry, handed):
    spans = Recorder(telemetry, handed)
    with spans("batch"), spans("poll"):
        pass
    assert handed == []
    with spans("batch"):
        telemetry.rows += 3
    (steps, _), *more = handed
    assert (steps[0].attributes["rows"], more) == (3, [])


def test_what_a_step_raises_is_named_but_not_told(telemetry, handed):
    spans = Recorder(telemetry, handed)
    with pytest.raises(Disconnected), spans("batch"), spans("poll"):
        raise Disconnected("me:secret@nowhere")
    steps, _ = handed[0]
    assert [step.error for step in steps] == ["Disconnected", "Disconnected"]
    assert "secret" not in repr(steps)


def test_steps_of_thousands_of_partitions_are_counted_not_kept(telemetry, handed):
    spans = Recorder(telemetry, handed)
    with spans("batch"):
        for _ in range(3 * MOST_STEPS):
            with spans("score"):
                pass
    steps, _ = handed[0]
    assert len(steps) == MOST_STEPS
    assert steps[0].attributes["steps_left_out"] == 2 * MOST_STEPS + 1


def test_a_trace_that_cannot_be_handed_over_is_lost_and_no_more(telemetry, caplog):
    def broken(_steps, _origins):
        raise RuntimeError("full")

    with Recorder(telemetry, broken)("checkpoint"):
        pass
    assert "a trace was lost: RuntimeError: full" in caplog.text


@pytest.mark.parametrize(
    "text", ["", "00-" + "0" * 32 + "-b7ad6b7169203331-01", PARENT.upper(), PARENT[3:]]
)
def test_a_header_that_names_no_trace_is_no_link(text):
    assert links_to([text]) == []
