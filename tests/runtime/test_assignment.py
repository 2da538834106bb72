"""Partitions that come, go and are lost while the process runs."""

from __future__ import annotations

import json

import pytest
from reference.live import ROWS, assert_same, batches, table

from streamad.core.data import Reject
from streamad.core.errors import ConfigError, DataLost, DrainTimedOut, StateError
from streamad.core.protocols import Assigned, CommitResult, DataGap, Lost, Revoked, Settled
from streamad.runtime.checkpoints import FileStateStore
from streamad.testing.fakes import ListSink, LiveSource


class Noting(ListSink):
    """A sink that notes what is asked of it, beside what the source notes."""

    def __init__(self, calls):
        super().__init__()
        self.calls = calls

    def write(self, partition, scores, alerts):
        self.calls.append(("write", partition))
        super().write(partition, scores, alerts)

    def flush(self, partition, next_offset):
        self.calls.append(("flush", partition, next_offset))
        return super().flush(partition, next_offset)

    def drop(self, partition):
        self.calls.append(("drop", partition))
        super().drop(partition)


def noting(live, source, **options):
    run = live(source=source, sinks=[], **options)
    sink = Noting(run.source.calls)
    run = live(source=source, sinks=[sink], **options)
    run.sink = sink
    return run


def test_a_partition_that_comes_while_running_is_read_from_its_beginning(live, calm):
    run = live(source=LiveSource(batches(), ["p"], {4: [Assigned(("q",))]}))
    run.run()
    assert_same(calm, run.sink)
    assert run.telemetry.rebalances == {"assign": 2}


def test_a_partition_that_comes_back_goes_on_at_its_snapshot(live, calm):
    script = {5: [Revoked(("p",))], 9: [Assigned(("p",))]}
    run = live(source=LiveSource(batches(), script=script))
    run.run()
    assert_same(calm, run.sink)
    assert ("seek", "p", 200) in run.source.calls


def test_revoking_flushes_then_commits_then_drops(live):
    source = LiveSource(batches(), script={5: [Revoked(("p",))]})
    run = noting(live, source, settings={"checkpoint_every_s": 1e9})
    run.run()
    calls = run.source.calls
    at = calls.index(("flush", "p", 200))
    assert calls[at : at + 3] == [("flush", "p", 200), ("commit", {"p": 200}), ("drop", "p")]
    assert ("write", "p") not in calls[at:]


def test_losing_drops_and_neither_flushes_nor_commits(live, state):
    source = LiveSource(batches(), script={5: [Lost(("p",))]})
    store = state()
    run = noting(live, source, store=store, settings={"checkpoint_every_s": 1e9})
    run.run()
    calls = run.source.calls
    lost_at = calls.index(("drop", "p"))
    after = calls[lost_at + 1 :]
    assert not [call for call in after if "p" in call or (call[0] == "commit" and "p" in call[1])]
    assert calls[lost_at - 1][0] != "flush"
    assert store.load("p").next_offset == 0


def test_the_next_owner_of_a_lost_partition_does_what_was_not_saved(live, state, calm):
    script = {8: [Lost(("p",))]}
    settings = {"checkpoint_every_s": 4.5}
    first = live(source=LiveSource(batches(), script=script), settings=settings)
    first.run()
    second = live(source=LiveSource(batches(("p",))), sinks=[first.sink])
    summary = second.run()
    assert 0 < summary.resumed_at["p"] < 350
    assert_same(calm, first.sink)


def test_a_rejected_row_of_a_lost_partition_is_kept_once(live, tmp_path):
    class Refusing(LiveSource):
        def rejects(self):
            at = self._next["p"]
            return [Reject("p", 110, "time", "?", {})] if at == 150 and self.polls < 9 else []

    script = {4: [Lost(("p",))], 6: [Assigned(("p",))]}
    live(source=Refusing(batches(("p",)), script=script)).run()
    kept = (tmp_path / "rejects-p.jsonl").read_text().splitlines()
    assert [json.loads(line)["offset"] for line in kept] == [110]


def test_there_is_no_time_for_every_partition_when_all_are_revoked(live, calm):
    class Slow(ListSink):
        def flush(self, partition, next_offset):
            run.clock.advance(6.0)
            return super().flush(partition, next_offset)

    script = {5: [Revoked(("p", "q"))], 7: [Assigned(("p", "q"))]}
    sink = Slow()
    run = live(
        source=LiveSource(batches(), script=script),
        sinks=[sink],
        settings={"checkpoint_every_s": 1e9, "revoke_timeout_s": 5.0},
    )
    run.run()
    assert run.telemetry.checkpoints["skipped"] == 1
    sought = [call for call in run.source.calls if call[0] == "seek"]
    assert sought[-2:] == [("seek", "p", 200), ("seek", "q", 0)]
    assert_same(calm, sink)


def test_a_checkpoint_that_fails_at_a_revocation_is_no_end(live, state, calm):
    class Full(FileStateStore):
        def save(self, checkpoint):
            if run.source.polls == 5:
                raise StateError("the disk is full")
            super().save(checkpoint)

    script = {5: [Revoked(("p",))], 7: [Assigned(("p",))]}
    run = live(
        source=LiveSource(batches(), script=script),
        store=state(kind=Full),
        settings={"checkpoint_every_s": 1e9},
    )
    run.run()
    assert run.telemetry.checkpoints["failed"] == 1
    assert_same(calm, run.sink)


@pytest.mark.parametrize("answer", [CommitResult.REBALANCING, CommitResult.LOST])
def test_a_commit_that_is_refused_is_counted_and_nothing_else(live, calm, answer):
    source = LiveSource(batches())
    source.answers = [answer] * 3
    run = live(source=source)
    run.run()
    assert run.telemetry.commits[answer.value] == 3
    assert run.telemetry.commits["ok"] > 3
    assert_same(calm, run.sink)


def test_what_was_committed_is_committed_again_when_nothing_is_new(live):
    run = live(polls=30)
    run.run()
    last = [call for call in run.source.calls if call[0] == "commit"][-5:]
    assert last == [("commit", {"p": ROWS, "q": ROWS})] * 5


def test_a_gap_is_an_alert_a_dead_letter_and_a_count(live, tmp_path):
    source = LiveSource(batches(), script={4: [DataGap("p", 150, 260, "retention")]})

    def jump(partition, offset):
        source._next[partition] = offset

    poll = source.poll

    def skipping(timeout_s, max_rows):
        found = poll(timeout_s, max_rows)
        if source.polls == 4:
            jump("p", 260)
            return [batch for batch in found if batch.partition != "p"]
        return found

    source.poll = skipping
    run = live(source=source)
    run.run()
    assert (run.telemetry.gaps, run.telemetry.gap_rows) == (1, 110)
    told = [a for a in run.sink.alerts["p"] if a.detector == "source"]
    assert [(a.event, a.seq, a.series, a.reason) for a in told] == [
        ("open", 1, "p", "data_gap"), ("resolve", 2, "p", "data_gap"),
    ]  # fmt: skip
    (kept,) = map(json.loads, (tmp_path / "rejects-p.jsonl").read_text().splitlines())
    assert (kept["reason"], kept["row"]) == ("data_gap", {"from_offset": 150, "to_offset": 260})
    assert len(table(run.sink, "p")[0]) == ROWS - 110


def test_a_gap_stops_where_the_configuration_says_so(live):
    source = LiveSource(batches(), script={4: [DataGap("p", 150, 260, "retention")]})
    with pytest.raises(DataLost, match="rows 150 to 259 were gone"):
        live(source=source, settings={"on_gap": "stop"}).run()


class Named(LiveSource):
    topic_id = "one"

    @property
    def identity(self):
        return {"topic_ids": {"t": self.topic_id}}


def test_a_topic_that_was_made_again_is_refused(live, state):
    store = state()
    live(source=Named(batches()), store=store, polls=6).run()
    live(source=Named(batches()), store=store, polls=9).run()
    other = Named(batches())
    other.topic_id = "two"
    with pytest.raises(StateError, match="the source has changed"):
        live(source=other, store=store).run()


class Growing(LiveSource):
    """A source whose identity grows with every poll, and is recalled."""

    recalled = None

    @property
    def identity(self):
        return {"polls": self.polls if self.recalled is None else self.recalled["polls"]}

    def recall(self, identity):
        self.calls.append(("recall", identity))
        self.recalled = identity


def test_what_a_source_has_settled_is_kept_before_its_first_row(live, state):
    store, saved = state(), []
    save = store.save
    store.save = lambda made: saved.append((made.next_offset, made.meta["source"])) or save(made)
    live(
        source=Growing(batches(("p",)), script={5: [Settled(("p",))]}),
        store=store, settings={"checkpoint_every_s": 1e9},
    ).run()  # fmt: skip
    assert (200, {"polls": 5}) in saved


def test_an_identity_that_grows_is_recalled_from_the_snapshot(live, state):
    store = state()
    live(source=Growing(batches()), store=store, polls=6).run()
    again = live(source=Growing(batches()), store=store)
    again.run()
    recalls = [call for call in again.source.calls if call[0] == "recall"]
    assert recalls == [("recall", {"polls": 6})] * 2
    assert again.source.calls.index(recalls[0]) < again.source.calls.index(("seek", "p", 300))


def test_a_crash_before_the_first_checkpoint_skips_nothing(live, state):
    """A source that begins at its end would otherwise begin further on."""
    source = LiveSource(batches(("p",), first=700))
    source._next["p"] = 700
    source.begin = lambda partition: None
    store = state()
    run = live(source=source, store=store, settings={"checkpoint_every_s": 1e9}, polls=3)
    run.engine._drain = lambda: None
    run.run()
    assert store.load("p").next_offset == 700
    assert store.load("p").meta["counters"]["rows"] == 0


def test_members_of_a_group_share_a_state_folder(tmp_path, state):
    one, two = state("shared"), state("shared")
    assert one.folder == two.folder
    with pytest.raises(StateError, match="is locked"):
        FileStateStore(one.folder, "00" * 32)


def test_members_of_a_group_leave_the_temporary_files_of_others(tmp_path, state):
    folder = state("shared").folder
    (folder / "young.tmp").write_bytes(b"somebody writes")
    state("shared")
    assert (folder / "young.tmp").exists()


class Transactional(ListSink):
    """Output is visible once it is committed; what was only flushed is gone after a crash."""

    def __init__(self, answers=()):
        super().__init__()
        self.bound, self.at, self.visible = None, {}, {}
        self.answers = list(answers)
        self.outage = ""

    def bind(self, source):
        self.bound = source

    def committed(self, partitions):
        return {name: self.at.get(name) for name in partitions}

    def commit(self, offsets):
        answer = self.answers.pop(0) if self.answers else CommitResult.OK
        if answer is CommitResult.OK:
            for name, offset in offsets.items():
                self.at[name] = offset
                held = self._flushed[name]
                self.visible[name] = (
                    self.scores[name][: held["scores"]],
                    self.alerts[name][: held["alerts"]],
                )
        return answer

    def crash(self):
        self.scores = {name: list(seen[0]) for name, seen in self.visible.items()}
        self.alerts = {name: list(seen[1]) for name, seen in self.visible.items()}


@pytest.mark.parametrize("commits", [0, 1, 2, 5])
def test_a_snapshot_that_was_not_committed_is_passed_over(live, state, calm, commits):
    """After so many commits none succeeds any more, and the process dies."""
    sink, store = Transactional([CommitResult.OK] * commits), state()
    sink.answers += [CommitResult.REBALANCING] * 99
    first = live(sinks=[sink], store=store, polls=9)
    first.engine._drain = lambda: None
    first.run()
    assert sink.bound is first.source
    assert max(store.load(name).next_offset for name in "pq") > max(sink.at.values(), default=0)
    sink.crash()
    sink.answers = []
    live(sinks=[sink], store=store).run()
    assert_same(calm, sink)
    assert [seen[0] for seen in sink.visible.values()] == list(sink.scores.values())


def test_the_offsets_are_committed_by_such_a_sink_and_not_by_the_source(live):
    run = live(sinks=[Transactional()])
    run.run()
    assert not [call for call in run.source.calls if call[0] == "commit"]
    assert run.telemetry.commits["ok"] > 5


def test_two_sinks_cannot_both_commit_the_offsets(live):
    with pytest.raises(ConfigError, match="one sink at most"):
        live(sinks=[Transactional(), Transactional()])


class PutOff(Transactional):
    """The group moves while the process drains: so many commits come to nothing."""

    def __init__(self, times):
        super().__init__()
        self.left, self.draining = times, lambda: False

    def commit(self, offsets):
        if self.draining() and self.left:
            self.left -= 1
            self.outage = "the group moves"
            return CommitResult.REBALANCING
        self.outage = ""
        return super().commit(offsets)


def test_a_commit_that_is_put_off_while_draining_is_tried_again(live, calm):
    sink = PutOff(3)
    run = live(sinks=[sink])
    sink.draining = lambda: run.telemetry.draining
    run.run()
    assert run.telemetry.commits["rebalancing"] == 3
    assert_same(calm, sink)
    assert [seen[0] for seen in sink.visible.values()] == list(sink.scores.values())


def test_a_drain_whose_commit_never_comes_through_says_so(live):
    sink = PutOff(10**9)
    run = live(sinks=[sink], settings={"drain_timeout_s": 0.1})
    sink.draining = lambda: run.telemetry.draining
    with pytest.raises(DrainTimedOut, match=r"\(the group moves\); nothing is lost, the next run"):
        run.run()
    (health,) = run.telemetry.sinks
    assert health.failing_since_s is not None
    assert health.detail == "the group moves"


def test_a_drain_gives_up_what_the_group_has_taken_away(live):
    sink = PutOff(99)
    run = live(sinks=[sink], polls=8, settings={"drain_timeout_s": 60.0})
    sink.draining = run.stop.is_set
    events = run.source.events

    def lost():
        found = events()
        if sink.left < 97:
            sink.left = 0
            return [*found, Lost(("p",))]
        return found

    run.source.events = lost
    run.run()
    assert sink.at["q"] == 400
    assert sink.at["p"] < 400


def test_offsets_that_the_source_did_not_take_at_the_end_are_not_called_committed(live):
    run = live(polls=8)
    run.source.commit = lambda offsets: CommitResult.REBALANCING
    assert not run.run().committed
    assert live(polls=8).run().committed


class Silent(LiveSource):
    """Nobody knows yet where its partitions begin."""

    def poll(self, timeout_s, max_rows):
        super().poll(timeout_s, max_rows)
        return []


def test_a_partition_that_has_not_begun_has_no_snapshot(live, state):
    """One of row 0 would let its next owner read a topic from there, whatever start says."""
    store = state()
    run = live(source=Silent(batches(), script={3: [Revoked(("p",))]}), store=store, polls=9)
    run.run()
    assert [store.load(name) for name in "pq"] == [None, None]
    assert not [call for call in run.source.calls if call[0] == "commit"]
