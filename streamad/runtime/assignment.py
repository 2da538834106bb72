"""The partitions that a process holds: how they come, are saved, go back, wait and leave."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

from streamad.core.errors import (
    Backpressure,
    DataLost,
    DetectorError,
    Disconnected,
    DrainTimedOut,
)
from streamad.core.protocols import (
    Assigned,
    DataGap,
    Revoked,
    Settled,
    Source,
    SourceEvent,
    StateStore,
)
from streamad.pipeline import Output, Pipeline
from streamad.runtime.checkpointing import Checkpointer
from streamad.runtime.inflight import InFlight
from streamad.runtime.notices import failure_reject, gap_output, lost_output
from streamad.runtime.outputs import Outputs
from streamad.runtime.partition import Partition
from streamad.runtime.restoring import Restorer
from streamad.runtime.settings import EngineSettings
from streamad.runtime.spans import Spans
from streamad.runtime.telemetry import Counters, PartitionHealth, Telemetry

log = logging.getLogger(__name__)
T = TypeVar("T")

LONGEST_NAP_S = 0.5
"""Between two attempts at what is refused; events and a stop are looked at as often."""


class Assignment:
    """The partitions that are assigned to this process, and what happens to each as a whole.

    Parameters
    ----------
    source : Source
    make_pipeline : callable
        Builds the (opened) pipeline of a partition.
    outputs : Outputs
    store : StateStore or None
        None = no checkpoints.
    in_flight : InFlight
        Told which partitions come and go.
    settings : EngineSettings
    telemetry : Telemetry
    spans : Spans
        Opens a span for each write and each checkpoint.
    stop : threading.Event
        Once it is set, partitions are not waited for any more.
    clock, sleep : callable
        Monotonic seconds, and a wait for some.
    warn : callable
        Logs a text and its arguments, unless it has done so lately.

    Attributes
    ----------
    held : dict of str to Partition
    resumed_at : dict of str to int
        Offset at which each partition began first; those that have left stay in it.

    Notes
    -----
    On assignment the newest valid snapshot decides where reading goes on; on revocation there is a
    checkpoint within a time budget; on loss what was not flushed is dropped. Nothing that is
    refused is skipped: its partition is paused until it is taken. A detector that raises leads
    back to the newest snapshot, and from there carefully on, see :class:`.Guard`.
    """

    def __init__(
        self,
        source: Source,
        make_pipeline: Callable[[str], Pipeline],
        outputs: Outputs,
        store: StateStore | None,
        in_flight: InFlight,
        settings: EngineSettings,
        telemetry: Telemetry,
        *,
        spans: Spans,
        stop: threading.Event,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        warn: Callable[..., None],
    ) -> None:
        self._source = source
        self._make_pipeline = make_pipeline
        self._outputs = outputs
        self._store = store
        self._in_flight = in_flight
        self._settings = settings
        self._telemetry = telemetry
        self._spans = spans
        self._stop = stop
        self._clock = clock
        self._sleep = sleep
        self._warn = warn
        self._checkpointer = Checkpointer(source, outputs, store, settings, telemetry, clock, spans)
        self._restorer = Restorer(source, outputs, store, settings.on_lost)
        self._paused: set[str] = set()
        self._careful: dict[str, set[str]] = {}
        self.held: dict[str, Partition] = {}
        self.resumed_at: dict[str, int] = {}

    def follow(self, events: Iterable[SourceEvent]) -> set[str]:
        """Take in what the source tells.

        Parameters
        ----------
        events : iterable of SourceEvent
            In the order in which they happened.

        Returns
        -------
        set of str
            Partitions that are read from elsewhere now: rows that were polled before do not count.

        Raises
        ------
        DataLost
            When rows are gone and that is to stop the run.
        StateError
            When snapshots cannot be used, or could not be written many times in a row.
        ConnectorError
            When source or sinks fail for good while a partition begins.
        DrainTimedOut
            When a stop comes while a partition waits to begin.
        """
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
                names = [name for name in event.partitions if name in self.held]
                if not self._keep_order(names):
                    moved.update(names)
            else:
                revoked = isinstance(event, Revoked)
                self._count_rebalance("revoke" if revoked else "lost", event.partitions)
                held = [name for name in event.partitions if name in self.held]
                if revoked:
                    self._give_back(held)
                for name in held:
                    self._forget(name)
                self._in_flight.end(held)
        return moved

    def hand_out(self, held: Partition, out: Output) -> None:
        """Count an output and give it to the sinks; pause its partition if they refuse."""
        out.rejects.extend(failure_reject(failure, held.name) for failure in out.failures)
        held.dirty = True
        held.count(out)
        self._telemetry.saw_output(out)
        self._telemetry.saw_rejects(out.rejects)
        self._telemetry.doing = "write"
        with self._spans("write", partition=held.name, alerts=len(out.alerts)):
            self._outputs.write(held.name, out)
        if self._outputs.waits(held.name) and held.name not in self._paused:
            self._paused.add(held.name)
            self._telemetry.partitions[held.name].held_since_s = self._clock()
            self._source.pause([held.name])

    def deliver(self) -> None:
        """Offer what waits to the sinks again; partitions of which nothing waits are polled."""
        for name in self._paused & self.held.keys():
            if self._outputs.deliver(name):
                self._paused.discard(name)
                self._telemetry.partitions[name].held_since_s = None
                self._source.resume([name])

    def checkpoint(self) -> None:
        """Save what has changed; a failure is counted, see :meth:`.Checkpointer.attempt`."""
        self._checkpointer.attempt(self.held.values())

    def saved_all(self) -> bool:
        """Offer what waits again and save everything; False if that has to be tried once more.

        Raises
        ------
        StateError
            If a snapshot could not be written.
        """
        self._telemetry.tick()
        self.deliver()
        try:
            return self._checkpointer.save(self.held.values())
        except (Backpressure, Disconnected) as error:
            self._warn("%s; trying again", error)
            return False

    @property
    def committed(self) -> bool:
        """False if the origin of the rows does not know the offsets of the last checkpoint."""
        return self._checkpointer.committed

    def totals(self) -> Counters:
        """What was counted in all partitions together."""
        whole = Counters()
        for held in self.held.values():
            whole.add(held.counters)
        return whole

    def anchored(self, held: Partition, offset: int) -> bool:
        """Save where a partition begins before its first row, for a crash must not move that.

        Parameters
        ----------
        held : Partition
        offset : int
            Of the first row that came.

        Returns
        -------
        bool
            False if it cannot be done now: the partition is read from there once more.

        Raises
        ------
        StateError
            When snapshots could not be written many times in a row.
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

    def go_back(self, held: Partition, error: DetectorError) -> None:
        """Replay from the newest snapshot, looking for the rows on which the detector raises.

        Raises
        ------
        DetectorError
            This one, if it is to stop the run.
        """
        if self._settings.on_detector_error == "stop":
            raise error
        log.error("partition %s: %s", held.name, error)
        self._careful.setdefault(held.name, set()).add(error.detector)
        if not self._assign(held.name) and held.begin_offset is not None:
            self._source.seek(held.name, held.begin_offset)
            again = self.held[held.name]
            again.begin_offset = again.next_offset = held.begin_offset

    def _assign(self, name: str) -> bool:
        """Go on where the newest snapshot ends, True, or begin where there is none, False."""
        if name in self.held:
            self._forget(name)
        if name in self._paused:
            self._paused.discard(name)
            self._source.resume([name])
        held = Partition(name, self._make_pipeline(name))
        checkpoint, lost = self._insist(name, lambda: self._restorer.load(name))
        if checkpoint is None:
            found = {} if lost is None else self._outputs.found(name)
            at = found.get("sinks"), found.get("dead_letter")
            self._insist(name, partial(self._outputs.open, name, *at))
            held.begin_offset = self._insist(name, lambda: self._restorer.begin(name, lost))
            held.next_offset = held.begin_offset or 0
        else:
            self._restorer.recall(checkpoint)
            held.restore(checkpoint, self._source.identity)
            at = checkpoint.meta["sinks"], checkpoint.meta["dead_letter"]
            self._insist(name, partial(self._outputs.open, name, *at))
            self._source.seek(name, held.next_offset)
            log.info("partition %s goes on at row %s", name, held.next_offset)
        for detector in self._careful.get(name, ()):
            held.pipeline.be_careful(detector)
        self.held[name] = held
        self.resumed_at.setdefault(name, held.next_offset)
        self._telemetry.partitions[name] = PartitionHealth(
            held.next_offset, last_row_s=self._clock()
        )
        self._in_flight.begin(name, None if checkpoint is None else checkpoint.next_offset)
        if lost is not None:
            self._telemetry.states_lost += 1
            log.warning("%s; on_lost is %s", lost, self._settings.on_lost)
            self.hand_out(held, lost_output(lost, name, held.pipeline))
        return checkpoint is not None

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
                self._telemetry.tick()
                self._warn("partition %s cannot begin: %s; trying again", name, error)
                self._sleep(LONGEST_NAP_S)

    def _forget(self, name: str) -> None:
        """Drop state and output of a partition; what was flushed stays."""
        del self.held[name]
        self._telemetry.partitions.pop(name, None)
        self._outputs.drop(name)

    def _give_back(self, names: Sequence[str]) -> None:
        """Checkpoint within the time that there is; the next owner replays what is left out."""
        deadline = self._clock() + self._settings.revoke_timeout_s
        held = [self.held[name] for name in names]
        if any(self._outputs.waits(name) for name in names):
            self._checkpointer.attempt(held, deadline)
            self._wait_for_sinks(names, deadline)
        if not self._checkpointer.attempt(held, deadline):
            left = [part.name for part in held if part.dirty] or list(names)
            self._telemetry.checkpoints["skipped"] += 1
            log.warning("given back without a checkpoint: %s; their next owner replays", left)

    def _wait_for_sinks(self, names: Sequence[str], deadline: float) -> None:
        """Offer what waits until it is taken or the time is over."""
        while left := [name for name in names if not self._outputs.deliver(name)]:
            if self._clock() >= deadline:
                return
            self._telemetry.tick()
            self._sleep(min(self._outputs.retry_in_s(left) or 0.0, LONGEST_NAP_S))

    def _keep_order(self, names: Sequence[str]) -> bool:
        """The source has decided what comes next: keep that before the first row of it.

        False if that could not be done before a stop: what comes is not to be read.
        """
        held = [self.held[name] for name in names]
        for part in held:
            part.dirty = True
        while not self._checkpointer.attempt(held):
            if self._stop.is_set():
                return False
            self._telemetry.tick()
            self.deliver()
            self._sleep(LONGEST_NAP_S)
        return True

    def _report_gap(self, gap: DataGap) -> None:
        self._telemetry.gaps += 1
        self._telemetry.gap_rows += gap.to_offset - gap.from_offset
        told = (
            f"partition {gap.partition}: the rows {gap.from_offset} to {gap.to_offset - 1} were "
            f"gone before they were read: {gap.detail}"
        )
        if self._settings.on_gap == "stop":
            raise DataLost(f"{told}; set on_gap: resume to go on behind them")
        log.warning("%s", told)
        held = self.held.get(gap.partition)
        if held is not None:
            held.next_offset = max(held.next_offset, gap.to_offset)
            self.hand_out(held, gap_output(gap, held.pipeline))

    def _count_rebalance(self, event: str, names: Sequence[str]) -> None:
        self._telemetry.rebalances[event] += len(names)
        if event != "assign" or self.resumed_at:
            log.info("%s: %s", event, ", ".join(names))
