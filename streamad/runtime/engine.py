"""Poll, process, write, checkpoint: a pipeline per partition between a source and its sinks.

Longer than other files: every turn that the loop can take is on one page.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, TypeVar

from streamad.core.data import Batch, Reject
from streamad.core.errors import (
    Backpressure,
    DataLost,
    DetectorError,
    Disconnected,
    DrainTimedOut,
    StreamadError,
)
from streamad.core.protocols import (
    Assigned,
    DataGap,
    DeadLetter,
    Lost,
    Revoked,
    Settled,
    Sink,
    Source,
    SourceEvent,
    StateStore,
)
from streamad.pipeline import Output, Pipeline
from streamad.runtime.checkpointing import Checkpointer
from streamad.runtime.checkpoints import crash_point
from streamad.runtime.inflight import InFlight, crash_reject
from streamad.runtime.notices import failure_reject, gap_output, lost_output
from streamad.runtime.outputs import Outputs
from streamad.runtime.partition import Partition
from streamad.runtime.restoring import Restorer
from streamad.runtime.settings import EngineSettings
from streamad.runtime.spans import Spans, no_spans
from streamad.runtime.telemetry import Counters, PartitionHealth, Progress, Summary, Telemetry
from streamad.runtime.watch import Watch

__all__ = ["Engine", "EngineSettings"]

log = logging.getLogger(__name__)
T = TypeVar("T")

RECONNECT_S = 1.0
LONGEST_NAP_S = 0.5
LONGEST_CARE_S = 5.0
LOG_EVERY_S = 10.0


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
    dead_letter : DeadLetter
        Takes rejected rows.
    settings : EngineSettings
    telemetry : Telemetry, optional
        Made for these sinks; the engine keeps it up to date.
    on_progress : callable, optional
        Called after every batch.
    on_output : callable, optional
        Called with every batch and what came out of it, after the sinks.
    in_flight : InFlight, optional
        Remembers what was in hand when processes died.
    spans : Spans
        Opens a span for each step of the loop.
    stop : threading.Event, optional
        Set it to drain: finish the batch in hand, checkpoint, return.
    clock, sleep : callable
        Monotonic seconds, and a wait for some. State never sees them.

    Notes
    -----
    Checkpoint protocol: see :class:`.Checkpointer`; between every two steps there is a crash point.
    On assignment the newest valid snapshot decides where reading goes on; on revocation there is a
    checkpoint within a time budget; on loss what was not flushed is dropped. Nothing that is
    refused is skipped: its partition is paused until it is taken. A detector that raises leads
    back to the newest snapshot, and from there carefully on, see :class:`.Guard`.
    """

    def __init__(
        self,
        source: Source,
        make_pipeline: Callable[[str], Pipeline],
        sinks: Sequence[Sink],
        store: StateStore | None,
        dead_letter: DeadLetter,
        *,
        settings: EngineSettings | None = None,
        telemetry: Telemetry | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        on_output: Callable[[Batch, Output], None] | None = None,
        in_flight: InFlight | None = None,
        spans: Spans = no_spans,
        stop: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._source = source
        self._make_pipeline = make_pipeline
        self._store = store
        self._settings = settings or EngineSettings()
        self.telemetry = telemetry or Telemetry(
            [type(sink).__name__ for sink in sinks], clock=clock
        )
        self._on_progress = on_progress
        self._on_output = on_output
        self._in_flight = in_flight or InFlight(None)
        self._spans = spans
        self._stop = stop or threading.Event()
        self._clock = clock
        self._sleep = sleep
        self._outputs = Outputs(sinks, dead_letter, self.telemetry, clock)
        self._checkpointer = Checkpointer(
            source, self._outputs, store, self._settings, self.telemetry, clock, spans
        )
        self._restorer = Restorer(source, self._outputs, store, self._settings.on_lost)
        self._watch = Watch(source, self.telemetry, self._settings.stall_after_s, clock)
        self._held: dict[str, Partition] = {}
        self._paused: set[str] = set()
        self._careful: dict[str, set[str]] = {}
        self._resumed_at: dict[str, int] = {}
        self._rows_here = 0
        self._started, self._told_at = 0.0, -LOG_EVERY_S

    def run(self) -> Summary:
        """Run until the source ends or ``stop`` is set; closes source and sinks.

        Raises
        ------
        StateError
            When snapshots cannot be used, or could not be written many times in a row.
        ConnectorError
            When source or sinks fail for good.
        DrainTimedOut
            When sinks did not take everything in time after a stop.
        """
        self._started = last = self._clock()
        finished = False
        try:
            self._outputs.bind(self._source)
            while not self._stop.is_set() and not finished:
                with self._step("batch"):
                    ended = self._turn()
                    if not ended and self._clock() - last >= self._settings.checkpoint_every_s:
                        self._checkpointer.attempt(self._held.values())
                        last = self._clock()
                if ended:
                    with self._step("finish"):
                        finished = self._finish()
            if not finished:
                with self._step("drain"):
                    self._drain()
            self._in_flight.end_all()
        except StreamadError:
            self._in_flight.end_all()
            raise
        finally:
            with ExitStack() as stack:
                stack.callback(self._source.close)
                stack.callback(self._outputs.close)
        return self._summary(finished)

    def _step(self, name: str, **attributes: str | int) -> AbstractContextManager[object]:
        """The context of a step, for those who ask where the time goes or why it stands still."""
        self.telemetry.doing = name
        return self._spans(name, **attributes)

    def _turn(self) -> bool:
        """One turn of the loop; True when the source has ended."""
        self.telemetry.tick()
        self._follow(self._reached(self._source.events))
        with self._step("poll"):
            batches = self._reached(self._poll)
        refused = self._source.rejects()
        moved = self._follow(self._reached(self._source.events))
        begins = _begins(batches, refused)
        left: dict[str, int] = {}
        for batch in batches:
            self._take(batch, begins.get(batch.partition, batch.next_offset), moved, left)
        self._keep_rejects([reject for reject in refused if _is_behind(reject, moved, left)])
        self._deliver()
        waits = self._outputs.retry_in_s()
        self._watch.look(self._held, held_back=waits is not None)
        if batches or refused:
            return False
        if waits is not None:
            self._sleep(min(waits, LONGEST_NAP_S))
            return False
        return self._source.exhausted()

    def _poll(self) -> Sequence[Batch]:
        found = self._source.poll(self._settings.poll_timeout_s, self._settings.batch_rows)
        self.telemetry.source_worked()
        return found

    def _reached(self, ask: Callable[[], Sequence[T]]) -> Sequence[T]:
        """What the source answers; one that cannot be reached is asked again and again."""
        try:
            return ask()
        except Disconnected as error:
            if self._settings.fail_fast and not self._resumed_at:
                raise
            self.telemetry.source_failed()
            self._warn("%s; trying again", error)
            self._stop.wait(RECONNECT_S)
            return []

    def _follow(self, events: Iterable[SourceEvent]) -> set[str]:
        """Take in what the source tells; partitions that are read from elsewhere now."""
        moved: set[str] = set()
        for event in events:
            if isinstance(event, Assigned):
                self._count_rebalance("assign", event.partitions)
                self._restorer.expect(event.partitions)
                for name in event.partitions:
                    self._assign(name)
                moved.update(event.partitions)
            elif isinstance(event, DataGap):
                self._report_gap(event)
            elif isinstance(event, Settled):
                names = [name for name in event.partitions if name in self._held]
                if not self._keep_order(names):
                    moved.update(names)
            else:
                revoked = isinstance(event, Revoked)
                self._count_rebalance("revoke" if revoked else "lost", event.partitions)
                held = [name for name in event.partitions if name in self._held]
                if revoked:
                    self._give_back(held)
                for name in held:
                    self._forget(name)
                self._in_flight.end(held)
        return moved

    def _assign(self, name: str) -> bool:
        """Go on where the newest snapshot ends, True, or begin where there is none, False."""
        if name in self._held:
            self._forget(name)
        if name in self._paused:
            self._paused.discard(name)
            self._source.resume([name])
        held = Partition(name, self._make_pipeline(name))
        checkpoint, lost = self._insist(name, lambda: self._restorer.load(name))
        if checkpoint is None:
            found = {} if lost is None else self._outputs.found(name)
            self._open_outputs(name, found.get("sinks"), found.get("dead_letter"))
            held.begin_offset = self._insist(name, lambda: self._restorer.begin(name, lost))
            held.next_offset = held.begin_offset or 0
        else:
            self._restorer.recall(checkpoint)
            held.restore(checkpoint, self._source.identity)
            self._open_outputs(name, checkpoint.meta["sinks"], checkpoint.meta["dead_letter"])
            self._source.seek(name, held.next_offset)
            log.info("partition %s goes on at row %s", name, held.next_offset)
        for detector in self._careful.get(name, ()):
            held.pipeline.be_careful(detector)
        self._held[name] = held
        self._resumed_at.setdefault(name, held.next_offset)
        self.telemetry.partitions[name] = PartitionHealth(
            held.next_offset, last_row_s=self._clock()
        )
        self._in_flight.begin(name, None if checkpoint is None else checkpoint.next_offset)
        if lost is not None:
            self.telemetry.states_lost += 1
            log.warning("%s; on_lost is %s", lost, self._settings.on_lost)
            self._hand_out(held, lost_output(lost, name, held.pipeline))
        return checkpoint is not None

    def _open_outputs(
        self,
        name: str,
        positions: Sequence[Mapping[str, Any] | None] | None,
        dead_letter: Mapping[str, Any] | None,
    ) -> None:
        self._insist(name, lambda: self._outputs.open(name, positions, dead_letter))

    def _insist(self, name: str, ask: Callable[[], T]) -> T:
        """What is answered when a partition begins; who is away is waited for, unless we stop."""
        while True:
            try:
                return ask()
            except (Backpressure, Disconnected) as error:
                if self._settings.fail_fast or not self._settings.endless:
                    raise
                if self._stop.is_set():
                    raise DrainTimedOut(
                        f"stopped while partition {name} waited to begin ({error}); nothing is "
                        "lost, the next run begins there"
                    ) from error
                self.telemetry.tick()
                self._warn("partition %s cannot begin: %s; trying again", name, error)
                self._sleep(LONGEST_NAP_S)

    def _forget(self, name: str) -> None:
        """Drop state and output of a partition; what was flushed stays."""
        del self._held[name]
        self.telemetry.partitions.pop(name, None)
        self._outputs.drop(name)

    def _give_back(self, names: Sequence[str]) -> None:
        """Checkpoint within the time that there is; the next owner replays what is left out."""
        deadline = self._clock() + self._settings.revoke_timeout_s
        held = [self._held[name] for name in names]
        if any(self._outputs.waits(name) for name in names):
            self._checkpointer.attempt(held, deadline)
            self._wait_for_sinks(names, deadline)
        if not self._checkpointer.attempt(held, deadline):
            left = [part.name for part in held if part.dirty] or list(names)
            self.telemetry.checkpoints["skipped"] += 1
            log.warning("given back without a checkpoint: %s; their next owner replays", left)

    def _keep_order(self, names: Sequence[str]) -> bool:
        """The source has decided what comes next: keep that before the first row of it.

        False if that could not be done before a stop: what comes is not to be read.
        """
        held = [self._held[name] for name in names]
        for part in held:
            part.dirty = True
        while not self._checkpointer.attempt(held):
            if self._stop.is_set():
                return False
            self.telemetry.tick()
            self._deliver()
            self._sleep(LONGEST_NAP_S)
        return True

    def _report_gap(self, gap: DataGap) -> None:
        self.telemetry.gaps += 1
        self.telemetry.gap_rows += gap.to_offset - gap.from_offset
        told = (
            f"partition {gap.partition}: the rows {gap.from_offset} to {gap.to_offset - 1} were "
            f"gone before they were read: {gap.detail}"
        )
        if self._settings.on_gap == "stop":
            raise DataLost(f"{told}; set on_gap: resume to go on behind them")
        log.warning("%s", told)
        held = self._held.get(gap.partition)
        if held is not None:
            held.next_offset = max(held.next_offset, gap.to_offset)
            self._hand_out(held, gap_output(gap, held.pipeline))

    def _take(self, whole: Batch, begins_at: int, moved: set[str], left: dict[str, int]) -> None:
        """Process a batch that is still ours; one that is taken record by record in portions.

        What is left of it is read again, from the offset in ``left``: so other partitions, signals
        and the group have their turn.
        """
        name = whole.partition
        started = self._clock()
        for n_taken, batch in enumerate(self._in_flight.pieces(whole)):
            if name not in self._held or name in moved:
                return
            enough = self._stop.is_set() or self._clock() - started > LONGEST_CARE_S
            if enough and n_taken:
                moved.add(name)
                left[name] = self._held[name].next_offset
                self._source.seek(name, left[name])
                return
            self._process(batch, begins_at, moved)

    def _process(self, batch: Batch, begins_at: int, moved: set[str]) -> None:
        held = self._held[batch.partition]
        if held.finished:
            return
        if not self._anchored(held, begins_at):
            moved.add(held.name)
            return
        if len(batch) == 0:
            held.next_offset = max(held.next_offset, batch.next_offset)
            held.dirty = True
            return
        if self._in_flight.left_out(held.name, batch.offset(0)):
            reject = crash_reject(batch)
            log.error("partition %s, row %s: %s", held.name, reject.offset, reject.detail)
            held.next_offset = batch.next_offset
            self._hand_out(held, Output(rejects=[reject]))
            return
        self._in_flight.take(batch)
        started = self._clock()
        try:
            with self._step("score", partition=held.name, rows=len(batch)):
                out = held.pipeline.process(batch)
        except DetectorError as error:
            self._in_flight.put_down(batch)
            self._go_back(held, error)
            moved.add(held.name)
            return
        held.next_offset = batch.next_offset
        held.counters.rows += len(batch)
        self._rows_here += len(batch)
        self._hand_out(held, out)
        self._in_flight.put_down(batch)
        self.telemetry.saw_batch(batch, self._clock() - started)
        self.telemetry.partitions[held.name].last_row_s = self._clock()
        crash_point("after_batch")
        if self._on_output is not None:
            self._on_output(batch, out)
        self._tell_progress()

    def _anchored(self, held: Partition, offset: int) -> bool:
        """Save where a partition begins before its first row, for a crash must not move that.

        False if it cannot be done now: the partition is read from there once more.
        """
        if held.begin_offset is None:
            held.begin_offset = held.next_offset = offset
        if held.has_snapshot or self._store is None or not self._settings.endless:
            return True
        self._checkpointer.attempt([held])
        if not held.has_snapshot:
            self._source.seek(held.name, held.next_offset)
            self._sleep(LONGEST_NAP_S)
        return held.has_snapshot

    def _go_back(self, held: Partition, error: DetectorError) -> None:
        """Replay from the newest snapshot, looking for the rows on which the detector raises."""
        if self._settings.on_detector_error == "stop":
            raise error
        log.error("partition %s: %s", held.name, error)
        self._careful.setdefault(held.name, set()).add(error.detector)
        if not self._assign(held.name) and held.begin_offset is not None:
            self._source.seek(held.name, held.begin_offset)
            again = self._held[held.name]
            again.begin_offset = again.next_offset = held.begin_offset

    def _hand_out(self, held: Partition, out: Output) -> None:
        """Count an output and give it to the sinks; pause its partition if they refuse."""
        out.rejects.extend(failure_reject(failure, held.name) for failure in out.failures)
        held.dirty = True
        held.count(out)
        self.telemetry.saw_output(out)
        self.telemetry.saw_rejects(out.rejects)
        with self._step("write", partition=held.name, alerts=len(out.alerts)):
            self._outputs.write(held.name, out)
        if self._outputs.waits(held.name) and held.name not in self._paused:
            self._paused.add(held.name)
            self.telemetry.partitions[held.name].held_since_s = self._clock()
            self._source.pause([held.name])

    def _keep_rejects(self, rejects: Sequence[Reject]) -> None:
        by_partition: dict[str, list[Reject]] = {}
        for reject in rejects:
            by_partition.setdefault(reject.partition, []).append(reject)
        for name, refused in by_partition.items():
            held = self._held.get(name)
            if held is None:
                continue
            known = [r.offset for r in refused if r.offset is not None]
            if known:
                if not self._anchored(held, min(known)):
                    continue
                held.next_offset = max(held.next_offset, max(known) + 1)
            self._hand_out(held, Output(rejects=refused))

    def _deliver(self) -> None:
        """Offer what waits to the sinks again; partitions of which nothing waits are polled."""
        for name in self._paused & self._held.keys():
            if self._outputs.deliver(name):
                self._paused.discard(name)
                self.telemetry.partitions[name].held_since_s = None
                self._source.resume([name])

    def _wait_for_sinks(self, names: Sequence[str], deadline: float) -> bool:
        """Offer what waits until it is taken or the time is over; True if nothing waits."""
        while True:
            left = [name for name in names if not self._outputs.deliver(name)]
            if not left:
                return True
            if self._clock() >= deadline:
                return False
            self.telemetry.tick()
            self._sleep(min(self._outputs.retry_in_s(left) or 0.0, LONGEST_NAP_S))

    def _finish(self) -> bool:
        """The source has ended: checkpoint, release what waits, checkpoint, complete the output.

        Sinks that are away are waited for. False if we were told to stop before that, or went back
        and have rows to read again. A crash between the two checkpoints repeats the release; one
        after the second repeats only the completion, which every sink can do twice.
        """
        if not self._settle():
            return False
        for held in list(self._held.values()):
            if not held.finished:
                try:
                    released = held.pipeline.finish()
                except DetectorError as error:
                    self._go_back(held, error)
                    return False
                self._hand_out(held, released)
                held.finished = True
        crash_point("after_finish")
        if not self._settle():
            return False
        for name in self._held:
            self._outputs.finish(name)
        self._tell_progress()
        return True

    def _settle(self) -> bool:
        """Hand everything over and save it; False if we are told to stop meanwhile."""
        while True:
            self.telemetry.tick()
            self._deliver()
            if self._saved_all():
                return True
            if self._stop.is_set():
                return False
            self._sleep(LONGEST_NAP_S)

    def _drain(self) -> None:
        """Hand everything over and checkpoint, within the time that there is."""
        self.telemetry.draining = True
        deadline = self._clock() + self._settings.drain_timeout_s
        while True:
            self.telemetry.tick()
            self._deliver()
            if self._saved_all():
                return
            if self._clock() >= deadline:
                why = f" ({self._outputs.outage})" if self._outputs.outage else ""
                raise DrainTimedOut(
                    f"not everything was handed over within {self._settings.drain_timeout_s:.0f} "
                    f"s{why}; nothing is lost, the next run does the rest again"
                )
            self._stay()
            self._sleep(LONGEST_NAP_S)

    def _saved_all(self) -> bool:
        try:
            return self._checkpointer.save(self._held.values())
        except (Backpressure, Disconnected) as error:
            self._warn("%s; trying again", error)
            return False

    def _stay(self) -> None:
        """Follow a source whose group moves: else it never takes a commit. Its rows are left."""
        if not self._outputs.commits:
            return
        self._reached(self._poll)
        events = self._reached(self._source.events)
        lost = [event for event in events if isinstance(event, Revoked | Lost)]
        self._follow(lost)
        if lost:
            log.warning("no longer ours while it stops: the next owner replays what is left")

    def _warn(self, text: str, *about: object) -> None:
        """Tell of what lasts, now and then."""
        if self._clock() - self._told_at >= LOG_EVERY_S:
            self._told_at = self._clock()
            log.warning(text, *about)

    def _count_rebalance(self, event: str, names: Sequence[str]) -> None:
        self.telemetry.rebalances[event] += len(names)
        if event != "assign" or self._resumed_at:
            log.info("%s: %s", event, ", ".join(names))

    def _tell_progress(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self._progress())

    def _progress(self) -> Progress:
        whole = self._totals()
        marks = [held.pipeline.watermark_ns for held in self._held.values()]
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
        for held in self._held.values():
            whole.add(held.counters)
        return whole

    def _summary(self, finished: bool) -> Summary:  # noqa: FBT001
        return Summary(
            self._totals(),
            self._clock() - self._started,
            self._rows_here,
            sum(held.pipeline.series_count() for held in self._held.values()),
            finished,
            dict(self._resumed_at),
            self._checkpointer.committed,
        )


def _is_behind(reject: Reject, moved: set[str], left: Mapping[str, int]) -> bool:
    """False for what is read again: of a partition that was left, what is not before that."""
    at = left.get(reject.partition)
    if at is None or reject.offset is None:
        return reject.partition not in moved
    return reject.offset < at


def _begins(batches: Iterable[Batch], refused: Iterable[Reject]) -> Mapping[str, int]:
    """First offset of each partition in what a poll gave."""
    found: dict[str, int] = {}
    firsts = [(b.partition, b.offset(0)) for b in batches if len(b)]
    firsts += [(r.partition, r.offset) for r in refused if r.offset is not None]
    for name, offset in firsts:
        found[name] = min(offset, found.get(name, offset))
    return found
