"""A partition that was read before and has no snapshot: stop, read it again, or begin afresh."""

from __future__ import annotations

import json

import pytest
from reference.live import assert_same, batches

from streamad.core.errors import Disconnected, StateLost
from streamad.runtime.restoring import Restorer
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


class Unreachable(Remembers):
    """The coordinator of the group does not answer so many times."""

    def __init__(self, committed, times, names="pq"):
        super().__init__(committed)
        self.left, self.names, self.asked = times, names, []

    def committed_offset(self, partition):
        self.asked.append(partition)
        if self.left and partition in self.names:
            self.left -= 1
            raise Disconnected("no answer")
        return super().committed_offset(partition)


class Visible:
    """Outputs that one transaction makes visible with their offsets."""

    commits = True

    def __init__(self, at, away=0):
        self.at, self.away = at, away
        self.asked = []

    def committed(self, names):
        self.asked.append(tuple(names))
        if self.away:
            self.away -= 1
            raise Disconnected("no answer")
        return {name: self.at.get(name) for name in self.asked[-1]}


@pytest.fixture
def saved(live, state):
    """Snapshots of both partitions, at 200, 300 and more."""
    store = state()
    save_many(live, store)
    return store


def save_many(live, store):
    live(source=LiveSource(batches()), store=store, polls=9, settings={"keep": 99}).run()


def restorer(source, store, outputs=None, on_lost="stop"):
    silent = Visible({})
    silent.commits = False
    return Restorer(source, outputs or silent, store, on_lost)


def test_no_answer_is_not_taken_for_never_read(state):
    source = Unreachable({"p": 450}, times=1)
    restoring = restorer(source, state())
    restoring.expect(["p", "q"])
    with pytest.raises(Disconnected):
        restoring.load("p")
    with pytest.raises(StateLost, match="read up to offset 450"):
        restoring.load("p")


def test_who_stops_does_not_wait_for_what_nobody_can_tell_of_the_others(state):
    source = Unreachable({"p": 450}, times=9, names="qr")
    restoring = restorer(source, state())
    restoring.expect(["p", "q", "r"])
    with pytest.raises(StateLost, match="read up to offset 450"):
        restoring.load("p")
    assert source.asked == ["p", "q"]


def test_what_comes_together_is_asked_for_at_once(saved):
    outputs = Visible({"p": 200, "q": 300})
    restoring = restorer(Remembers({}), saved, outputs)
    restoring.expect(["p", "q"])
    found = [restoring.load(name)[0].next_offset for name in "pq"]
    assert found == [200, 300]
    assert outputs.asked == [("p", "q")]


def test_what_is_replayed_is_asked_for_anew(saved):
    outputs = Visible({"p": 200, "q": 200})
    restoring = restorer(Remembers({}), saved, outputs)
    restoring.expect(["p", "q"])
    for name in "pq":
        restoring.load(name)
    outputs.at = {"p": 300, "q": 300}
    assert restoring.load("q")[0].next_offset == 300
    assert restoring.load("p")[0].next_offset == 300
    assert outputs.asked == [("p", "q"), ("q",), ("p",)]


def test_what_had_no_snapshot_when_it_came_is_asked_for_anew(live, state):
    """Nobody was asked then, so that a replay of one must not tell of the other one."""
    outputs = Visible({})
    store = state()
    restoring = restorer(Remembers({}), store, outputs)
    restoring.expect(["p", "q"])
    for name in "pq":
        restoring.load(name)
    save_many(live, store)
    outputs.at = {"p": 200, "q": 200}
    restoring.load("p")
    outputs.at = {"p": 200, "q": 300}
    assert restoring.load("q")[0].next_offset == 300


def test_what_comes_again_is_asked_for_anew(saved):
    outputs = Visible({"p": 200, "q": 200})
    restoring = restorer(Remembers({}), saved, outputs)
    restoring.expect(["p", "q"])
    restoring.load("p")
    outputs.at = {"q": 300}
    restoring.expect(["q"])
    assert restoring.load("q")[0].next_offset == 300


def test_outputs_that_could_not_be_asked_are_asked_again_for_all(saved):
    outputs = Visible({"p": 200, "q": 300}, away=1)
    restoring = restorer(Remembers({}), saved, outputs)
    restoring.expect(["p", "q"])
    with pytest.raises(Disconnected):
        restoring.load("p")
    assert [restoring.load(name)[0].next_offset for name in "pq"] == [200, 300]
    assert outputs.asked == [("p", "q")] * 2
