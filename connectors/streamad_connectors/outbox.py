"""Delivery in a thread of its own: in order, as soon as possible, through outages."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from streamad.core.errors import Backpressure, ConnectorError, Disconnected
from streamad_connectors.retries import retrying
from streamad_connectors.spool import Entry, Spool

log = logging.getLogger(__name__)

FLUSH_S = 5.0
"""Longest wait for the other side, while that answers: of flushes in a row together, of a close."""
ADOPT_EVERY_S = 60.0
"""So often we look for what processes that are gone left in the spool."""
JOIN_S = 2.0


class Outbox:
    """Entries on their way to somebody else.

    Parameters
    ----------
    name : str
        Of the other side, for messages and the thread.
    deliver : callable
        Takes the entries that wait longest and returns how many of them, from the first on, are
        settled: delivered, or put aside for good. Raises Disconnected to be called again later,
        Backpressure to be called again at a given time, ConnectorError when there is no hope. Only
        the outbox's thread calls it.
    spool : Spool
    n_at_once : int
        Entries handed to ``deliver`` at most.
    longest_wait_s : float
        Between two attempts during an outage.

    Notes
    -----
    What is in a durable spool survives and counts as handed over, so :meth:`flush` waits for nobody
    there. Without one it waits for the other side, but the flushes of a checkpoint share one wait:
    what they used of it comes back in twice the time. Then, and during an outage, Backpressure says
    that something is left. A failure for good is raised by the next ``put`` or ``flush``. Members
    may share the folder of a spool: those that live deliver what the others left. Thread rule: any
    thread.
    """

    def __init__(
        self,
        name: str,
        deliver: Callable[[Sequence[Entry]], int],
        spool: Spool,
        *,
        n_at_once: int = 1,
        longest_wait_s: float = 10.0,
    ) -> None:
        self._name = name
        self._deliver = deliver
        self._spool = spool
        self._n_at_once = n_at_once
        self._longest_wait_s = longest_wait_s
        self._patience_s = FLUSH_S
        self._waited_at = self._adopt_at = time.monotonic()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._outage: Exception | None = None
        self._failure: ConnectorError | None = None
        self._closing = False

    def __len__(self) -> int:
        with self._changed:
            return len(self._spool)

    def start(self) -> None:
        """Begin to deliver, first what was left by processes that are gone.

        Again is no error: members that leave cause assignments, so it looks for more.

        Raises
        ------
        ConnectorError
            If the folder of the spool cannot be used at the beginning.
        """
        with self._changed:
            if self._thread is not None:
                self._adopt()
                return
            self._spool.adopt()
            self._adopt_at = time.monotonic() + ADOPT_EVERY_S
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()

    def put(self, partition: str, bodies: Sequence[Mapping[str, Any]]) -> None:
        """Take entries, all of them or none.

        Raises
        ------
        Backpressure
            When too much waits.
        ConnectorError
            When there is no hope.
        """
        with self._changed:
            self._raise_failure()
            self._spool.put(partition, bodies)
            self._changed.notify_all()

    def flush(self, partition: str) -> None:
        """Return once everything of a partition is safe in the spool, or delivered without one.

        Raises
        ------
        Backpressure
            When neither was possible.
        ConnectorError
            When there is no hope.
        """
        with self._changed:
            if self._spool.durable:
                self._raise_failure()
                self._spool.save()
                return
            self._wait_for(partition)
            self._raise_failure()
            if self._spool.waits(partition):
                raise Backpressure(
                    f"{len(self._spool)} alerts wait for {self._name}: "
                    f"{self._outage or 'it is too slow'}",
                    min(1.0, self._longest_wait_s),
                )

    def drop(self, partition: str) -> None:
        """Forget what came for a partition since its last flush."""
        with self._changed:
            self._spool.forget(partition)

    def close(self) -> None:
        """Stop, after a wait for the other side if that answers.

        What a flush left in the spool and is still there is delivered by another process.
        """
        with self._changed:
            if self._thread is not None:
                self._changed.wait_for(lambda: self._stuck() or not self._spool.n_saved, FLUSH_S)
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(JOIN_S)
        with self._changed:
            if self._spool.n_saved:
                log.warning(
                    "%s alerts for %s are left in the spool for another process: %s",
                    self._spool.n_saved,
                    self._name,
                    self._failure or self._outage or "it is too slow",
                )
            self._spool.close()

    def _wait_for(self, partition: str) -> None:
        """Wait until nothing of a partition is left, as long as flushes may together."""
        began = time.monotonic()
        patience_s = min(FLUSH_S, self._patience_s + (began - self._waited_at) / 2)
        self._changed.wait_for(
            lambda: self._stuck() or not self._spool.waits(partition), patience_s
        )
        self._waited_at = time.monotonic()
        self._patience_s = max(0.0, patience_s - (self._waited_at - began))

    def _stuck(self) -> bool:
        """True if it is of no use to wait for the other side."""
        return self._outage is not None or self._failure is not None

    def _adopt(self) -> None:
        """Take over what processes that are gone left; a fault leaves it to the next time."""
        self._adopt_at = time.monotonic() + ADOPT_EVERY_S
        try:
            self._spool.adopt()
        except ConnectorError as error:
            log.warning("%s; what others left there waits", error)
        self._changed.notify_all()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        try:
            while self._something_waits():
                retrying(
                    self._once,
                    self._again,
                    timeout_s=None,
                    longest_wait_s=self._longest_wait_s,
                )
        except ConnectorError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001  (a dead thread must not go unnoticed)
            self._fail(ConnectorError(f"delivery to {self._name} broke: {error!r}"), error)

    def _something_waits(self) -> bool:
        """Wait for entries, ours or those of a process that is gone; False when there is an end."""
        with self._changed:
            while not self._closing:
                if time.monotonic() >= self._adopt_at:
                    self._adopt()
                if len(self._spool):
                    return True
                self._changed.wait(self._adopt_at - time.monotonic())
            return False

    def _once(self) -> None:
        with self._changed:
            entries = [] if self._closing else self._spool.first(self._n_at_once)
        if not entries:
            return
        n = self._deliver(entries)
        with self._changed:
            self._spool.done(entries[:n])
            if self._outage is not None:
                log.info("%s answers again, %s alerts wait for it", self._name, len(self._spool))
            self._outage = None
            self._changed.notify_all()

    def _again(self, error: Exception) -> bool | float:
        """Whether, or when, to try again."""
        if not isinstance(error, Disconnected | Backpressure):
            return False
        with self._changed:
            if self._outage is None:
                log.warning("%s; alerts wait until it works again", error)
            self._outage = error
            self._changed.notify_all()
        return error.retry_after_s if isinstance(error, Backpressure) else True

    def _fail(self, error: ConnectorError, cause: Exception | None = None) -> None:
        error.__cause__ = cause or error.__cause__
        with self._changed:
            self._failure = error
            self._changed.notify_all()
