"""What has to be saved first is waited for; one partition that is refused holds up no other."""

from __future__ import annotations

import json

import pytest
from reference.live import (
    ROWS,
    Deaf,
    Refusing,
    assert_same,
    batches,
    make_pipeline,
    table,
)

from streamad.core.data import Reject
from streamad.core.errors import (
    Backpressure,
    ConnectorError,
    DetectorError,
    Disconnected,
    DrainTimedOut,
)
from streamad.core.protocols import Assigned, Revoked, Settled
from streamad.runtime.checkpoints import list_checkpoints
from streamad.runtime.deadletter import DeadLetterFile
from streamad.testing.fakes import ListSink, ListSource, LiveSource

FULL = Backpressure("the queue is full", 0.5)


def watched(live, sink, **options):
    run = live(sinks=[sink], **options)
    sink.clock = run.clock
    run.sink = sink
    return run


@pytest.mark.parametrize("refused", ["p", "q"])
def test_a_partition_that_is_refused_holds_up_no_other(live, state, refused):
    store = state()
    run = watched(live, Deaf((refused,), start=3.0), store=store, polls=13)
    run.engine._drain = lambda: None
    run.run()
    (other,) = {"p", "q"} - {refused}
    assert store.load(other).next_offset >= ROWS - 50
    assert run.source.committed[other] >= ROWS - 50
    assert store.load(refused).next_offset <= 150
    kept = [partition for _, partition, _, _ in list_checkpoints(store.folder)]
    assert kept.count(other) <= 3


def test_a_refusal_that_takes_its_time_leaves_the_others_to_the_next_checkpoint(live, state):
    class Slow(Deaf):
        def flush(self, partition, next_offset):
            if partition in self.partitions:
                run.clock.advance(6.0)
            return super().flush(partition, next_offset)

    store = state()
    run = watched(live, Slow(("p",), start=3.0), store=store)
    run.engine._drain = lambda: None
    run.run()
    assert store.load("q").next_offset == ROWS
    assert store.load("p") is None


def test_nothing_is_read_before_the_beginning_is_saved(live, state, calm):
    store = state()
    run = watched(live, Deaf(("p",), end=8.0), store=store, polls=5)
    run.engine._drain = lambda: None
    run.run()
    assert store.load("p") is None
    assert not run.sink.scores.get("p")
    again = watched(live, Deaf(("p",), end=8.0), store=store)
    again.run()
    assert_same(calm, again.sink, ("p",))


def test_rejects_before_the_first_row_wait_for_that_too(live, state, tmp_path):
    class OnlyBad(LiveSource):
        def poll(self, timeout_s, max_rows):
            found = super().poll(timeout_s, max_rows)
            self.bad = [Reject(b.partition, b.offset(0), "decode", "?", {}) for b in found]
            return []

        def rejects(self):
            return self.bad

    store = state()
    run = watched(live, Deaf(("p",), end=6.0), source=OnlyBad(batches(("p",))), store=store)
    run.run()
    kept = (tmp_path / "rejects-p.jsonl").read_text().splitlines()
    assert [json.loads(line)["offset"] for line in kept] == list(range(0, ROWS, 50))


def test_what_a_source_has_settled_is_saved_before_anything_is_read(live, state):
    store = state()
    source = LiveSource(batches(("p",)), script={5: [Settled(("p",))]})
    run = watched(live, Deaf(("p",), start=4.0, end=9.0), source=source, store=store)
    saved = []
    save = store.save
    store.save = lambda made: saved.append((run.clock(), made.next_offset)) or save(made)
    run.run()
    after = [offset for at, offset in saved if at >= 9.0]
    assert after[0] == 200
    assert source.polls >= 12


def test_a_stop_meanwhile_reads_nothing_more(live, state):
    store = state()
    source = LiveSource(batches(("p",)), script={5: [Settled(("p",))]})
    settings = {"drain_timeout_s": 0.1}
    run = watched(live, Deaf(("p",), start=4.0), source=source, store=store, polls=5,
               settings=settings)  # fmt: skip
    with pytest.raises(DrainTimedOut):
        run.run()
    assert len(table(run.sink, "p")[0]) == 200


def test_a_partition_that_waits_takes_no_time_from_the_others_at_a_revocation(live, state):
    store = state()
    run = watched(
        live, Refusing(FULL, start=3.5, end=1e9),
        source=LiveSource(batches(), script={6: [Revoked(("p", "q"))]}), store=store, polls=8,
        settings={"checkpoint_every_s": 1e9, "revoke_timeout_s": 5.0},
    )  # fmt: skip
    run.run()
    assert store.load("q").next_offset >= 250
    assert store.load("p").next_offset == 0


def test_so_it_is_at_the_end(live, state):
    store = state()
    settings = {"checkpoint_every_s": 1e9, "drain_timeout_s": 5.0}
    sink = Refusing(FULL, start=3.5, end=1e9)
    run = watched(live, sink, store=store, polls=8, settings=settings)
    with pytest.raises(DrainTimedOut):
        run.run()
    assert store.load("q").next_offset >= 350


@pytest.mark.parametrize("method", ["write", "flush"])
def test_dead_letters_without_room_are_waited_for(live, calm, tmp_path, method):
    class Full(DeadLetterFile):
        def write(self, partition, rejects):
            self._full("write")
            super().write(partition, rejects)

        def flush(self, partition):
            self._full("flush")
            return super().flush(partition)

        def _full(self, asked):
            if asked == method and 5.0 < run.clock() < 15.0:
                raise ConnectorError("no room for rejected rows")

    class OneBad(LiveSource):
        def rejects(self):
            at = self._next["p"]
            return [Reject("p", 299, "decode", "?", {})] if at == 300 else []

    run = live(source=OneBad(batches()), dead_letter=Full(tmp_path / "rejects-{partition}.jsonl"))
    run.run()
    assert_same(calm, run.sink)
    assert len((tmp_path / "rejects-p.jsonl").read_text().splitlines()) >= 1


class Finite(ListSource):
    """Counts its polls, as the harness asks, and ends."""

    polls = 0

    def poll(self, timeout_s, max_rows):
        self.polls += 1
        return super().poll(timeout_s, max_rows)


def ending(live, sink, **options):
    settings = {"endless": False} | options.pop("settings", {})
    return watched(live, sink, source=Finite(batches()), polls=10**6, settings=settings, **options)


@pytest.mark.parametrize("start", [8.0, 12.5])
def test_sinks_that_are_away_at_the_end_are_waited_for(live, state, start):
    whole = ending(live, ListSink(), store=state("whole"))
    whole.run()
    run = ending(live, Deaf(("q",), start=start, end=60.0), store=state("tried"))
    assert run.run().finished
    assert run.clock() >= 60.0
    assert_same(whole.sink, run.sink)


def test_a_detector_that_raises_at_the_end_loses_no_rows(live, state):
    """Nothing could be saved since the middle, so rows are read again."""
    raised = []

    def raises_once(partition):
        pipeline = make_pipeline()
        finish = pipeline.finish

        def finish_or_raise():
            if partition == "p" and not raised:
                raised.append(1)
                raise DetectorError("it does", "fast")
            return finish()

        pipeline.finish = finish_or_raise
        return pipeline

    whole = ending(live, ListSink(), store=state("whole"))
    whole.run()
    run = ending(live, ListSink(), store=state("tried"), make_pipeline=raises_once)
    summary = run.run()
    assert raised
    assert summary.finished
    assert summary.counters.rows == whole.telemetry.rows
    assert_same(whole.sink, run.sink)


def test_a_state_that_cannot_be_asked_for_is_asked_for_again(live, state, calm):
    class Shy(LiveSource):
        n_asked = 0

        def committed_offset(self, partition):
            self.n_asked += 1
            if self.n_asked < 4:
                raise Disconnected("the coordinator does not answer")

    source = Shy(batches(), script={9: [Assigned(("q",))]})
    run = live(source=source)
    run.run()
    assert source.n_asked > 4
    assert_same(calm, run.sink)
