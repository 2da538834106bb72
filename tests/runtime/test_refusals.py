"""Sinks, dead letters and sources that refuse for a while: nothing is skipped, nothing repeated."""

from __future__ import annotations

import json

import pytest
from reference.live import ROWS, Deaf, Refusing, assert_same, batches, table

from streamad.core.data import Reject
from streamad.core.errors import Backpressure, ConnectorError, Disconnected, DrainTimedOut
from streamad.core.protocols import DeadLetter
from streamad.runtime.checkpoints import list_checkpoints
from streamad.runtime.deadletter import DeadLetterFile
from streamad.testing.fakes import ListSink, LiveSource


def refusing(live, error, **options):
    sink = Refusing(error)
    run = live(sinks=[ListSink(), sink, ListSink()], **options)
    sink.clock = run.clock
    run.sinks = run.engine._outputs._sinks
    run.sink = sink
    return run


ERRORS = [Backpressure("the queue is full", 0.5), Disconnected("nobody listens")]


@pytest.mark.parametrize("error", ERRORS)
def test_a_sink_that_refuses_gets_everything_once_and_so_do_its_neighbours(live, calm, error):
    run = refusing(live, error)
    run.run()
    for sink in run.sinks:
        assert_same(calm, sink)
    assert run.telemetry.sinks[1].refusals > 0
    assert run.telemetry.sinks[0].refusals == run.telemetry.sinks[2].refusals == 0


@pytest.mark.parametrize("error", ERRORS)
def test_a_sink_that_is_away_when_a_partition_comes_is_waited_for(live, calm, error):
    class Away(ListSink):
        n = 0

        def open(self, partition, position):
            self.n += 1
            if self.n < 5:
                raise error
            super().open(partition, position)

    run = live(sinks=[ListSink(), Away()])
    run.run()
    for sink in run.engine._outputs._sinks:
        assert_same(calm, sink)


def test_other_partitions_go_on_while_one_waits(live):
    run = refusing(live, ERRORS[1], polls=11)
    run.engine._drain = lambda: None
    run.run()
    assert len(table(run.sink, "q")[0]) == 550
    assert len(table(run.sink, "p")[0]) == 150
    assert run.telemetry.partitions["p"].held_since_s == 4.0
    assert run.telemetry.partitions["q"].held_since_s is None


def test_a_partition_that_waits_is_not_checkpointed(live, state):
    store = state()
    run = refusing(live, ERRORS[1], store=store, polls=11)
    run.engine._drain = lambda: None
    run.run()
    assert store.load("p").next_offset <= 150
    assert store.load("q").next_offset >= 450


def test_a_sink_that_refuses_for_more_than_a_minute_is_not_ready(live):
    sink = Refusing(ERRORS[1], end=200.0)
    run = live(source=LiveSource(batches(("p",))), sinks=[sink], polls=100)
    sink.clock = run.clock
    run.engine._drain = lambda: None
    run.run()
    told = run.telemetry.not_ready()
    assert [why for why in told if why.startswith("Refusing refuses for")]
    assert [why for why in told if why.startswith("p waits for a sink for")]


@pytest.mark.parametrize(("end", "ready"), [(1e9, False), (70.0, True)])
def test_a_sink_that_takes_rows_but_cannot_store_them_is_not_ready(live, end, ready):
    sink = Deaf(end=end)
    run = live(source=LiveSource(batches(("p",), size=4)), sinks=[sink], polls=130)
    sink.clock = run.clock
    run.engine._drain = lambda: None
    run.run()
    assert run.clock() > 100
    told = [why for why in run.telemetry.not_ready() if why.startswith("Deaf refuses for")]
    assert bool(told) is not ready


def test_a_sink_that_cannot_flush_puts_the_checkpoint_off(live, state, calm):
    sink = Deaf(start=3.5, end=30.0)
    run = live(sinks=[sink], settings={"max_failed_checkpoints": 2})
    sink.clock = run.clock
    run.run()
    assert run.telemetry.checkpoints["failed"] > 5
    assert_same(calm, sink)


def test_dead_letters_that_refuse_stop_the_reading(live, state, tmp_path):
    class Full(DeadLetterFile):
        full = True

        def write(self, partition, rejects):
            if rejects and self.full:
                raise ConnectorError("no room for rejected rows")
            super().write(partition, rejects)

    class OneBad(LiveSource):
        def rejects(self):
            return [Reject("p", 99, "decode", "?", {})] if self.polls == 2 else []

    letters = Full(tmp_path / "rejects-{partition}.jsonl")
    store = state()
    run = live(source=OneBad(batches()), store=store, dead_letter=letters, polls=20)
    run.engine._drain = lambda: None
    run.run()
    assert len(table(run.sink, "p")[0]) == 100
    assert store.load("p").next_offset == 50 or store.load("p").next_offset == 0
    assert run.telemetry.dead_letter.failing_since_s is not None
    letters.full = False
    again = live(source=OneBad(batches()), store=store, sinks=[run.sink])
    again.run()
    assert len(table(run.sink, "p")[0]) == ROWS


def test_raw_bytes_and_headers_of_a_record_are_kept(tmp_path):
    letters = DeadLetterFile(tmp_path / "rejects.jsonl")
    assert isinstance(letters, DeadLetter)
    letters.open("p", None)
    letters.write("p", [Reject("p", 1, "decode", "?", raw=b"\x00{", headers={"from": "plant"})])
    letters.flush("p")
    letters.close()
    kept = json.loads((tmp_path / "rejects.jsonl").read_text())
    assert (kept["raw"], kept["headers"]) == ("AHs=", {"from": "plant"})


def test_a_source_that_is_gone_for_a_while_is_asked_again(live, calm):
    gone = Disconnected("the broker is away")
    run = live(source=LiveSource(batches(), script={1: [gone], 5: [gone], 6: [gone]}))
    run.engine._stop.wait = lambda _: None
    run.run()
    assert run.telemetry.source_errors == 3
    assert_same(calm, run.sink)


def test_a_source_that_is_not_there_at_the_start_ends_the_run_if_asked_to(live):
    source = LiveSource(batches())

    def events():
        raise Disconnected("the broker is away")

    source.events = events
    with pytest.raises(Disconnected):
        live(source=source, settings={"fail_fast": True}).run()


@pytest.mark.parametrize("refusal", [Disconnected("one moment"), Backpressure("full", 0.1)])
def test_a_drain_waits_for_the_sinks(live, refusal):
    class Late(ListSink):
        refusals = 4

        def flush(self, partition, next_offset):
            if run.stop.is_set() and self.refusals:
                self.refusals -= 1
                raise refusal
            return super().flush(partition, next_offset)

    sink = Late()
    run = live(sinks=[sink], polls=8, settings={"checkpoint_every_s": 1e9})
    run.run()
    assert sink.refusals == 0
    assert run.source.committed == {"p": 400, "q": 400}


def test_a_drain_ends_in_time_and_commits_nothing_that_was_not_acknowledged(live, state):
    class Deaf(ListSink):
        def flush(self, partition, next_offset):
            if run.source.polls > 4:
                raise Disconnected("nobody listens")
            return super().flush(partition, next_offset)

    store = state()
    run = live(sinks=[Deaf()], store=store, polls=8, settings={"drain_timeout_s": 5.0})
    with pytest.raises(DrainTimedOut, match="within 5 s"):
        run.run()
    assert max(offset for _, _, offset, _ in list_checkpoints(store.folder)) <= 200
    assert max(run.source.committed.values()) <= 200
    assert run.telemetry.draining


def test_rows_that_wait_and_do_not_come_end_the_run(live):
    class Stalled(LiveSource):
        def poll(self, timeout_s, max_rows):
            found = super().poll(timeout_s, max_rows)
            return found if self.polls < 5 else self.give_back(found)

        def give_back(self, found):
            for batch in found:
                self._next[batch.partition] = batch.next_offset - len(batch)
            return []

    run = live(source=Stalled(batches()), polls=100, settings={"stall_after_s": 20.0})
    with pytest.raises(ConnectorError, match="the source has stalled"):
        run.run()
    assert run.telemetry.stalled
    assert 24 <= run.source.polls <= 27


def test_a_source_that_has_nothing_has_not_stalled(live):
    run = live(polls=100, settings={"stall_after_s": 20.0})
    run.run()
    assert not run.telemetry.stalled


def test_a_sink_that_holds_the_rows_back_is_no_stall(live):
    sink = Refusing(ERRORS[1], partition="p", end=60.0)
    run = live(
        source=LiveSource(batches(("p",))), sinks=[sink], polls=100,
        settings={"stall_after_s": 20.0},
    )  # fmt: skip
    sink.clock = run.clock
    run.run()
    assert len(table(sink, "p")[0]) == ROWS


def test_too_many_refused_rows_are_told_once_and_trip_readiness(live, caplog):
    class Poisoned(LiveSource):
        def rejects(self):
            at = self._next["p"]
            return [Reject("p", at, "decode", "?", {})] * 300 if 3 <= self.polls <= 8 else []

    run = live(source=Poisoned(batches()), polls=30)
    run.engine._drain = lambda: None
    run.run()
    assert run.telemetry.poisoned
    assert [why for why in run.telemetry.not_ready() if "of the last minute were refused" in why]
    assert len([r for r in caplog.records if "SourceRejecting" in r.getMessage()]) == 1
    run.clock.advance(61.0)
    assert not run.telemetry.poisoned
