"""Alerts into a topic, keyed by their id."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import ClassVar, Literal

from streamad.core.errors import ConfigError
from streamad_connectors.delivery import AlertDelivery
from streamad_connectors.kafka import require_client
from streamad_connectors.kafka.records import FORMATS
from streamad_connectors.kafka.security import Security, as_security, client_settings
from streamad_connectors.kafka.to_topic import ToTopic
from streamad_connectors.options import seconds
from streamad_connectors.refused_alerts import RefusedAlerts
from streamad_connectors.spool import Entry, Spool

log = logging.getLogger(__name__)

AT_ONCE = 500


class KafkaSink(ToTopic, AlertDelivery):
    """Alerts into a topic, one record an event, keyed by the id of the alert.

    Scores are not written.

    Parameters
    ----------
    brokers : list of str
        As ``host:port``; a few of them are enough.
    topic : str
    dead_letter : str
        File that takes, as JSON lines with the reason, what the broker rejects, such as records
        larger than the topic allows.
    format : str
        ``json``, ``cloudevents`` (structured mode) or ``cloudevents-binary``.
    spool : str or None
        Folder that keeps alerts during an outage. Without one the checkpoints wait for the broker.
    spool_max_bytes : int
        Of the alerts that wait; beyond it the stream waits too.
    security : Security or None
    client_id : str
        Name in the logs of the broker.
    timeout : str
        To connect, and for the acknowledgement of what was sent.
    longest_wait : str
        Between two attempts.

    Raises
    ------
    ConfigError
        An option that cannot be used.
    ConnectorError
        From ``write`` and ``flush``, when we are not let in or have no right to write.
    Backpressure
        From ``write`` when the spool is full; from ``flush`` without a spool, while alerts wait.
    MissingExtraError
        If kafka-python is not installed.

    Notes
    -----
    An idempotent producer, acknowledged by all replicas in sync. After a crash events may come
    twice, with the same key and value: a compacted topic holds the last state of every alert, and
    readers drop what has a ``seq`` that they know. A thread of the sink sends as soon as alerts
    come; thread rule for its methods: one thread at a time.
    """

    INSIDE_STATE: ClassVar[tuple[str, ...]] = ("topic", "format")

    def __init__(
        self,
        *,
        brokers: list[str],
        topic: str,
        dead_letter: str,
        format: Literal["json", "cloudevents", "cloudevents-binary"] = "json",  # noqa: A002
        spool: str | None = None,
        spool_max_bytes: int = 64 * 1024 * 1024,
        security: Security | None = None,
        client_id: str = "streamad",
        timeout: str = "10s",
        longest_wait: str = "10s",
    ) -> None:
        require_client("the sink kafka")
        from streamad_connectors.kafka.sender import Sender

        if format not in FORMATS:
            raise ConfigError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
        settings = client_settings(as_security(security), brokers) | {"client_id": client_id}
        self._format = FORMATS[format]
        self._sender = Sender(settings, topic, seconds("timeout", timeout))
        super().__init__(
            f"the topic {topic}",
            self._sender,
            Spool(spool, spool_max_bytes),
            longest_wait,
            RefusedAlerts(dead_letter),
            n_at_once=AT_ONCE,
        )

    def _deliver(self, entries: Sequence[Entry]) -> int:
        rejected = self._sender.send([self._format(entry.body) for entry in entries])
        for number, detail in rejected.items():
            self._refused.keep(entries[number].body, "rejected", detail)
            log.error("alert %s is put aside: %s", entries[number].body["id"], detail)
        self._delivered += len(entries) - len(rejected)
        return len(entries)
