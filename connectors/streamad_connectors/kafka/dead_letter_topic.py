"""Rejected rows into a topic, as they came, with the reason in the headers."""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import orjson

from streamad.core.data import Reject
from streamad.core.errors import ConnectorError
from streamad_connectors.kafka import require_client
from streamad_connectors.kafka.records import Record
from streamad_connectors.kafka.security import Security, as_security, client_settings
from streamad_connectors.kafka.to_topic import ToTopic
from streamad_connectors.options import seconds
from streamad_connectors.spool import Entry, Spool

log = logging.getLogger(__name__)

AT_ONCE = 500
PREFIX = "streamad.error."
_LONGEST_MESSAGE = 2000


class DeadLetterTopic(ToTopic):
    """Rejected rows into a topic, one record a row.

    Parameters
    ----------
    brokers : list of str
        As ``host:port``; a few of them are enough.
    topic : str
        It has to take records of 64 kB and their headers.
    spool : str or None
        Folder that keeps rows during an outage. Without one the checkpoints wait for the broker.
    spool_max_bytes : int
        Of the rows that wait; beyond it the stream waits too.
    security : Security or None
    client_id : str
        Name in the logs of the broker.
    timeout : str
        To connect, and for the acknowledgement of what was sent.
    longest_wait : str
        Between two attempts.

    Raises
    ------
    ConnectorError
        From ``write`` and ``flush``, when we are not let in, have no right to write, or the topic
        rejects a row even without its value: nothing is skipped.
    Backpressure
        From ``write`` when the spool is full; from ``flush`` without a spool, while rows wait.
    MissingExtraError
        If kafka-python is not installed.

    Notes
    -----
    The key is ``topic-partition-offset``, so a row that is rejected again after a crash has the
    same key. The value is the record as it came, or the row as JSON where the source does not keep
    it. Headers: those of the record, and ``streamad.error.reason``, ``.topic``, ``.partition``,
    ``.offset`` and ``.message``. A row that the topic rejects is sent without its value, with the
    header ``streamad.error.truncated``. Thread rule: one thread at a time.
    """

    INSIDE_STATE: ClassVar[tuple[str, ...]] = ("topic",)

    def __init__(
        self,
        *,
        brokers: list[str],
        topic: str,
        spool: str | None = None,
        spool_max_bytes: int = 64 * 1024 * 1024,
        security: Security | None = None,
        client_id: str = "streamad",
        timeout: str = "10s",
        longest_wait: str = "10s",
    ) -> None:
        require_client("the dead letter kafka")
        from streamad_connectors.kafka.sender import Sender

        settings = client_settings(as_security(security), brokers) | {"client_id": client_id}
        self._sender = Sender(settings, topic, seconds("timeout", timeout))
        super().__init__(
            f"the topic {topic}",
            self._sender,
            Spool(spool, spool_max_bytes),
            longest_wait,
            n_at_once=AT_ONCE,
        )

    @property
    def counts(self) -> Mapping[str, int]:
        """Rows of this process: ``delivered``, ``waiting``."""
        return {"delivered": self._delivered, "waiting": len(self._outbox)}

    def write(self, partition: str, rejects: Sequence[Reject]) -> None:
        """Take rows and send them soon."""
        if rejects:
            self._outbox.put(partition, [_document(reject) for reject in rejects])

    def flush(self, partition: str) -> Mapping[str, Any]:
        """Return once all rows are safe in the spool; without one, acknowledged."""
        self._outbox.flush(partition)
        return {}

    def _deliver(self, entries: Sequence[Entry]) -> int:
        records = [_record(entry.body) for entry in entries]
        for number, why in self._sender.send(records).items():
            log.warning("a rejected row is kept without its value: %s", why)
            bare = Record(
                records[number].key,
                b"",
                (*_own_headers(entries[number].body), (f"{PREFIX}truncated", b"true")),
            )
            if self._sender.send([bare]):
                raise ConnectorError(
                    f"{why}, not even without its value: the topic must take records of 64 kB"
                )
        self._delivered += len(entries)
        return len(entries)


def _document(reject: Reject) -> dict[str, Any]:
    """A rejected row as JSON types."""
    raw = orjson.dumps(dict(reject.row), default=str) if reject.raw is None else reject.raw
    topic, slash, number = reject.partition.rpartition("/")
    return {
        "reason": reject.reason,
        "topic": topic if slash else reject.partition,
        "partition": number if slash else "0",
        "offset": "" if reject.offset is None else str(reject.offset),
        "message": reject.detail[:_LONGEST_MESSAGE],
        "headers": dict(reject.headers),
        "raw": base64.b64encode(raw).decode(),
    }


def _record(document: Mapping[str, Any]) -> Record:
    """A document as the record that goes into the topic."""
    headers = [(name, text.encode()) for name, text in document["headers"].items()]
    return Record(
        "-".join(document[part] for part in ("topic", "partition", "offset")).encode(),
        base64.b64decode(document["raw"]),
        (*headers, *_own_headers(document)),
    )


def _own_headers(document: Mapping[str, Any]) -> tuple[tuple[str, bytes], ...]:
    return tuple(
        (PREFIX + part, document[part].encode())
        for part in ("reason", "topic", "partition", "offset", "message")
    )
