"""What a turn of the loop did and how long each step took, for whoever wants to see traces."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from streamad.runtime.telemetry import Telemetry

log = logging.getLogger(__name__)

MOST_STEPS = 200
"""Of one turn that are kept: a member of a group may hold thousands of partitions."""
TURN, POLL = "batch", "poll"
_NOTHING = nullcontext()


class Spans(Protocol):
    """Called with the name of a step, gives the context in which it runs."""

    def __call__(self, name: str, /, **attributes: str | int) -> AbstractContextManager[object]:
        """Open a step inside the one that is open."""
        ...


def no_spans(_name: str, /, **_attributes: str | int) -> AbstractContextManager[object]:
    """Nobody wants to see anything."""
    return _NOTHING


@dataclass(slots=True)
class Step:
    """One step.

    Attributes
    ----------
    name : str
    parent : int or None
        Index of the step that it is a part of; None = it is the whole.
    start_ns, end_ns : int
        Unix nanoseconds.
    attributes : dict of str to str or int
    error : str or None
        Type of what it raised.
    """

    name: str
    parent: int | None
    start_ns: int
    end_ns: int = 0
    attributes: dict[str, str | int] = field(default_factory=dict)
    error: str | None = None


class Recorder:
    """Keeps the steps of the turn in hand, and hands them over at its end.

    Parameters
    ----------
    telemetry : Telemetry
        What it counts during a turn become attributes of the turn.
    hand_over : callable
        Called with the steps, a parent before its parts, and with the ``traceparent`` of records
        that were read. What it raises is logged and hurts nobody.
    wall_ns : callable
        Unix nanoseconds.

    Attributes
    ----------
    origins : callable or None
        Gives the ``traceparent`` of records of the last poll.

    Notes
    -----
    A turn in which nothing came and nothing was saved is not handed over. Thread rule: one thread.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        hand_over: Callable[[Sequence[Step], Sequence[str]], None],
        *,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.origins: Callable[[], Sequence[str]] | None = None
        self._telemetry = telemetry
        self._hand_over = hand_over
        self._wall_ns = wall_ns
        self._steps: list[Step] = []
        self._left_out = 0
        self._open: int | None = None

    @contextmanager
    def __call__(self, name: str, /, **attributes: str | int) -> Iterator[None]:
        """Open a step inside the one that is open."""
        parent = self._open
        if parent is None:
            self._steps, self._left_out, before = [], 0, self._counts()
        elif len(self._steps) >= MOST_STEPS:
            self._left_out += 1
            yield
            return
        step = Step(name, parent, self._wall_ns(), attributes=attributes)
        self._open = len(self._steps)
        self._steps.append(step)
        try:
            yield
        except BaseException as error:
            step.error = type(error).__name__
            raise
        finally:
            step.end_ns = max(self._wall_ns(), step.start_ns)
            self._open = parent
            if parent is None:
                self._close(step, before)

    def _counts(self) -> dict[str, int]:
        telemetry = self._telemetry
        return {
            "batches": telemetry.batches,
            "rows": telemetry.rows,
            "rejects": telemetry.rejects.total(),
            "alerts": telemetry.alerts.total(),
        }

    def _close(self, whole: Step, before: dict[str, int]) -> None:
        counts = {name: n - before[name] for name, n in self._counts().items()}
        did = any(counts.values()) or any(step.name != POLL for step in self._steps[1:])
        if whole.name == TURN and whole.error is None and not did:
            return
        whole.attributes |= counts
        whole.attributes["partitions"] = len(self._telemetry.partitions)
        if self._left_out:
            whole.attributes["steps_left_out"] = self._left_out
        try:
            origins = self.origins() if self.origins is not None and counts["rows"] else ()
            self._hand_over(self._steps, origins)
        except Exception as error:  # noqa: BLE001  (a run goes on without its traces)
            log.warning("a trace was lost: %s: %s", type(error).__name__, error)
