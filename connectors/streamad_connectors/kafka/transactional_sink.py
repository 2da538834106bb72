"""Alerts and offsets in one transaction: readers of committed records see each event once."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol

from streamad.core.data import Alert, ScoreRows
from streamad.core.errors import Backpressure, ConfigError, ConnectorError, Disconnected
from streamad.core.event import alert_document
from streamad.core.protocols import CommitResult
from streamad_connectors.kafka import require_client
from streamad_connectors.kafka.records import FORMATS, Record
from streamad_connectors.kafka.security import Security, as_security, client_settings
from streamad_connectors.options import seconds
from streamad_connectors.refused_alerts import RefusedAlerts

log = logging.getLogger(__name__)

MOST_STAGED = 200_000
"""Records held between two commits; beyond it the stream waits."""
WORKER = "STREAMAD_WORKER"
"""Environment variable: number of the process among those that share a configuration."""


class Grouped(Protocol):
    """A source that is a member of a consumer group."""

    def group_metadata(self) -> Any:
        """Group, generation and member, as kafka-python gives them."""
        ...


class KafkaTransactionalSink:
    """Alerts into a topic, together with the offsets of the rows that they came from.

    Scores are not written.

    Parameters
    ----------
    brokers : list of str
        As ``host:port``; those of the source.
    topic : str
    dead_letter : str
        File that takes, as JSON lines with the reason, what is larger than ``max_record_bytes``.
    format : str
        ``json``, ``cloudevents`` (structured mode) or ``cloudevents-binary``.
    transactional_id : str or None
        The same after a restart, and another one for every process that runs at the same time; None
        = from the group, the host and the environment variable ``STREAMAD_WORKER``.
    max_record_bytes : int
        No more than ``max.message.bytes`` of the topic.
    security : Security or None
    client_id : str
        Name in the logs of the broker.
    timeout : str
        For each step of a commit.
    transaction_timeout : str
        After which the broker gives a transaction up whose process died and did not come back; so
        long readers of committed records stand still.

    Raises
    ------
    ConfigError
        An option that cannot be used, or a source that is no member of a group.
    ConnectorError
        From ``commit``, when we are not let in, have no right to write, another process uses the
        transactional id, or the topic rejects a record.
    Disconnected
        From ``committed``, when the broker does not answer.
    Backpressure
        From ``write``, when too many records wait for a commit.
    MissingExtraError
        If kafka-python is not installed.

    Notes
    -----
    What an engine does beyond the protocol of a sink:

    - before the first ``open`` it calls ``bind`` with the source;
    - at an assignment it asks ``committed`` and restores the snapshot with exactly that offset: a
      newer one belongs to a transaction that did not commit, and without an offset the partition
      begins afresh;
    - at a checkpoint it calls ``flush``, saves the snapshots, and then calls ``commit`` with their
      offsets, in place of the source's commit;
    - it prunes snapshots after a commit that answered OK, never else.

    A commit takes along what was flushed up to its offset and nothing beyond: after a flush another
    sink may refuse, or the snapshot fail, and then the rows behind the older one come again.

    REBALANCING is no error: what was flushed waits for the next commit, or for ``drop``, which has
    to follow when the partition is lost.

    A commit whose answer got lost is looked up before the next one, so nothing is sent twice: every
    commit leaves a mark of its own in the metadata of the offsets, as the offset may be that of the
    commit before. That happens to the notice that a state was lost (``on_lost: fresh``). If the
    process dies between the first snapshot and its commit, that notice alone does not come again,
    as the snapshot has the offset that is committed; the dead letters have it.

    Thread rule: one thread at a time.
    """

    INSIDE_STATE: ClassVar[tuple[str, ...]] = ("topic", "format")

    def __init__(
        self,
        *,
        brokers: list[str],
        topic: str,
        dead_letter: str,
        format: Literal["json", "cloudevents", "cloudevents-binary"] = "json",  # noqa: A002
        transactional_id: str | None = None,
        max_record_bytes: int = 1_000_000,
        security: Security | None = None,
        client_id: str = "streamad",
        timeout: str = "10s",
        transaction_timeout: str = "15s",
    ) -> None:
        require_client("the sink kafka_transactional")
        from streamad_connectors.kafka.sender import Sender

        if format not in FORMATS:
            raise ConfigError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
        self._settings = client_settings(as_security(security), brokers) | {"client_id": client_id}
        self._topic = topic
        self._format = FORMATS[format]
        self._refused = RefusedAlerts(dead_letter)
        self._id = transactional_id
        self._max_record_bytes = max_record_bytes
        self._timeout_s = seconds("timeout", timeout)
        self._transaction_s = seconds("transaction_timeout", transaction_timeout)
        self._target = Sender(self._settings, topic, self._timeout_s)
        self._source: Grouped | None = None
        self._transactions: Any = None
        self._staged: dict[str, list[Record]] = {}
        self._points: dict[str, list[tuple[int, int]]] = {}
        self._doubtful: dict[str, int] = {}
        self._mark = ""
        self._delivered = 0
        self._outage = ""

    @property
    def outage(self) -> str:
        """Why the last commit has to be repeated; empty = it went through."""
        return self._outage

    @property
    def counts(self) -> Mapping[str, int]:
        """Alerts of this process: ``delivered``, ``dead_lettered``, ``waiting``."""
        return {
            "delivered": self._delivered,
            "dead_lettered": self._refused.n,
            "waiting": sum(map(len, self._staged.values())),
        }

    def bind(self, source: Grouped) -> None:
        """The source whose offsets go into the transactions.

        Raises
        ------
        ConfigError
            If it is no member of a consumer group, or one of another client.
        """
        if not hasattr(source, "group_metadata"):
            raise ConfigError(
                "the sink kafka_transactional needs a source of type kafka, "
                f"got {type(source).__name__}"
            )
        source.group_metadata()
        self._source = source

    def check(self) -> None:
        """Return if the topic is there; errors as of :meth:`.Sender.check`."""
        self._target.check()

    def open(self, partition: str, position: Mapping[str, Any] | None) -> None:  # noqa: ARG002
        """Begin or go on with a partition; where, :meth:`committed` says."""
        self._target.check_first()
        self.drop(partition)
        self._staged[partition] = []

    def write(self, partition: str, scores: Sequence[ScoreRows], alerts: Sequence[Alert]) -> None:  # noqa: ARG002
        """Take alerts for the next commit."""
        waiting = sum(map(len, self._staged.values()))
        if waiting and waiting + len(alerts) > MOST_STAGED:
            raise Backpressure(f"{waiting} alerts wait for a commit to {self._topic}", 1.0)
        for alert in alerts:
            document = alert_document(alert)
            record = self._format(document)
            size = (
                len(record.key)
                + len(record.value)
                + sum(len(name) + len(value) for name, value in record.headers)
            )
            if size > self._max_record_bytes:
                detail = f"{size} bytes, max_record_bytes is {self._max_record_bytes}"
                self._refused.keep(document, "size", detail)
                log.error("alert %s is put aside: %s", alert.id, detail)
            else:
                self._staged[partition].append(record)

    def flush(self, partition: str, next_offset: int) -> Mapping[str, Any]:
        """Everything so far belongs to the commit of this offset; nothing is sent yet.

        A flush that adds no records to the one before it is not worth remembering.
        """
        points, n = self._points.setdefault(partition, []), len(self._staged[partition])
        if n > (points[-1][1] if points else 0):
            if points and points[-1][0] == next_offset:
                points.pop()
            points.append((next_offset, n))
        return {}

    def commit(self, offsets: Mapping[str, int]) -> CommitResult:
        """Deliver what was flushed up to the offsets and commit these, both or neither.

        Parameters
        ----------
        offsets : mapping of str to int
            Next offsets, those of the newest snapshots; flushes may be further.

        Returns
        -------
        CommitResult
            OK; or REBALANCING, when the group moved on or the broker does not answer: carry on.
        """
        from streamad_connectors.kafka.transactions import StaleMemberError

        if not offsets:
            return CommitResult.OK
        try:
            transactions = self._ready()
            self._resolve_doubt()
            counts = {p: self._flushed(p, offset) for p, offset in offsets.items()}
            records = [r for p, n in counts.items() for r in self._staged[p][:n]]
            self._doubtful, self._mark = counts, f"streamad {secrets.token_hex(8)}"
            transactions.run(records, offsets, self._bound().group_metadata(), self._mark)
        except StaleMemberError as error:
            log.info("%s; the alerts wait for the next commit", error)
            self._outage = str(error)
            self._doubtful = {}
            return CommitResult.REBALANCING
        except Disconnected as error:
            log.warning("%s; the alerts wait for the next commit", error)
            self._outage = str(error)
            return CommitResult.REBALANCING
        self._settle(offsets)
        self._outage = ""
        return CommitResult.OK

    def committed(self, partitions: Iterable[str]) -> Mapping[str, int | None]:
        """Where the last commit of any process has left these partitions; None = nowhere.

        A transaction that this process's predecessor left open is aborted before, and one that
        another process has open is waited for.
        """
        return dict(self._ready().committed(self._bound().group_metadata().group_id, partitions))

    def drop(self, partition: str) -> None:
        """Forget what was not committed."""
        self._staged.pop(partition, None)
        self._points.pop(partition, None)
        self._doubtful.pop(partition, None)

    def finish(self, partition: str) -> None:
        """Nothing to complete."""

    def close(self) -> None:
        """Close the connections; what was not committed is forgotten."""
        if self._transactions is not None:
            self._transactions.close()
            self._transactions = None

    def _bound(self) -> Grouped:
        if self._source is None:
            raise ConnectorError("the sink kafka_transactional must be bound to a source first")
        return self._source

    def _ready(self) -> Any:
        from streamad_connectors.kafka.transactions import Transactions

        if self._transactions is None:
            group = self._bound().group_metadata().group_id
            name = self._id or "-".join(
                ("streamad", group, socket.gethostname(), os.environ.get(WORKER, "0"))
            )
            self._transactions = Transactions(
                self._settings, self._topic, name, self._timeout_s, self._transaction_s
            )
        return self._transactions

    def _flushed(self, partition: str, offset: int) -> int:
        """Records that belong to a commit of this offset."""
        points = self._points.get(partition, ())
        return max((n for flushed_at, n in points if flushed_at <= offset), default=0)

    def _resolve_doubt(self) -> None:
        """Find out whether the commit whose answer got lost was carried out."""
        if not self._doubtful:
            return
        group = self._bound().group_metadata().group_id
        self._settle(self._ready().done(group, self._doubtful, self._mark))
        self._doubtful = {}

    def _settle(self, partitions: Iterable[str]) -> None:
        """The last commit was carried out for these: their records in it are delivered."""
        for partition in partitions:
            n = self._doubtful.pop(partition)
            del self._staged[partition][:n]
            points = self._points.get(partition, ())
            self._points[partition] = [(at, left - n) for at, left in points if left > n]
            self._delivered += n
