"""The checkpoint protocol: flush, snapshot, commit, prune; a crash between any two is harmless."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from streamad.core.errors import Backpressure, ConnectorError, Disconnected, StateError
from streamad.core.protocols import CommitResult, Source, StateStore
from streamad.runtime.checkpoints import crash_point
from streamad.runtime.outputs import Outputs
from streamad.runtime.partition import Partition
from streamad.runtime.settings import EngineSettings
from streamad.runtime.spans import Spans, no_spans
from streamad.runtime.telemetry import Telemetry

log = logging.getLogger(__name__)

LONGEST_REFUSAL_S = 5.0
"""After a sink has refused one partition, the others are tried up to here; it comes last then."""


class Checkpointer:
    """Makes state and position of partitions durable, together.

    Notes
    -----
    1. flush sinks and dead letters; 2. write and rename the snapshot of each partition; 3. commit
    offsets, which is a hint, unless a sink commits them with its output; 4. delete old snapshots,
    but not before such a sink has committed, and tell the sinks how far back the oldest one that is
    left goes. A partition whose output waits is left out: its state is ahead of what was delivered.
    One that is refused holds up no other.

    Attributes
    ----------
    committed : bool
        False if the origin of the rows does not know the offsets of the last checkpoint.
    """

    def __init__(
        self,
        source: Source,
        outputs: Outputs,
        store: StateStore | None,
        settings: EngineSettings,
        telemetry: Telemetry,
        clock: Callable[[], float],
        spans: Spans = no_spans,
    ) -> None:
        self._source = source
        self._outputs = outputs
        self._store = store
        self._settings = settings
        self._telemetry = telemetry
        self._clock = clock
        self._spans = spans
        self._failed = 0
        self._refused: set[str] = set()
        self.committed = True

    def attempt(self, partitions: Iterable[Partition], deadline: float | None = None) -> bool:
        """Checkpoint; a failure is counted and the run goes on, up to a limit.

        Returns
        -------
        bool
            True if everything that there was to save is saved, and committed where a sink commits.

        Raises
        ------
        StateError
            When snapshots could not be written many times in a row.
        """
        try:
            return self.save(partitions, deadline)
        except (Backpressure, Disconnected) as error:
            log.warning("checkpoint put off: %s", error)
        except StateError as error:
            self._failed += 1
            log.error("checkpoint failed (%s in a row): %s", self._failed, error)  # noqa: TRY400
            if self._failed >= self._settings.max_failed_checkpoints:
                raise
        return False

    def save(self, partitions: Iterable[Partition], deadline: float | None = None) -> bool:
        """Checkpoint what has changed.

        Parameters
        ----------
        partitions : iterable of Partition
        deadline : float, optional
            Monotonic seconds after which no further partition is begun.

        Returns
        -------
        bool
            True if everything that there was to save is saved, and committed where a sink commits.

        Raises
        ------
        StateError
            If a snapshot could not be written.
        Backpressure, Disconnected
            If a sink cannot flush now.
        """
        with self._spans("checkpoint"):
            return self._save(list(partitions), deadline)

    def _save(self, held: list[Partition], deadline: float | None) -> bool:
        started = self._clock()
        complete, n_bytes, saved = True, 0, []
        refused: ConnectorError | None = None
        try:
            for part in sorted(held, key=lambda part: part.name in self._refused):
                if not part.dirty or (self._settings.endless and part.begin_offset is None):
                    continue
                self._telemetry.tick()
                late = deadline is not None and self._clock() >= deadline
                stuck = refused is not None and self._clock() - started > LONGEST_REFUSAL_S
                if late or stuck or self._outputs.waits(part.name):
                    complete = False
                    continue
                try:
                    n_bytes += self._save_one(part)
                except (Backpressure, Disconnected) as error:
                    refused, complete = refused or error, False
                    self._refused.add(part.name)
                else:
                    self._refused.discard(part.name)
                    saved.append(part)
        except Exception:
            self._telemetry.checkpoints["failed"] += 1
            raise
        finally:
            committed = self._commit(held)
        if self._store is not None and committed:
            for part in saved:
                self._store.prune(part.name, self._settings.keep)
                if len(part.kept) == self._settings.keep:
                    self._outputs.settle(part.name, next(iter(part.kept.values())))
            crash_point("after_prune")
        if refused is not None:
            self._telemetry.checkpoints["failed"] += 1
            raise refused
        if saved:
            self._telemetry.saved(self._clock() - started, n_bytes)
        self._failed = 0
        return complete and committed

    @contextmanager
    def _phase(self, name: str, **attributes: str | int) -> Iterator[None]:
        """Time a part of the protocol that comes to its end."""
        self._telemetry.doing = name
        started = self._clock()
        with self._spans(name, **attributes):
            yield
        self._telemetry.checkpoint_s[name].add(self._clock() - started)

    def _save_one(self, part: Partition) -> int:
        with self._phase("flush", partition=part.name):
            positions = self._outputs.flush(part.name, part.next_offset)
        crash_point("after_flush")
        if self._store is None:
            part.dirty = False
            return 0
        with self._phase("snapshot", partition=part.name):
            checkpoint = part.checkpoint(self._store.fingerprint, positions, self._source.identity)
        with self._phase("write", partition=part.name):
            self._store.save(checkpoint)
        crash_point("after_fsync")
        part.dirty = False
        part.saved_offset = part.next_offset
        part.keep(positions["sinks"], self._settings.keep)
        return sum(array.nbytes for array in checkpoint.arrays.values())

    def _commit(self, held: Iterable[Partition]) -> bool:
        """Tell the origin, also what it knows already, so that it notices who commits.

        False if a sink had to commit and could not: the snapshots that it needs must stay.
        """
        if self._store is None:
            return True
        offsets = {p.name: p.saved_offset for p in held if p.saved_offset is not None}
        committed = True
        if offsets:
            by_sink = self._outputs.commits
            with self._phase("commit"):
                result = (self._outputs if by_sink else self._source).commit(offsets)
            self._telemetry.commits[result.value] += 1
            self.committed = result is CommitResult.OK
            committed = not by_sink or result is CommitResult.OK
        crash_point("after_commit")
        return committed
