"""A partition that was read before and has no snapshot: stop, read it again, or begin afresh."""

from __future__ import annotations

import json

import pytest
from reference.live import assert_same, batches

from streamad.core.errors import StateLost
from streamad.testing.fakes import LiveSource


class Remembers(LiveSource):
    """A group has committed offsets of these partitions."""

    def __init__(self, committed, **options):
        super().__init__(batches(), **options)
        self.known = committed
        self.began = []

    def committed_offset(self, partition):
        return self.known.get(partition)

    def begin(self, partition, *, first=False):
        self.began.append((partition, first))
        self.seek(partition, 0 if first else 300)


def events(run, partition):
    return [a for a in run.sink.alerts.get(partition, []) if a.reason == "state_lost"]


def test_it_stops_and_names_the_ways_out(live):
    run = live(source=Remembers({"q": 450}))
    with pytest.raises(StateLost, match=r"'q' was read up to offset 450 .*state\.on_lost: rebuild"):
        run.run()
    assert run.source.began == [("p", False)]


def test_without_commits_there_is_nothing_to_miss(live):
    run = live(source=Remembers({}))
    run.run()
    assert run.source.began == [("p", False), ("q", False)]
    assert run.telemetry.states_lost == 0


def test_it_is_rebuilt_from_the_first_row_and_told(live, calm, tmp_path):
    run = live(source=Remembers({"p": 450, "q": 450}), settings={"on_lost": "rebuild"})
    run.run()
    assert run.source.began == [("p", True), ("q", True)]
    assert run.telemetry.states_lost == 2
    opened, closed = events(run, "p")
    assert (opened.event, closed.event, opened.severity) == ("open", "resolve", "critical")
    assert "read up to offset 450" in opened.summary
    kept = [json.loads(line) for line in (tmp_path / "rejects-p.jsonl").read_text().splitlines()]
    assert [(one["reason"], one["row"]) for one in kept] == [("state_lost", {"read_up_to": 450})]
    for name in "pq":
        run.sink.alerts[name] = [a for a in run.sink.alerts[name] if a.reason != "state_lost"]
    assert_same(calm, run.sink)


def test_it_goes_on_afresh_behind_what_was_read(live, state):
    store = state()
    run = live(source=Remembers({"p": 450}), store=store, settings={"on_lost": "fresh"}, polls=1)
    run.run()
    assert run.source.began == [("q", False)]
    assert len(events(run, "p")) == 2
    assert not events(run, "q")
    assert store.load("p").meta["begin"] == 450
    assert store.load("p").next_offset >= 450


def test_a_source_that_has_to_recall_where_it_was_begins_afresh_at_its_first_row(live, state):
    class Recalls(Remembers):
        def recall(self, identity):
            pass

    run = live(source=Recalls({"p": 450}), settings={"on_lost": "fresh"})
    run.run()
    assert run.source.began == [("p", True), ("q", False)]


def test_it_tells_of_all_partitions_that_came_together(live, state):
    store = state()
    live(source=LiveSource(batches()), store=store, polls=9).run()
    for path in store.folder.glob("q*.ckpt"):
        path.write_bytes(path.read_bytes()[:-40])
    for path in store.folder.glob("p*.ckpt"):
        path.unlink()
    with pytest.raises(StateLost) as stopped:
        live(source=Remembers({"p": 450}), store=store).run()
    told = str(stopped.value)
    assert "'p' was read up to offset 450" in told
    assert "'q': none of its" in told
    assert told.count("state.on_lost") == 1


def test_snapshots_that_are_all_damaged_are_a_lost_state(live, state):
    store = state()
    live(source=LiveSource(batches()), store=store, polls=9).run()
    for path in store.folder.glob("p*.ckpt"):
        path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(StateLost, match=r"none of its .* is intact .*restore the state"):
        live(source=LiveSource(batches()), store=store).run()
    run = live(source=Remembers({}), store=store, settings={"on_lost": "rebuild"})
    run.run()
    assert run.source.began == [("p", True)]
    assert len(events(run, "p")) == 2


def test_a_snapshot_that_is_there_is_used_whatever_was_committed(live, state):
    store = state()
    live(source=LiveSource(batches()), store=store, polls=9).run()
    run = live(source=Remembers({"p": 10**6}), store=store)
    run.run()
    assert run.source.began == []
