from __future__ import annotations

from streamad.core.protocols import Sink, Source
from streamad.testing.fakes import ListSink, ListSource
from streamad.testing.sinks import example_output


def test_a_sink_opened_at_a_position_forgets_what_came_after_it():
    sink = ListSink()
    sink.open("p", None)
    sink.write("p", *example_output(1))
    position = sink.flush("p", 10)
    sink.write("p", *example_output(2))
    sink.open("p", position)
    assert (len(sink.scores["p"]), len(sink.alerts["p"])) == (1, 1)


def test_a_sink_remembers_what_has_ended():
    sink = ListSink()
    sink.open("p", None)
    sink.finish("p")
    assert sink.finished == {"p"}


def test_fakes_keep_the_protocols():
    assert isinstance(ListSink(), Sink)
    assert isinstance(ListSource([]), Source)


def test_a_source_without_batches_is_exhausted():
    source = ListSource([])
    assert source.exhausted()
    assert list(source.poll(0.0, 10)) == []


def test_a_dropped_partition_keeps_what_was_flushed():
    sink = ListSink()
    sink.open("p", None)
    sink.write("p", *example_output(1))
    sink.flush("p", 10)
    sink.write("p", *example_output(2))
    sink.drop("p")
    sink.drop("never opened")
    assert (len(sink.scores["p"]), len(sink.alerts["p"])) == (1, 1)
