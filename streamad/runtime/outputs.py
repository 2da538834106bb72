"""All sinks and the dead letters as one: what they refuse waits here, in order."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

from streamad.core.errors import Backpressure, ConfigError, ConnectorError, Disconnected
from streamad.core.protocols import CommitResult, DeadLetter, Sink, Source
from streamad.pipeline import Output
from streamad.runtime.health import Telemetry
from streamad.runtime.measures import SinkHealth, Stage

log = logging.getLogger(__name__)
T = TypeVar("T")

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
LOG_EVERY_S = 10.0


@dataclass(slots=True)
class _Delivery:
    """An output, and how many sinks have taken it."""

    out: Output
    taken: int = 0


@dataclass(slots=True)
class _Queue:
    """What waits in one partition, and when it is tried again."""

    waiting: deque[_Delivery] = field(default_factory=deque)
    retry_at: float = 0.0
    wait_s: float = FIRST_WAIT_S


class Outputs:
    """Hands outputs to every sink in turn; a refusal holds back its partition, nothing is skipped.

    Parameters
    ----------
    sinks : sequence of Sink
    dead_letter : DeadLetter
    telemetry : Telemetry
    clock : callable
        Monotonic seconds.

    Notes
    -----
    A sink refuses by ``Backpressure`` or ``Disconnected``, before it took anything of a call; the
    dead letters may refuse by any ConnectorError. What was taken is never offered again, so one
    slow sink does not repeat the rows of another.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        dead_letter: DeadLetter,
        telemetry: Telemetry,
        clock: Callable[[], float],
    ) -> None:
        self._sinks = tuple(sinks)
        self._dead_letter = dead_letter
        self._telemetry = telemetry
        self._clock = clock
        self._committer = _committer(sinks)
        self._queues: dict[str, _Queue] = {}
        self._told_at = -LOG_EVERY_S

    def bind(self, source: Source) -> None:
        """Let sinks that write offsets know where these come from."""
        for sink in self._sinks:
            hook = getattr(sink, "bind", None)
            if hook is not None:
                hook(source)

    @property
    def commits(self) -> bool:
        """True if a sink makes output and offsets visible together."""
        return self._committer is not None

    def commit(self, offsets: Mapping[str, int]) -> CommitResult:
        """Make visible what was flushed, together with the offsets."""
        result: CommitResult = self._committer.commit(offsets)
        health = self._telemetry.sinks[self._sinks.index(self._committer)]
        if result is CommitResult.OK:
            self._telemetry.worked(health, Stage.COMMITTED)
        else:
            self._telemetry.refused(health, self.outage, Stage.COMMITTED)
        return result

    @property
    def outage(self) -> str:
        """Why the last commit has to be repeated; empty = it went through, or no sink commits."""
        return str(getattr(self._committer, "outage", ""))

    def committed(self, names: Sequence[str]) -> Mapping[str, int | None]:
        """Offsets up to which the output of partitions is visible; None = nothing is."""
        found: Mapping[str, int | None] = self._committer.committed(names)
        return found

    def found(self, name: str) -> dict[str, Any]:
        """Positions behind what files hold of a partition without a snapshot, so that it stays."""
        ask = [getattr(one, "found", None) for one in (*self._sinks, self._dead_letter)]
        *sinks, dead_letter = [None if hook is None else hook(name) for hook in ask]
        return {"sinks": sinks, "dead_letter": dead_letter}

    def open(
        self,
        name: str,
        positions: Sequence[Mapping[str, Any] | None] | None,
        dead_letter: Mapping[str, Any] | None,
    ) -> None:
        """Begin or go on with a partition at the positions of its checkpoint."""
        for sink, position in zip(self._sinks, positions or [None] * len(self._sinks), strict=True):
            sink.open(name, position)
        self._dead_letter.open(name, dead_letter)
        self._queues[name] = _Queue()

    def write(self, name: str, out: Output) -> None:
        """Hand an output over, or let it wait behind those that wait already."""
        self._queues[name].waiting.append(_Delivery(out))
        self.deliver(name)

    def deliver(self, name: str) -> bool:
        """Try again what waits, once its time has come; True if nothing waits any more."""
        queue = self._queues[name]
        if queue.waiting and self._clock() < queue.retry_at:
            return False
        while queue.waiting:
            try:
                self._hand_over(name, queue.waiting[0])
            except Backpressure as full:
                self._put_off(name, queue, full, full.retry_after_s)
                return False
            except Disconnected as gone:
                self._put_off(name, queue, gone, queue.wait_s)
                queue.wait_s = min(2 * queue.wait_s, LONGEST_WAIT_S)
                return False
            queue.waiting.popleft()
            queue.wait_s = FIRST_WAIT_S
        return True

    def waits(self, name: str) -> bool:
        """True while something of the partition waits."""
        queue = self._queues.get(name)
        return queue is not None and bool(queue.waiting)

    def retry_in_s(self, names: Iterable[str] | None = None) -> float | None:
        """Seconds to the next attempt of these partitions, or of all; None if nothing waits."""
        waiting = [
            queue.retry_at
            for name, queue in self._queues.items()
            if queue.waiting and (names is None or name in names)
        ]
        return max(0.0, min(waiting) - self._clock()) if waiting else None

    def flush(self, name: str, next_offset: int) -> dict[str, Any]:
        """Positions of sinks and dead letters, once everything of the partition is delivered.

        Raises
        ------
        Backpressure, Disconnected
            If that cannot be done now.
        """
        positions = []
        for sink, health in zip(self._sinks, self._telemetry.sinks, strict=True):
            with _Attempt(self._telemetry, health, Stage.FLUSHED):
                positions.append(dict(sink.flush(name, next_offset)))
        with _Attempt(self._telemetry, self._telemetry.dead_letter, Stage.FLUSHED):
            kept = dict(self._letters(lambda: self._dead_letter.flush(name)))
        return {"sinks": positions, "dead_letter": kept}

    def settle(self, name: str, positions: Sequence[Mapping[str, Any]]) -> None:
        """Let sinks that ask for it know the positions in the oldest snapshot that is left."""
        for sink, position in zip(self._sinks, positions, strict=True):
            hook = getattr(sink, "settle", None)
            if hook is not None:
                hook(name, position)

    def drop(self, name: str) -> None:
        """Forget what was not flushed, and what waits."""
        self._queues.pop(name, None)
        for sink in self._sinks:
            sink.drop(name)
        self._dead_letter.drop(name)

    def finish(self, name: str) -> None:
        """The partition has ended."""
        for sink in self._sinks:
            sink.finish(name)

    def close(self) -> None:
        """Close dead letters and sinks, whatever one of them raises."""
        with ExitStack() as stack:
            stack.callback(self._dead_letter.close)
            for sink in reversed(self._sinks):
                stack.callback(sink.close)

    def _hand_over(self, name: str, delivery: _Delivery) -> None:
        out = delivery.out
        n_scores = sum(map(len, out.scores))
        while delivery.taken < len(self._sinks):
            if out.scores or out.alerts:
                sink, health = self._sinks[delivery.taken], self._telemetry.sinks[delivery.taken]
                with _Attempt(self._telemetry, health, Stage.WRITTEN, n_scores, len(out.alerts)):
                    sink.write(name, out.scores, out.alerts)
            delivery.taken += 1
        if out.rejects:
            letters = self._telemetry.dead_letter
            with _Attempt(self._telemetry, letters, Stage.WRITTEN, len(out.rejects)):
                self._letters(lambda: self._dead_letter.write(name, out.rejects))

    @staticmethod
    def _letters(ask: Callable[[], T]) -> T:
        """What the dead letters answer; whatever is wrong with them is waited for."""
        try:
            return ask()
        except (Backpressure, Disconnected):
            raise
        except ConnectorError as error:
            raise Disconnected(str(error)) from error

    def _put_off(self, name: str, queue: _Queue, error: ConnectorError, wait_s: float) -> None:
        now = self._clock()
        queue.retry_at = now + wait_s
        if now - self._told_at >= LOG_EVERY_S:
            self._told_at = now
            log.warning("partition %s waits: %s; trying again in %s s", name, error, wait_s)


def _committer(sinks: Sequence[Sink]) -> Any:
    """The sink that commits offsets; None if there is none."""
    found = [sink for sink in sinks if hasattr(sink, "commit") and hasattr(sink, "committed")]
    if len(found) > 1:
        raise ConfigError(
            f"one sink at most can commit the offsets of the source, got {len(found)}: keep one of "
            f"{', '.join(type(sink).__name__ for sink in found)}"
        )
    return found[0] if found else None


class _Attempt:
    """Note in the telemetry how a call to a sink ended."""

    def __init__(
        self,
        telemetry: Telemetry,
        health: SinkHealth,
        stage: Stage,
        rows: int = 0,
        alerts: int = 0,
    ) -> None:
        self._telemetry, self._health = telemetry, health
        self._stage, self._taken = stage, (rows, alerts)

    def __enter__(self) -> None:
        self._telemetry.doing = f"sink {self._health.name}"
        self._started = self._telemetry.clock()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._health.seconds.add(self._telemetry.clock() - self._started)
        if error is None:
            self._telemetry.worked(self._health, self._stage, *self._taken)
        elif isinstance(error, ConnectorError):
            self._telemetry.refused(self._health, str(error), self._stage)
