"""The loop: what it checkpoints, how it stops, how it goes on."""

from __future__ import annotations

import json
import threading

import numpy as np
import pyarrow.parquet as pq
import pytest
from streamad_connectors import parquet_parts, parquet_sink
from streamad_connectors.parquet_sink import ParquetScoreSink

from streamad.alerting import EpisodeMachine, EpisodeRules
from streamad.core.data import Reject, Schema
from streamad.core.errors import Backpressure, StateError
from streamad.core.protocols import Lost, Revoked
from streamad.detectors.registry import make_detector
from streamad.pipeline import Pipeline, Stage
from streamad.runtime.checkpoints import FileStateStore, list_checkpoints
from streamad.runtime.deadletter import DeadLetterFile
from streamad.runtime.engine import Engine, EngineSettings
from streamad.testing.fakes import FakeClock, ListSink, ListSource
from streamad.testing.streams import Recipe, channel_names, make_batch, pieces, series_name
from streamad.thresholds import make_threshold
from streamad.windowing.event_time import EventTime
from streamad.windowing.pending import FixedLag
from streamad.windowing.sliding import Sliding

ROWS = 1200
MARK = "ef" * 32
OPEN: list[FileStateStore] = []


def make_pipeline(_partition: str = "p") -> Pipeline:
    detector = make_detector("knn", {"length": 8, "warm_up": 60})
    stage = Stage(
        "near",
        detector,
        Sliding(detector.window),
        FixedLag(detector.lag + 1),
        make_threshold("quantile", {"q": 0.97}),
        EpisodeMachine(
            EpisodeRules(), pipeline="plant", detector="near", detector_type="knn", labels={}
        ),
    )
    pipeline = Pipeline("plant", EventTime(), [stage])
    pipeline.open(channel_names(1))
    return pipeline


def make_source(partitions=("p",), cut: int = 100) -> ListSource:
    batches = []
    for number, partition in enumerate(partitions):
        stream = Recipe(number, ("sine", "noise"), 1, ROWS, spikes=6).stream()
        schema = Schema(channel_names(1), [series_name(0), series_name(1)])
        batches += [
            make_batch(schema, stream.take(span), span.start, partition)
            for span in pieces(ROWS, cut)
        ]
    return ListSource(batches)


@pytest.fixture(autouse=True)
def _close_stores():
    yield
    while OPEN:
        OPEN.pop().close()


def state(tmp_path, folder: str = "state", kind=FileStateStore) -> FileStateStore:
    OPEN.append(kind(tmp_path / folder, MARK))
    return OPEN[-1]


def engine(tmp_path, source=None, sink=None, store=None, **options) -> Engine:
    return Engine(
        source or make_source(),
        make_pipeline,
        [sink if sink is not None else ListSink()],
        store or state(tmp_path),
        DeadLetterFile(tmp_path / "rejects-{partition}.jsonl"),
        settings=options.pop("settings", EngineSettings(batch_rows=100, checkpoint_every_s=0.0)),
        **options,
    )


def table(sink: ListSink, partition: str = "p"):
    rows = sink.scores[partition]
    return (
        np.concatenate([r.times for r in rows]),
        np.concatenate([r.score for r in rows]),
        np.concatenate([r.score_final for r in rows]),
        [(a.id, a.seq, a.event, a.detected_ns) for a in sink.alerts[partition]],
    )


def assert_same(first: ListSink, second: ListSink, partition: str = "p") -> None:
    for a, b in zip(table(first, partition), table(second, partition), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def calm(tmp_path):
    sink = ListSink()
    summary = engine(tmp_path, sink=sink, store=state(tmp_path, "calm")).run()
    assert summary.finished
    return sink


def test_a_run_takes_every_row_and_resolves_what_is_open(calm):
    times, score, _, alerts = table(calm)
    assert len(times) == ROWS
    assert np.count_nonzero(~np.isnan(score)) > ROWS // 2
    assert len([a for a in alerts if a[2] == "open"]) == len(
        [a for a in alerts if a[2] == "resolve"]
    )
    assert calm.finished == {"p"}


@pytest.mark.parametrize("after", [1, 4, 11])
def test_a_stopped_run_goes_on_and_ends_as_if_never_stopped(tmp_path, calm, after):
    stop, sink = threading.Event(), ListSink()
    seen = []

    def count(progress):
        seen.append(progress.rows)
        if len(seen) == after:
            stop.set()

    store = state(tmp_path)
    first = engine(tmp_path, sink=sink, store=store, on_progress=count, stop=stop).run()
    assert not first.finished
    assert first.counters.rows == 100 * after
    second = engine(tmp_path, sink=sink, store=store).run()
    assert second.finished
    assert second.resumed_at == {"p": 100 * after}
    assert second.counters.rows == ROWS
    assert_same(calm, sink)


@pytest.mark.parametrize("damaged", [0, 1, 2])
def test_old_scores_are_packed_and_every_snapshot_that_is_left_still_has_its_own(
    tmp_path, monkeypatch, damaged
):
    for module in (parquet_parts, parquet_sink):
        monkeypatch.setattr(module, "PACK", 2)
    monkeypatch.setattr(parquet_parts, "_FOREIGN_S", -1.0)

    def finished(name, stops=0):
        path, store, stop = tmp_path / name, state(tmp_path, f"{name}-state"), threading.Event()
        if stops:
            told = iter(range(stops))
            halted = engine(
                tmp_path, sink=ParquetScoreSink(str(path)), store=store, stop=stop,
                on_progress=lambda _: next(told, None) is None and stop.set(),
            ).run()  # fmt: skip
            assert not halted.finished
            assert len([*tmp_path.glob(f"{name}.parts/*-from*")]) > 0
            for snapshot, *_ in [*list_checkpoints(store.folder)][-damaged:][:damaged]:
                snapshot.write_bytes(b"torn")
        assert engine(tmp_path, sink=ParquetScoreSink(str(path)), store=store).run().finished
        return repr(pq.read_table(path).to_pydict())

    calm = finished("calm")
    assert finished("stopped", 9) == calm


def test_a_run_that_dies_between_checkpoints_repeats_nothing_in_its_output(tmp_path, calm):
    class Dying(ListSink):
        writes = 0

        def write(self, partition, scores, alerts):
            super().write(partition, scores, alerts)
            self.writes += 1
            if self.writes == 7:
                raise RuntimeError("the power is gone")

    sink, store = Dying(), state(tmp_path)
    settings = EngineSettings(batch_rows=100, checkpoint_every_s=3.0)
    clock = FakeClock()
    with pytest.raises(RuntimeError):
        engine(
            tmp_path,
            sink=sink,
            store=store,
            settings=settings,
            clock=clock,
            on_progress=lambda _: clock.advance(1.0),
        ).run()
    assert [offset for _, _, offset, _ in list_checkpoints(tmp_path / "state")] == [300, 600]
    assert engine(tmp_path, sink=sink, store=store).run().resumed_at == {"p": 600}
    assert_same(calm, sink)


def test_the_offsets_that_are_committed_are_those_of_the_snapshots(tmp_path):
    source = make_source()
    engine(tmp_path, source=source).run()
    assert source.committed == {"p": ROWS}


def test_partitions_have_states_of_their_own(tmp_path, calm):
    sink = ListSink()
    summary = engine(tmp_path, source=make_source(("p", "q")), sink=sink).run()
    assert summary.counters.rows == 2 * ROWS
    assert_same(calm, sink)
    assert len(table(sink, "q")[0]) == ROWS


def test_three_snapshots_are_kept(tmp_path):
    store = state(tmp_path)
    engine(tmp_path, store=store).run()
    assert len(list(list_checkpoints(tmp_path / "state"))) == 3


def test_failing_checkpoints_stop_the_run_only_after_many_in_a_row(tmp_path):
    class Full(FileStateStore):
        attempts = 0

        def save(self, checkpoint):
            Full.attempts += 1
            raise StateError("the disk is full")

    settings = EngineSettings(batch_rows=100, checkpoint_every_s=0.0, max_failed_checkpoints=4)
    with pytest.raises(StateError, match="disk is full"):
        engine(tmp_path, store=state(tmp_path, kind=Full), settings=settings).run()
    assert Full.attempts == 4


def test_a_sink_that_pushes_back_gets_its_rows_again(tmp_path, calm):
    class Busy(ListSink):
        refusals = 3

        def write(self, partition, scores, alerts):
            if self.refusals:
                self.refusals -= 1
                raise Backpressure("the queue is full", retry_after_s=0.001)
            super().write(partition, scores, alerts)

    sink = Busy()
    engine(tmp_path, sink=sink).run()
    assert_same(calm, sink)


def test_rejected_rows_are_kept_and_counted(tmp_path):
    class Refusing(ListSource):
        told = False

        def rejects(self):
            if self.told:
                return []
            self.told = True
            return [Reject("p", 3, "time", "expected a time after 1970, got -5", {"ts": -5})]

    source = Refusing(make_source().batches)
    summary = engine(tmp_path, source=source).run()
    assert summary.counters.rejects == {"time": 1}
    kept = json.loads((tmp_path / "rejects-p.jsonl").read_text())
    assert (kept["reason"], kept["offset"], kept["row"]) == ("time", 3, {"ts": -5})


class Rebalanced(ListSource):
    """Gives partition p away once 500 rows of it were polled, of which 400 were processed."""

    event_type = Revoked
    polls = 0

    def events(self):
        if self._next["p"] == 500 and "p" not in self._paused:
            self.pause(["p"])
            self.seek("p", ROWS)
            return [self.event_type(("p",))]
        return super().events()


def test_a_revoked_partition_is_checkpointed_and_forgotten(tmp_path):
    store = state(tmp_path)
    source = Rebalanced(make_source(("p", "q")).batches)
    summary = engine(tmp_path, source=source, store=store).run()
    assert store.load("p").next_offset == 400
    assert not store.load("p").meta["finished"]
    assert summary.counters.rows == ROWS


def test_a_lost_partition_is_dropped_without_a_checkpoint(tmp_path):
    class Taken(Rebalanced):
        event_type = Lost

    store = state(tmp_path)
    settings = EngineSettings(batch_rows=100, checkpoint_every_s=1e9)
    engine(
        tmp_path, source=Taken(make_source(("p", "q")).batches), store=store, settings=settings
    ).run()
    assert store.load("p") is None
    assert store.load("q").next_offset == ROWS
