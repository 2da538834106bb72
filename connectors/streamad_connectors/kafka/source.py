"""Rows from Kafka topics: a member of a consumer group that never guesses where it stands."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from streamad.core.data import Batch, Reject, Schema
from streamad.core.durations import parse_duration
from streamad.core.errors import ConfigError
from streamad.core.protocols import CommitResult, SourceEvent
from streamad.core.standing import SourceStanding
from streamad_connectors.kafka import require_client, require_confluent
from streamad_connectors.kafka.security import Security, as_security, client_settings
from streamad_connectors.names import Names

_SECOND_NS = 1_000_000_000


class KafkaSource:
    """Rows of topics, as a member of a consumer group; partitions are named ``TOPIC/NUMBER``.

    Parameters
    ----------
    brokers : list of str
        As ``host:port``; a few of them are enough.
    topics : list of str
    client : {"kafka-python", "confluent"}
        What reads; confluent needs a package of its own and takes less work for a row.
    group : str
        Consumer group. Offsets are committed to it for others to see: reading goes on from
        snapshots alone.
    format : dict
        What is in a record, see :mod:`.payloads.options`.
    channels : list of str, optional
        Names of the value columns; None = the last names of the paths in ``format.values``.
    contract : dict, optional
        What the values may be, by channel: ``range`` ([lowest, highest]) and ``unit``. A value
        outside is missing, and counted; with ``strict: true`` its row is refused.
    start : str
        ``latest``, ``earliest`` or an ISO 8601 time; for partitions without a snapshot. Partitions
        that are added while this process runs begin at their first record all the same.
    on_gap : {"resume", "stop"}
        When retention was faster than we: tell of the gap and go on behind it, or stop.
    security : Security, optional
    client_id : str
        Name in the logs of the broker.
    instance_id : str, optional
        Static membership: a restart within the session timeout moves no partition. Every process
        needs another one.
    assignor : {"cooperative", "range"}
        The same for all members of a group.
    isolation : {"read_committed", "read_uncommitted"}
        Whether records of open and failed transactions are seen.
    fetch_bytes : int
        How much of one partition comes at once; a larger record comes all the same.
    session_timeout, max_poll_interval : str
        A member without a sign of life, or without a poll, for so long has lost its partitions.
    metadata_age : str
        How old the picture of topics and partitions may become.
    connect_timeout : str
        At the start, and for the offset of a partition that comes: how long to wait for the broker.
    auth_timeout : str
        While running: how long to wait for rights that were taken away.
    commit_timeout : str
        How long one commit, or one question for offsets, may take.

    Raises
    ------
    ConfigError
        If the settings cannot work.
    ConnectorError
        If the broker refuses us, or a topic is not there or must not be read.
    Disconnected
        If the broker does not answer in time.
    MissingExtraError
        If kafka-python, or the client that was chosen, is not installed.

    Notes
    -----
    The group is joined in the engine's thread only, inside :meth:`poll` (and the first
    :meth:`events`). Before a join that takes partitions away, they are announced as ``Revoked``
    and ``poll`` returns; only the next ``poll`` goes on. So the engine checkpoints and commits
    before anybody else can own them, while heartbeats keep the membership alive, for
    ``max_poll_interval`` at most. Should the group have moved on without that (the session was
    lost, or the client joined by itself), the partitions come as ``Lost``: what is in memory is
    dropped and nothing is written, for their new owner has begun at the last snapshot.

    Nothing is read from a partition before :meth:`seek` or :meth:`begin`.

    Rows of one record that holds several have its offset; ``max_rows`` counts records. Memory: at
    most ``fetch_bytes`` a partition besides one poll. Thread rule: one thread at a time.
    """

    INSIDE_STATE: ClassVar[tuple[str, ...]] = (
        "topics", "format", "channels", "contract", "isolation",
    )  # fmt: skip
    """Options that decide what is read; the others may change while the state stays."""

    def __init__(
        self,
        *,
        brokers: list[str],
        topics: list[str],
        group: str,
        format: dict[str, Any],  # noqa: A002
        client: Literal["kafka-python", "confluent"] = "kafka-python",
        channels: list[str] | None = None,
        contract: dict[str, Any] | None = None,
        start: str = "latest",
        on_gap: Literal["resume", "stop"] = "resume",
        security: Security | None = None,
        client_id: str = "streamad",
        instance_id: str | None = None,
        assignor: Literal["cooperative", "range"] = "cooperative",
        isolation: Literal["read_committed", "read_uncommitted"] = "read_committed",
        fetch_bytes: int = 1_048_576,
        session_timeout: str = "30s",
        max_poll_interval: str = "5m",
        metadata_age: str = "30s",
        connect_timeout: str = "10s",
        auth_timeout: str = "60s",
        commit_timeout: str = "3s",
    ) -> None:
        from streamad_connectors.payloads.channels import channel_names
        from streamad_connectors.payloads.decoder import make_decoder

        require_client("the Kafka source")
        if client == "confluent":
            require_confluent("a Kafka source with client: confluent")
        from streamad_connectors.kafka.member import Member, MemberOptions

        names = channel_names(format, channels)
        self._decoder = make_decoder(format, names, contract)
        self._names = Names(names)
        if not topics or not group:
            raise ConfigError("a Kafka source needs topics, at least one, and the name of a group")
        settings = client_settings(as_security(security), brokers) | {"client_id": client_id}
        self._member = Member(
            settings,
            MemberOptions(
                client=client,
                topics=tuple(topics),
                group=group,
                start=start,
                stop_on_gap=on_gap == "stop",
                instance_id=instance_id,
                assignor=assignor,
                isolation=isolation,
                fetch_bytes=fetch_bytes,
                session_s=_seconds("session_timeout", session_timeout),
                poll_interval_s=_seconds("max_poll_interval", max_poll_interval),
                metadata_s=_seconds("metadata_age", metadata_age),
                connect_s=_seconds("connect_timeout", connect_timeout),
                rights_s=_seconds("auth_timeout", auth_timeout),
                commit_s=_seconds("commit_timeout", commit_timeout),
            ),
        )
        self._rejects: list[Reject] = []
        self._n_bytes = 0
        self._invalid: Counter[str] = Counter()
        self._first_headers: list[Sequence[tuple[str, bytes]]] = []
        self._closed = False

    @property
    def schema(self) -> Schema:
        """Channels and series of the rows that come now; another one now and then."""
        return self._names.schema

    @property
    def identity(self) -> Mapping[str, Any]:
        """Ids of the topics: one that was made again under its name has another."""
        return {"topic_ids": {topic.name: topic.id for topic in self._member.topics.values()}}

    @property
    def total_rows(self) -> int | None:
        """Unknown: a topic has no end."""
        return None

    @property
    def n_failures(self) -> int:
        """Calls to the broker that failed and were waited out."""
        return self._member.n_failures

    def events(self) -> Sequence[SourceEvent]:
        """Changes since the last call; the first call joins the group.

        Raises
        ------
        ConnectorError
            If the group refuses us, or its broker does not answer in time.
        """
        return [] if self._closed else self._member.events()

    def poll(self, timeout_s: float, max_rows: int) -> Sequence[Batch]:
        """Rows of partitions that were sought or begun; nothing while events wait to be heard.

        May take longer than ``timeout_s`` (two seconds) while the group moves: who leaves it alone
        then makes all members begin again.

        Raises
        ------
        ConnectorError
            If reading cannot go on: rights taken away, a topic made again, a log cut short, or
            :class:`.DecodeError` for what the client cannot read.
        """
        if self._closed or max_rows < 1:
            return []
        self._first_headers.clear()
        self._names.renew()
        found = self._member.fetch(time.monotonic() + timeout_s, max_rows)
        begun = [self._begun_at(name, offset) for name, offset in self._member.begun().items()]
        return begun + [
            batch for name, records in found.items() if (batch := self._decode(name, records))
        ]

    def rejects(self) -> Sequence[Reject]:
        """Records refused since the last call."""
        found, self._rejects = self._rejects, []
        return found

    def committed_offset(self, partition: str) -> int | None:
        """Offset that the group has committed; None = nothing yet.

        Raises
        ------
        Disconnected
            If nobody can tell within ``connect_timeout``: ask again. So it is while the coordinator
            is away, and with ``read_committed`` while a transaction on the offset is open.
        ConnectorError
            If the group refuses us.
        """
        return self._member.committed(partition)

    def begin(self, partition: str, *, first: bool = False) -> None:
        """Read from where ``start`` says; a batch without rows tells the offset.

        For partitions without a snapshot. Whoever keeps that offset loses nothing in a crash before
        the first rows.

        Parameters
        ----------
        partition : str
        first : bool
            Read from the first record that there is, whatever ``start`` says.

        Raises
        ------
        ConfigError
            If there is no such partition.
        """
        self._member.seek(partition, None, first=first)

    def seek(self, partition: str, offset: int) -> None:
        """Go on reading at this offset.

        The next poll compares it with the log: a gap then comes as an event, and an offset behind
        the end raises. Partitions that are not owned any more are passed over.

        Raises
        ------
        ConfigError
            If there is no such partition or offset.
        """
        self._member.seek(partition, offset)

    def commit(self, offsets: Mapping[str, int]) -> CommitResult:
        """Commit to the group.

        Returns
        -------
        CommitResult
            ``LOST`` where a partition belongs to somebody else; ``REBALANCING`` where nothing was
            committed for now, because the group moves or the broker does not answer.

        Raises
        ------
        ConnectorError
            If another process has taken our ``instance_id``.
        """
        return self._member.commit(offsets)

    def pause(self, partitions: Iterable[str]) -> None:
        """Stop polling these partitions, now and if they come again."""
        self._member.pause(partitions)

    def resume(self, partitions: Iterable[str]) -> None:
        """Poll these partitions again."""
        self._member.resume(partitions)

    def lag(self) -> Mapping[str, int | None]:
        """Offsets up to the end as of the last fetch; None before the first."""
        return {} if self._closed else self._member.lag()

    def standing(self) -> SourceStanding:
        """Bytes and unusable values so far, and how the group and the brokers are."""
        return SourceStanding(
            self._n_bytes, dict(self._invalid), self._member.settled, self._member.silent_s
        )

    def traceparents(self) -> Sequence[str]:
        """W3C trace contexts of the first record of each partition of the last poll."""
        return [
            value.decode("ascii", "replace")
            for headers in self._first_headers
            for name, value in headers
            if name == "traceparent" and value
        ]

    def exhausted(self) -> bool:
        """Never: a topic has no end."""
        return False

    def group_metadata(self) -> Any:
        """Membership as a transactional producer of kafka-python needs it.

        Raises
        ------
        ConfigError
            If another client reads.
        """
        return self._member.group_metadata()

    def close(self) -> None:
        """Leave the group (a static member stays until its session ends) and disconnect."""
        if not self._closed:
            self._closed = True
            self._member.close()

    def _begun_at(self, partition: str, offset: int) -> Batch:
        """A batch without rows: it tells only where reading begins."""
        n = len(self.schema.channels)
        return Batch(
            self.schema,
            np.empty(0, np.int32),
            np.empty(0, np.int64),
            np.empty((0, n), np.float64),
            partition,
            offset,
            np.empty(0, np.int64),
        )

    def _decode(self, partition: str, records: Sequence[Any]) -> Batch | None:
        """Rows of records of one partition; None if all were refused."""
        values = [record.value for record in records]
        self._n_bytes += sum(map(len, filter(None, values)))
        self._first_headers.append(records[0].headers or ())
        found = self._decoder.decode(
            values,
            [record.key for record in records],
            [record.headers for record in records],
            [record.timestamp for record in records],
            partition,
            [record.offset for record in records],
        )
        self._rejects += found.rejects
        self._invalid.update(found.invalid)
        if not len(found):
            return None
        return Batch(
            self.schema,
            self.schema.codes(found.series),
            found.times,
            found.values,
            partition,
            records[-1].offset + 1,
            found.offsets,
        )


def _seconds(name: str, duration: str) -> float:
    try:
        return parse_duration(duration) / _SECOND_NS
    except ValueError as error:
        raise ConfigError(f"source.{name}: {error}") from error
