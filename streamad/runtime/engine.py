"""Poll, process, write, checkpoint: a pipeline per partition between a source and its sinks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TypeVar

from streamad.core.data import Batch, Reject
from streamad.core.errors import DetectorError, Disconnected, DrainTimedOut, StreamadError
from streamad.core.protocols import DeadLetter, Lost, Revoked, Sink, Source, StateStore
from streamad.pipeline import Output, Pipeline
from streamad.runtime.assignment import LONGEST_NAP_S, Assignment
from streamad.runtime.checkpoints import crash_point
from streamad.runtime.inflight import InFlight, crash_reject
from streamad.runtime.outputs import Outputs
from streamad.runtime.settings import EngineSettings
from streamad.runtime.spans import Spans, no_spans
from streamad.runtime.telemetry import Progress, Summary, Telemetry
from streamad.runtime.watch import Watch

__all__ = ["Engine", "EngineSettings"]

log = logging.getLogger(__name__)
T = TypeVar("T")

RECONNECT_S = 1.0
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
    Partitions that come, go, are refused or fail: see :class:`.Assignment`.
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
        self._warn = _Seldom(clock)
        self._outputs = Outputs(sinks, dead_letter, self.telemetry, clock)
        self._assignment = Assignment(
            source,
            make_pipeline,
            self._outputs,
            store,
            self._in_flight,
            self._settings,
            self.telemetry,
            spans=spans,
            stop=self._stop,
            clock=clock,
            sleep=sleep,
            warn=self._warn,
        )
        self._watch = Watch(source, self.telemetry, self._settings.stall_after_s, clock)
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
                        self._assignment.checkpoint()
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
        self._assignment.follow(self._reached(self._source.events))
        with self._step("poll"):
            batches = self._reached(self._poll)
        refused = self._source.rejects()
        moved = self._assignment.follow(self._reached(self._source.events))
        begins = _begins(batches, refused)
        left: dict[str, int] = {}
        for batch in batches:
            self._take(batch, begins.get(batch.partition, batch.next_offset), moved, left)
        self._keep_rejects([reject for reject in refused if _is_behind(reject, moved, left)])
        self._assignment.deliver()
        waits = self._outputs.retry_in_s()
        self._watch.look(self._assignment.held, held_back=waits is not None)
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
            if self._settings.fail_fast and not self._assignment.resumed_at:
                raise
            self.telemetry.source_failed()
            self._warn("%s; trying again", error)
            self._stop.wait(RECONNECT_S)
            return []

    def _take(self, whole: Batch, begins_at: int, moved: set[str], left: dict[str, int]) -> None:
        """Process a batch that is still ours; one that is taken record by record in portions.

        What is left of it is read again, from the offset in ``left``: so other partitions, signals
        and the group have their turn.
        """
        name = whole.partition
        started = self._clock()
        for n_taken, batch in enumerate(self._in_flight.pieces(whole)):
            if name not in self._assignment.held or name in moved:
                return
            enough = self._stop.is_set() or self._clock() - started > LONGEST_CARE_S
            if enough and n_taken:
                moved.add(name)
                left[name] = self._assignment.held[name].next_offset
                self._source.seek(name, left[name])
                return
            self._process(batch, begins_at, moved)

    def _process(self, batch: Batch, begins_at: int, moved: set[str]) -> None:
        held = self._assignment.held[batch.partition]
        if held.finished:
            return
        if not self._assignment.anchored(held, begins_at):
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
            self._assignment.hand_out(held, Output(rejects=[reject]))
            return
        self._in_flight.take(batch)
        started = self._clock()
        try:
            with self._step("score", partition=held.name, rows=len(batch)):
                out = held.pipeline.process(batch)
        except DetectorError as error:
            self._in_flight.put_down(batch)
            self._assignment.go_back(held, error)
            moved.add(held.name)
            return
        held.next_offset = batch.next_offset
        held.counters.rows += len(batch)
        self._rows_here += len(batch)
        self._assignment.hand_out(held, out)
        self._in_flight.put_down(batch)
        self.telemetry.saw_batch(batch, self._clock() - started)
        self.telemetry.partitions[held.name].last_row_s = self._clock()
        crash_point("after_batch")
        if self._on_output is not None:
            self._on_output(batch, out)
        self._tell_progress()

    def _keep_rejects(self, rejects: Sequence[Reject]) -> None:
        by_partition: dict[str, list[Reject]] = {}
        for reject in rejects:
            by_partition.setdefault(reject.partition, []).append(reject)
        for name, refused in by_partition.items():
            held = self._assignment.held.get(name)
            if held is None:
                continue
            known = [r.offset for r in refused if r.offset is not None]
            if known:
                if not self._assignment.anchored(held, min(known)):
                    continue
                held.next_offset = max(held.next_offset, max(known) + 1)
            self._assignment.hand_out(held, Output(rejects=refused))

    def _finish(self) -> bool:
        """The source has ended: checkpoint, release what waits, checkpoint, complete the output.

        Sinks that are away are waited for. False if we were told to stop before that, or went back
        and have rows to read again. A crash between the two checkpoints repeats the release; one
        after the second repeats only the completion, which every sink can do twice.
        """
        if not self._settle():
            return False
        for held in list(self._assignment.held.values()):
            if not held.finished:
                try:
                    released = held.pipeline.finish()
                except DetectorError as error:
                    self._assignment.go_back(held, error)
                    return False
                self._assignment.hand_out(held, released)
                held.finished = True
        crash_point("after_finish")
        if not self._settle():
            return False
        for name in self._assignment.held:
            self._outputs.finish(name)
        self._tell_progress()
        return True

    def _settle(self) -> bool:
        """Hand everything over and save it; False if we are told to stop meanwhile."""
        while True:
            if self._assignment.saved_all():
                return True
            if self._stop.is_set():
                return False
            self._sleep(LONGEST_NAP_S)

    def _drain(self) -> None:
        """Hand everything over and checkpoint, within the time that there is."""
        self.telemetry.draining = True
        deadline = self._clock() + self._settings.drain_timeout_s
        while True:
            if self._assignment.saved_all():
                return
            if self._clock() >= deadline:
                why = f" ({self._outputs.outage})" if self._outputs.outage else ""
                raise DrainTimedOut(
                    f"not everything was handed over within {self._settings.drain_timeout_s:.0f} "
                    f"s{why}; nothing is lost, the next run does the rest again"
                )
            self._stay()
            self._sleep(LONGEST_NAP_S)

    def _stay(self) -> None:
        """Follow a source whose group moves: else it never takes a commit. Its rows are left."""
        if not self._outputs.commits:
            return
        self._reached(self._poll)
        events = self._reached(self._source.events)
        lost = [event for event in events if isinstance(event, Revoked | Lost)]
        self._assignment.follow(lost)
        if lost:
            log.warning("no longer ours while it stops: the next owner replays what is left")

    def _tell_progress(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self._progress())

    def _progress(self) -> Progress:
        whole = self._assignment.totals()
        marks = [held.pipeline.watermark_ns for held in self._assignment.held.values()]
        known = [mark for mark in marks if mark is not None]
        seconds = max(self._clock() - self._started, 1e-9)
        return Progress(
            whole.rows,
            self._source.total_rows,
            self._rows_here / seconds,
            whole.opened,
            min(known, default=None),
        )

    def _summary(self, finished: bool) -> Summary:  # noqa: FBT001
        return Summary(
            self._assignment.totals(),
            self._clock() - self._started,
            self._rows_here,
            sum(held.pipeline.series_count() for held in self._assignment.held.values()),
            finished,
            dict(self._assignment.resumed_at),
            self._assignment.committed,
        )


class _Seldom:
    """Warns of what lasts, now and then."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told_at = -LOG_EVERY_S

    def __call__(self, text: str, *about: object) -> None:
        if self._clock() - self._told_at >= LOG_EVERY_S:
            self._told_at = self._clock()
            log.warning(text, *about)


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
