"""A record on which the process dies is found, put with the dead letters, left out for ever."""

from __future__ import annotations

import json

import numpy as np
import pytest
from reference.live import ROWS, assert_same, batches, make_pipeline, table

from streamad.core.data import Batch, Reject
from streamad.runtime.inflight import CAREFUL_AFTER, PROOFS, InFlight
from streamad.testing.fakes import LiveSource

DEADLY = 1e6
AT = 137
SUSPECT = json.dumps({"owner": "gone", "deaths": CAREFUL_AFTER, "reach": 200})


class Death(BaseException):
    """Nobody catches it, as nobody catches a signal."""


def poisoned(at=(AT,), without=False):
    """The rows of p and q; those of p at these offsets are deadly, or are not there."""
    found = []
    for batch in batches():
        offsets = np.array([batch.offset(row) for row in range(len(batch))])
        hit = np.isin(offsets, at) & (batch.partition == "p")
        if not hit.any():
            found.append(batch)
            continue
        keep = ~hit if without else np.ones(len(batch), bool)
        values = np.where(hit[:, None], DEADLY, batch.values)
        found.append(
            Batch(
                batch.schema, batch.codes[keep], batch.times[keep], values[keep],
                batch.partition, batch.next_offset, offsets[keep],
            )
        )  # fmt: skip
    return found


class Holes(LiveSource):
    """Gives its batches whole, whatever their offsets are."""

    def _cut(self, partition, max_rows):
        start = self._next[partition]
        for batch in self.batches:
            if batch.partition == partition and start < batch.next_offset:
                rows = np.array([batch.offset(r) >= start for r in range(len(batch))])
                return Batch(
                    batch.schema, batch.codes[rows], batch.times[rows], batch.values[rows],
                    partition, batch.next_offset,
                    np.array([batch.offset(r) for r in np.flatnonzero(rows)]),
                )  # fmt: skip
        return None


def deadly_pipeline(_partition):
    pipeline = make_pipeline()
    process = pipeline.process

    def process_or_die(batch):
        if (batch.values == DEADLY).any():
            raise Death
        return process(batch)

    pipeline.process = process_or_die
    return pipeline


@pytest.fixture
def start(live, state):
    """Start a process; the run, or None if it died."""
    store = state()

    def make(rows, **options):
        run = live(
            source=Holes(rows), store=store, in_flight=InFlight(store.folder),
            make_pipeline=deadly_pipeline, settings={"checkpoint_every_s": 1.5}, **options,
        )  # fmt: skip
        try:
            run.run()
        except Death:
            return None
        return run

    make.folder = store.folder
    return make


def until_it_lives(start, rows, **options):
    """Start again and again; the run that lives, and how many died before."""
    for died in range(20):
        run = start(rows, **options)
        if run is not None:
            return run, died
    raise AssertionError("it never gets past the record")


def marks(folder):
    return sorted(path.name for path in folder.glob("*.running"))


def test_it_gets_past_the_record_and_all_else_is_as_without_it(start, live, state, tmp_path):
    (tmp_path / "calm").mkdir()
    calm = live(source=Holes(poisoned(without=True)), store=state("calm-state"))
    calm.run()
    run, died = until_it_lives(start, poisoned())
    assert died == 1 + CAREFUL_AFTER + PROOFS
    first = run.source.calls[0][2]
    for partition, n_before in (("p", first), ("q", None)):
        times, scores, alerts = table(run.sink, partition)
        whole = table(calm.sink, partition)
        assert n_before is None or len(times) == ROWS - 1 - n_before
        np.testing.assert_array_equal(times, whole[0][-len(times) :])
        np.testing.assert_array_equal(scores, whole[1][-len(times) :])
        assert alerts == whole[2][-len(alerts) :]
    lines = (tmp_path / "rejects-p.jsonl").read_text().splitlines()
    (line,) = map(json.loads, lines)
    assert (line["reason"], line["offset"]) == ("crash", AT)
    assert list(line["row"]["values"].values()) == [DEADLY]
    assert run.telemetry.rejects == {"crash": 1}


def test_a_replay_leaves_it_out_at_once(start):
    until_it_lives(start, poisoned())
    for path in start.folder.glob("p@*.ckpt"):
        path.unlink()
    run, died = until_it_lives(start, poisoned())
    assert died == 0
    assert run.telemetry.rejects == {"crash": 1}


def test_two_records_are_both_found(start):
    run, _ = until_it_lives(start, poisoned(at=(AT, AT + 3)))
    assert len(table(run.sink, "p")[0]) <= ROWS - 2
    assert json.loads((start.folder / "p.running").read_text())["skip"] == [AT, AT + 3]


def test_a_process_that_ends_by_itself_leaves_no_mark(start):
    assert start(batches()) is not None
    assert marks(start.folder) == []


def test_a_process_that_is_killed_while_it_waits_blames_nobody(start, monkeypatch):
    half = [batch for batch in batches() if batch.next_offset <= ROWS // 2]
    start(half)
    with monkeypatch.context() as killed:
        killed.setattr(InFlight, "end_all", lambda _: None)
        for _ in range(12):
            assert start(half, polls=3) is not None
    assert marks(start.folder) == ["p.running", "q.running"]
    run = start(batches())
    assert (run.telemetry.rejects, run.telemetry.rows) == ({}, ROWS)
    assert marks(start.folder) == []


class SomeBad(LiveSource):
    """Refuses some records of p besides."""

    places = (20, 47, 120, 121, 199, 333)

    def rejects(self):
        return self.bad

    def poll(self, timeout_s, max_rows):
        found = super().poll(timeout_s, max_rows)
        read = [range(b.offset(0), b.next_offset) for b in found if b.partition == "p"]
        self.bad = [Reject("p", at, "time", "?", {}) for at in self.places for r in read if at in r]
        return found


def test_taken_record_by_record_others_have_their_turn(live, state, calm, tmp_path):
    store = state()
    (store.folder / "p.running").write_text(
        json.dumps({"owner": "gone", "deaths": 3, "reach": 200})
    )

    def slow(_partition):
        pipeline = make_pipeline()
        process = pipeline.process

        def process_slowly(batch):
            run.clock.advance(1.0)
            return process(batch)

        pipeline.process = process_slowly
        return pipeline

    run = live(
        source=SomeBad(batches()), store=store, in_flight=InFlight(store.folder),
        make_pipeline=slow, polls=80,
    )  # fmt: skip
    run.run()
    assert_same(calm, run.sink)
    assert len([call for call in run.source.calls if call[:2] == ("seek", "p")]) > 20
    kept = [json.loads(line) for line in (tmp_path / "rejects-p.jsonl").read_text().splitlines()]
    assert tuple(line["offset"] for line in kept) == SomeBad.places
    assert marks(store.folder) == []


def test_a_stop_while_records_are_taken_one_by_one_is_no_death(live, state):
    store = state()
    (store.folder / "p.running").write_text(
        json.dumps({"owner": "gone", "deaths": 3, "reach": 200})
    )
    run = live(source=LiveSource(batches()), store=store, in_flight=InFlight(store.folder), polls=1)
    run.run()
    assert 0 < run.telemetry.rows < 60
    assert store.load("p").next_offset == 1
    assert marks(store.folder) == []


def test_a_mark_of_another_position_counts_nothing(tmp_path):
    InFlight(tmp_path).begin("p", 100)
    InFlight(tmp_path).begin("p", 200)
    InFlight(tmp_path).begin("p", 200)
    assert json.loads((tmp_path / "p.running").read_text())["deaths"] == 1


def test_whoever_lost_a_partition_leaves_the_mark_of_its_new_owner(tmp_path):
    before, after = InFlight(tmp_path), InFlight(tmp_path)
    before.begin("p", 100)
    after.begin("p", 100)
    before.end(["p"])
    assert (tmp_path / "p.running").exists()
    after.end(["p"])
    assert not (tmp_path / "p.running").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"colour": 1}'])
def test_a_mark_that_cannot_be_read_is_none(tmp_path, caplog, text):
    (tmp_path / "p.running").write_text(text)
    flight = InFlight(tmp_path)
    flight.begin("p", 7)
    assert "tells nothing" in caplog.text
    flight.end_all()
    assert not (tmp_path / "p.running").exists()
