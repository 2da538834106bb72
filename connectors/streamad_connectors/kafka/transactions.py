"""One transaction after another on kafka-python, each step bounded in time.

All that is used of kafka-python beyond its documented interface is in :func:`_finish`: its own
``commit_transaction`` and ``send_offsets_to_transaction`` wait without an end for a broker that is
away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka import errors as kafka_errors
from kafka.structs import OffsetAndMetadata

from streamad.core.errors import ConnectorError, Disconnected
from streamad_connectors.kafka.connect import connect, end_producer
from streamad_connectors.kafka.positions import parse_partition
from streamad_connectors.kafka.records import Record
from streamad_connectors.kafka.topics import why_not_written

_STALE = (
    kafka_errors.CommitFailedError,
    kafka_errors.IllegalGenerationError,
    kafka_errors.UnknownMemberIdError,
    kafka_errors.RebalanceInProgressError,
)
_FENCED = (kafka_errors.ProducerFencedError, kafka_errors.InvalidProducerEpochError)
"""Another process took the transactional id, or the broker gave the transaction up."""


class StaleMemberError(ConnectorError):
    """The group has moved on: these offsets are not ours to commit any more, or not yet."""


class Transactions:
    """A transactional producer, made anew after every failure.

    Parameters
    ----------
    settings : mapping
        See :func:`.security.client_settings`.
    topic : str
    transactional_id : str
    timeout_s : float
        For each step.
    transaction_s : float
        After which the broker aborts a transaction by itself.

    Raises
    ------
    Disconnected
        No answer in time. Whether a transaction that was being committed is, :meth:`done` says.
    ConnectorError
        Another process uses the transactional id, or something is refused.

    Notes
    -----
    Connecting ends what a predecessor with the same id left open. Thread rule: one thread.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        topic: str,
        transactional_id: str,
        timeout_s: float,
        transaction_s: float,
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._id = transactional_id
        self._timeout_s = timeout_s
        self._transaction_s = transaction_s
        self._producer: KafkaProducer | None = None

    def run(
        self, records: Sequence[Record], offsets: Mapping[str, int], group: Any, mark: str
    ) -> None:
        """Commit records and offsets together.

        Parameters
        ----------
        records : sequence of Record
        offsets : mapping of str to int
        group : ConsumerGroupMetadata
        mark : str
            Kept by the broker beside the offsets; no other transaction has it.

        Raises
        ------
        StaleMemberError
            Nothing was committed: the group has another generation.
        Disconnected
            Also when this process stood still until the broker gave the transaction up.
        """
        producer = self._connected()
        begun = time.monotonic()
        try:
            producer.begin_transaction()
            self._send(producer, records)
            self._send_offsets(producer, offsets, group, mark)
            self._finish(producer, lambda manager: manager.begin_commit())
        except kafka_errors.KafkaError as error:
            self.close()
            took_s = time.monotonic() - begun
            if isinstance(error, _FENCED) and took_s >= self._transaction_s:
                raise Disconnected(
                    f"a transaction for the topic {self._topic} took {took_s:.1f} s, so the broker "
                    f"gave it up after transaction_timeout ({self._transaction_s:g} s)"
                ) from error
            raise self._told(error, "committing to") from error

    def committed(self, group: str, partitions: Iterable[str]) -> dict[str, int | None]:
        """Offsets of the group, once no transaction on them is open."""
        found = self._found(group, partitions)
        return {name: None if at is None else at.offset for name, at in found.items()}

    def done(self, group: str, partitions: Iterable[str], mark: str) -> set[str]:
        """Those whose offsets were committed last by the transaction with this mark."""
        found = self._found(group, partitions)
        return {name for name, at in found.items() if at is not None and at.metadata == mark}

    def close(self) -> None:
        """Close the connections; an open transaction is left to the next process."""
        producer, self._producer = self._producer, None
        if producer is not None:
            end_producer(producer)

    def _found(self, group: str, partitions: Iterable[str]) -> dict[str, OffsetAndMetadata | None]:
        """What the broker keeps of these partitions, once no transaction on them is open.

        All partitions together are waited for as long as an open transaction may last.
        """
        self._connected()
        settings = {
            **self._settings,
            "group_id": group,
            "enable_auto_commit": False,
            "isolation_level": "read_committed",
        }
        consumer = connect(KafkaConsumer, settings, self._timeout_s)
        deadline = time.monotonic() + self._timeout_s + self._transaction_s
        try:
            return {
                name: consumer.committed(
                    parse_partition(name),
                    metadata=True,
                    timeout_ms=round(1000 * max(0.0, deadline - time.monotonic())),
                )
                for name in partitions
            }
        except kafka_errors.KafkaError as error:
            raise self._told(error, "asking for the offsets of") from error
        finally:
            consumer.close()

    def _connected(self) -> KafkaProducer:
        if self._producer is None:
            milliseconds = round(1000 * self._timeout_s)
            settings = {
                **self._settings,
                "transactional_id": self._id,
                "transaction_timeout_ms": round(1000 * self._transaction_s),
                "acks": "all",
                "allow_auto_create_topics": False,
                "request_timeout_ms": max(1000, milliseconds // 2),
                "delivery_timeout_ms": max(2000, milliseconds),
                "max_block_ms": milliseconds,
                "reconnect_backoff_max_ms": 1000,
            }
            producer = connect(KafkaProducer, settings, self._timeout_s)
            try:
                producer.init_transactions()
            except kafka_errors.KafkaError as error:
                end_producer(producer)
                raise self._told(error, "preparing transactions for") from error
            self._producer = producer
        return self._producer

    def _send(self, producer: KafkaProducer, records: Sequence[Record]) -> None:
        futures = [
            producer.send(self._topic, record.value, record.key, list(record.headers))
            for record in records
        ]
        producer.flush(self._timeout_s)
        for future in futures:
            if future.exception is not None:
                raise future.exception

    def _send_offsets(
        self, producer: KafkaProducer, offsets: Mapping[str, int], group: Any, mark: str
    ) -> None:
        """Put the offsets into the transaction; a member that is not up to date aborts it.

        kafka-python keeps offsets that were refused and sends them with the next transaction, when
        we may have joined again but do not own their partitions: so that one gets a new producer.
        """
        made: dict[TopicPartition, OffsetAndMetadata] = {
            parse_partition(name): OffsetAndMetadata(offset, mark, -1)
            for name, offset in offsets.items()
        }
        try:
            self._finish(producer, lambda manager: manager.send_offsets_to_transaction(made, group))
        except _STALE as error:
            self._finish(producer, lambda manager: manager.begin_abort())
            self.close()
            raise StaleMemberError(f"the group has moved on ({error})") from error

    def _finish(self, producer: KafkaProducer, begin: Callable[[Any], Any]) -> None:
        """Begin a step and wait for its end, but not for ever."""
        result = begin(producer._transaction_manager)  # noqa: SLF001
        producer._sender.wakeup()  # noqa: SLF001
        if not result.wait(timeout_ms=round(1000 * self._timeout_s)):
            raise kafka_errors.KafkaTimeoutError("the broker does not answer")

    def _told(self, error: kafka_errors.KafkaError, doing: str) -> Exception:
        if isinstance(error, kafka_errors.MessageSizeTooLargeError):
            return ConnectorError(
                f"the topic {self._topic} does not take a record: max_record_bytes must not be "
                f"more than its max.message.bytes ({error})"
            )
        return why_not_written(
            self._settings,
            self._topic,
            error,
            f"{doing} the topic {self._topic} (transactional id {self._id})",
        )
