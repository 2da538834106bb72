"""Poll, process, write, checkpoint: a pipeline per partition between a source and its sinks."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streamad.core.data import Batch, Checkpoint, Reject
from streamad.core.errors import Backpressure, StateError
from streamad.core.protocols import Assigned, Lost, Revoked, Sink, Source, StateStore
from streamad.pipeline import Output, Pipeline
from streamad.runtime.checkpoints import crash_point
from streamad.runtime.deadletter import DeadLetterFile
from streamad.runtime.telemetry import Counters, Progress, Summary

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the loop runs; nothing here changes what comes out.

    Attributes
    ----------
    batch_rows : int
        Rows polled at once per partition.
    poll_timeout_s : float
        Longest wait for rows.
    checkpoint_every_s : float
        Seconds of the injected clock between checkpoints.
    keep : int
        Snapshots kept per partition.
    max_failed_checkpoints : int
        Failures in a row after which the engine stops.
    """

    batch_rows: int = 65_536
    poll_timeout_s: float = 0.2
    checkpoint_every_s: float = 10.0
    keep: int = 3
    max_failed_checkpoints: int = 10


@dataclass(slots=True)
class _Partition:
    """What the engine holds for one assigned partition."""

    pipeline: Pipeline
    next_offset: int = 0
    counters: Counters = field(default_factory=Counters)
    finished: bool = False
    dirty: bool = True


class Engine:
    """The loop of a consumer process or a backtest.

    Parameters
    ----------
    source : Source
    make_pipeline : callable
        Builds the (opened) pipeline of a partition.
    sinks : sequence of Sink
    store : StateStore or None
        None = no checkpoints.
    dead_letter : DeadLetterFile
        Takes rejected rows.
    settings : EngineSettings
    on_progress : callable, optional
        Called after every batch.
    stop : threading.Event, optional
        Set it to drain: finish the batch in hand, checkpoint, return.
    clock, sleep : callable
        Monotonic seconds, and a wait for some. State never sees them.

    Notes
    -----
    Checkpoint protocol: finish the batch; flush sinks and dead letters; write and rename the
    snapshot of each partition; commit offsets (a hint); prune. Between every two steps there is a
    crash point. On assignment the newest valid snapshot decides where reading goes on.
    """

    def __init__(
        self,
        source: Source,
        make_pipeline: Callable[[str], Pipeline],
        sinks: Sequence[Sink],
        store: StateStore | None,
        dead_letter: DeadLetterFile,
        *,
        settings: EngineSettings | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        stop: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._source = source
        self._make_pipeline = make_pipeline
        self._sinks = tuple(sinks)
        self._store = store
        self._dead_letter = dead_letter
        self._settings = settings or EngineSettings()
        self._on_progress = on_progress
        self._stop = stop or threading.Event()
        self._clock = clock
        self._sleep = sleep
        self._partitions: dict[str, _Partition] = {}
        self._resumed_at: dict[str, int] = {}
        self._failed = 0
        self._rows_here = 0
        self._started = 0.0

    def run(self) -> Summary:
        """Run until the source ends or ``stop`` is set; closes source and sinks.

        Raises
        ------
        StateError
            When snapshots cannot be used, or could not be written many times in a row.
        ConnectorError
            When source or sinks fail for good.
        """
        self._started = last = self._clock()
        finished = False
        try:
            while not self._stop.is_set():
                self._follow_assignment()
                batches = self._source.poll(
                    self._settings.poll_timeout_s, self._settings.batch_rows
                )
                for batch in batches:
                    self._process(batch)
                self._keep_rejects(self._source.rejects())
                if not batches and self._source.exhausted():
                    self._finish()
                    finished = True
                    break
                if self._clock() - last >= self._settings.checkpoint_every_s:
                    self._try_checkpoint(list(self._partitions))
                    last = self._clock()
            if not finished:
                self._checkpoint(list(self._partitions))
        finally:
            with ExitStack() as stack:
                stack.callback(self._source.close)
                stack.callback(self._dead_letter.close)
                for sink in reversed(self._sinks):
                    stack.callback(sink.close)
        return self._summary(finished)

    def _follow_assignment(self) -> None:
        for event in self._source.events():
            if isinstance(event, Assigned):
                for partition in event.partitions:
                    self._assign(partition)
            elif isinstance(event, Revoked):
                held = [p for p in event.partitions if p in self._partitions]
                self._try_checkpoint(held)
                for partition in held:
                    del self._partitions[partition]
            elif isinstance(event, Lost):
                for partition in event.partitions:
                    self._partitions.pop(partition, None)

    def _assign(self, name: str) -> None:
        held = _Partition(self._make_pipeline(name))
        checkpoint = self._store.load(name) if self._store else None
        positions: Sequence[Mapping[str, Any] | None] = [None] * len(self._sinks)
        dead_letter: Mapping[str, Any] | None = None
        if checkpoint is not None:
            self._refuse_changed(name, checkpoint.meta.get("source"))
            held.pipeline.restore(checkpoint.arrays)
            held.next_offset = checkpoint.next_offset
            held.counters = Counters(**checkpoint.meta["counters"])
            held.finished = bool(checkpoint.meta["finished"])
            held.dirty = False
            positions, dead_letter = checkpoint.meta["sinks"], checkpoint.meta["dead_letter"]
            log.info("partition %s goes on at row %s", name, checkpoint.next_offset)
        self._source.seek(name, held.next_offset)
        for sink, position in zip(self._sinks, positions, strict=True):
            sink.open(name, position)
        self._dead_letter.open(name, dead_letter)
        self._partitions[name] = held
        self._resumed_at[name] = held.next_offset

    def _refuse_changed(self, name: str, before: object) -> None:
        """A snapshot goes on over the data that it was made from, or not at all."""
        now = _plain(self._source.identity)
        if before != now:
            raise StateError(
                f"partition {name!r}: the source has changed since the snapshot ({before} then, "
                f"{now} now): restore the data, or start in an empty folder"
            )

    def _process(self, batch: Batch) -> None:
        held = self._partitions[batch.partition]
        if held.finished:
            return
        out = held.pipeline.process(batch)
        held.next_offset = batch.next_offset
        held.dirty = True
        held.counters.rows += len(batch)
        self._rows_here += len(batch)
        self._write(batch.partition, held, out)
        crash_point("after_batch")
        if self._on_progress is not None:
            self._on_progress(self._progress())

    def _write(self, partition: str, held: _Partition, out: Output) -> None:
        for sink in self._sinks:
            while True:
                try:
                    sink.write(partition, out.scores, out.alerts)
                except Backpressure as full:
                    log.warning("%s; trying again in %s s", full, full.retry_after_s)
                    self._sleep(full.retry_after_s)
                    continue
                break
        self._dead_letter.write(partition, out.rejects)
        _count(held.counters, out)

    def _keep_rejects(self, rejects: Sequence[Reject]) -> None:
        for reject in rejects:
            held = self._partitions.get(reject.partition)
            if held is not None:
                self._dead_letter.write(reject.partition, [reject])
                if reject.offset is not None:
                    held.next_offset = max(held.next_offset, reject.offset + 1)
                held.dirty = True
                seen = held.counters.rejects
                seen[reject.reason] = seen.get(reject.reason, 0) + 1

    def _finish(self) -> None:
        """The source has ended: checkpoint, release what waits, checkpoint, complete the output.

        A crash between the two checkpoints repeats the release; one after the second repeats only
        the completion, which every sink can do twice.
        """
        names = list(self._partitions)
        self._checkpoint(names)
        for name, held in self._partitions.items():
            if not held.finished:
                self._write(name, held, held.pipeline.finish())
                held.finished = held.dirty = True
        crash_point("after_finish")
        self._checkpoint(names)
        for name in names:
            for sink in self._sinks:
                sink.finish(name)
        if self._on_progress is not None:
            self._on_progress(self._progress())

    def _try_checkpoint(self, names: Sequence[str]) -> None:
        """Checkpoint; a failure is counted and the run goes on, up to a limit."""
        try:
            self._checkpoint(names)
        except StateError as error:
            self._failed += 1
            log.error("checkpoint failed (%s in a row): %s", self._failed, error)  # noqa: TRY400
            if self._failed >= self._settings.max_failed_checkpoints:
                raise

    def _checkpoint(self, names: Sequence[str]) -> None:
        if self._store is None:
            for name in names:
                for sink in self._sinks:
                    sink.flush(name, self._partitions[name].next_offset)
                self._dead_letter.flush(name)
            return
        offsets: dict[str, int] = {}
        for name in names:
            held = self._partitions[name]
            if not held.dirty:
                continue
            positions = [dict(sink.flush(name, held.next_offset)) for sink in self._sinks]
            meta = {
                "sinks": positions,
                "dead_letter": dict(self._dead_letter.flush(name)),
                "counters": held.counters.document(),
                "finished": held.finished,
                "source": _plain(self._source.identity),
            }
            crash_point("after_flush")
            self._store.save(
                Checkpoint(
                    name,
                    held.next_offset,
                    self._store.fingerprint,
                    held.pipeline.snapshot(),
                    meta,
                )
            )
            crash_point("after_fsync")
            held.dirty = False
            offsets[name] = held.next_offset
        self._source.commit(offsets)
        crash_point("after_commit")
        for name in offsets:
            self._store.prune(name, self._settings.keep)
        crash_point("after_prune")
        self._failed = 0

    def _progress(self) -> Progress:
        whole = self._totals()
        marks = [held.pipeline.watermark_ns for held in self._partitions.values()]
        known = [mark for mark in marks if mark is not None]
        seconds = max(self._clock() - self._started, 1e-9)
        return Progress(
            whole.rows,
            self._source.total_rows,
            self._rows_here / seconds,
            whole.opened,
            min(known, default=None),
        )

    def _totals(self) -> Counters:
        whole = Counters()
        for held in self._partitions.values():
            whole.add(held.counters)
        return whole

    def _summary(self, finished: bool) -> Summary:  # noqa: FBT001
        held = list(self._partitions.values())
        return Summary(
            self._totals(),
            self._clock() - self._started,
            self._rows_here,
            sum(part.pipeline.series_count() for part in held),
            finished,
            dict(self._resumed_at),
        )


def _plain(identity: Mapping[str, Any]) -> Any:
    """As JSON gives it back."""
    return json.loads(json.dumps(identity))


def _count(counters: Counters, out: Output) -> None:
    for rows in out.scores:
        counters.scores += len(rows)
        counters.judged += int(np.count_nonzero(~np.isnan(rows.score)))
    for reject in out.rejects:
        counters.rejects[reject.reason] = counters.rejects.get(reject.reason, 0) + 1
    counters.events += len(out.alerts)
    for alert in out.alerts:
        if alert.event == "open":
            counters.opened += 1
        elif alert.event == "resolve":
            closed = counters.episodes
            closed[alert.severity] = closed.get(alert.severity, 0) + 1
