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
"""Longest wait of a flush for the other side, while that answers."""
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
    :meth:`flush` returns once everything of a partition is delivered. During an outage it does not
    wait: what is in a durable spool survives and counts as handed over, and without a durable spool
    it raises Backpressure. A failure for good is raised by the next ``put`` or ``flush``. Thread
    rule: any thread.
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
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._outage: Exception | None = None
        self._failure: ConnectorError | None = None
        self._closing = False

    def __len__(self) -> int:
        with self._changed:
            return len(self._spool)

    def start(self) -> None:
        """Begin to deliver, first what was left by processes that died; again is no error."""
        with self._changed:
            if self._thread is None:
                self._spool.adopt()
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
        """Return once everything of a partition is delivered, or safe in the spool.

        Raises
        ------
        Backpressure
            When neither was possible.
        ConnectorError
            When there is no hope.
        """
        deadline = time.monotonic() + FLUSH_S
        with self._changed:
            while self._spool.waits(partition) and not (self._outage or self._failure):
                if not self._changed.wait(deadline - time.monotonic()):
                    break
            self._raise_failure()
            self._spool.save()
            if self._spool.waits(partition) and not self._spool.durable:
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
        """Stop; what a flush left in the spool is delivered by the next process."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(JOIN_S)
        with self._changed:
            self._spool.close()

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
        """Wait for entries; False when there is an end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or len(self._spool))
            return not self._closing

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
