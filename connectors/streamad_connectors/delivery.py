"""What everything shares that delivers through an outbox."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from streamad.core.data import Alert, ScoreRows
from streamad.core.event import alert_document
from streamad_connectors.options import seconds
from streamad_connectors.outbox import Outbox
from streamad_connectors.refused_alerts import RefusedAlerts
from streamad_connectors.spool import Entry, Spool


class Link(Protocol):
    """A connection to the other side."""

    def close(self) -> None:
        """Release it."""
        ...


class Delivery(ABC):
    """An outbox and the connection that empties it.

    Parameters
    ----------
    name : str
        Of the other side, for messages.
    link : Link
        Closed after the outbox.
    spool : Spool
    longest_wait : str
        Between two attempts.
    n_at_once : int
        Entries delivered at once, at most.
    """

    def __init__(
        self, name: str, link: Link, spool: Spool, longest_wait: str, *, n_at_once: int = 1
    ) -> None:
        self._link = link
        self._delivered = 0
        self._outbox = Outbox(
            name,
            self._deliver,
            spool,
            n_at_once=n_at_once,
            longest_wait_s=seconds("longest_wait", longest_wait),
        )

    def open(self, partition: str, position: Mapping[str, Any] | None) -> None:  # noqa: ARG002
        """Begin to send; what processes that are gone left in the spool is sent, too."""
        self._outbox.start()

    def drop(self, partition: str) -> None:
        """Forget what was not sent since the last flush."""
        self._outbox.drop(partition)

    def close(self) -> None:
        """Stop sending; what is left in the spool is sent by another process."""
        self._outbox.close()
        self._link.close()

    @abstractmethod
    def _deliver(self, entries: Sequence[Entry]) -> int:
        """Deliver entries, see :class:`.Outbox`."""


class AlertDelivery(Delivery):
    """A sink of alerts that delivers through an outbox; scores are not sent.

    Parameters
    ----------
    refused : RefusedAlerts
        Takes what the other side does not.
    """

    def __init__(
        self,
        name: str,
        link: Link,
        spool: Spool,
        longest_wait: str,
        refused: RefusedAlerts,
        *,
        n_at_once: int = 1,
    ) -> None:
        super().__init__(name, link, spool, longest_wait, n_at_once=n_at_once)
        self._refused = refused

    @property
    def counts(self) -> Mapping[str, int]:
        """Alerts of this process: ``delivered``, ``dead_lettered``, ``waiting``."""
        return {
            "delivered": self._delivered,
            "dead_lettered": self._refused.n,
            "waiting": len(self._outbox),
        }

    def write(self, partition: str, scores: Sequence[ScoreRows], alerts: Sequence[Alert]) -> None:  # noqa: ARG002
        """Take alerts and send them soon."""
        chosen = [alert_document(alert) for alert in alerts if self._wanted(alert)]
        if chosen:
            self._outbox.put(partition, chosen)

    def flush(self, partition: str, next_offset: int) -> Mapping[str, Any]:  # noqa: ARG002
        """Return once all alerts are safe in the spool; without one, delivered or put aside."""
        self._outbox.flush(partition)
        return {}

    def finish(self, partition: str) -> None:
        """Nothing to complete."""

    def _wanted(self, alert: Alert) -> bool:  # noqa: ARG002
        return True
