"""Records into a topic: acknowledged by all replicas, or the reason why not, each of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from kafka import KafkaProducer
from kafka import errors as kafka_errors

from streamad.core.errors import Disconnected
from streamad_connectors.kafka.connect import connect, end_producer
from streamad_connectors.kafka.errors import translate
from streamad_connectors.kafka.records import Record
from streamad_connectors.kafka.topics import require_target, why_not_written

LINGER_MS = 5
_ABOUT_THE_RECORD = (
    kafka_errors.MessageSizeTooLargeError,
    kafka_errors.RecordListTooLargeError,
    kafka_errors.InvalidTimestampError,
    kafka_errors.InvalidRecordError,
    kafka_errors.CorruptRecordError,
)
"""What the broker says of a record, whoever sends it."""


class Sender:
    """An idempotent producer for one topic, made anew after every failure.

    Parameters
    ----------
    settings : mapping
        See :func:`.security.client_settings`.
    topic : str
    timeout_s : float
        To connect, and then for the acknowledgement of everything that was sent at once.

    Notes
    -----
    One record that the broker rejects puts an idempotent producer of kafka-python into a state in
    which every later record fails alike, to any topic. So a producer that failed is closed, and of
    the records that failed with it each is sent again alone, to find those that are bad. Thread
    rule: one thread.
    """

    def __init__(self, settings: Mapping[str, Any], topic: str, timeout_s: float) -> None:
        self._settings = settings
        self._topic = topic
        self._timeout_s = timeout_s
        self._producer: KafkaProducer | None = None
        self._is_there = self._was_asked = False

    def check(self) -> None:
        """Return if the topic is there, which is asked once.

        Raises
        ------
        ConnectorError
            If there is no such topic, or we are not let in.
        Disconnected
            If the broker does not answer.
        """
        if not self._is_there:
            require_target(self._settings, self._topic, self._timeout_s)
            self._is_there = True

    def check_first(self) -> None:
        """As :meth:`check`, the first time; that a broker is away shows when something is sent.

        Raises
        ------
        ConnectorError
            If there is no such topic, or we are not let in.
        """
        if not self._was_asked:
            self._was_asked = True
            with suppress(Disconnected):
                self.check()

    def send(self, records: Sequence[Record]) -> dict[int, str]:
        """Return once the broker has every record that it takes.

        Returns
        -------
        dict of int to str
            Numbers of the records that it rejects for what they are, and why.

        Raises
        ------
        Disconnected
            No answer in time, or the topic is gone; some of the records may have been taken.
        ConnectorError
            We are not let in, or have no right to write.
        """
        failed = self._at_once(records, range(len(records)))
        if len(records) == 1 or not failed:
            return failed
        alone: dict[int, str] = {}
        for number in sorted(failed):
            alone |= self._at_once(records, [number])
        return alone

    def close(self) -> None:
        """Close the connections; what is under way may be lost."""
        producer, self._producer = self._producer, None
        if producer is not None:
            end_producer(producer)

    def _at_once(self, records: Sequence[Record], numbers: Sequence[int]) -> dict[int, str]:
        """Send some of the records; those that were rejected, and why."""
        producer = self._connected()
        deadline = time.monotonic() + self._timeout_s
        under_way, failed = {}, {}
        for number in numbers:
            record = records[number]
            try:
                under_way[number] = producer.send(
                    self._topic, record.value, record.key, list(record.headers)
                )
            except kafka_errors.MessageSizeTooLargeError as error:
                failed[number] = _rejected(error, self._topic)
            except kafka_errors.KafkaError as error:
                raise self._broken(error) from error
        with suppress(kafka_errors.KafkaTimeoutError):
            producer.flush(max(0.1, deadline - time.monotonic()))
        for number, future in under_way.items():
            fault = future.exception if future.is_done else kafka_errors.KafkaTimeoutError()
            if fault is not None and not isinstance(fault, _ABOUT_THE_RECORD):
                raise self._broken(fault) from fault
            if fault is not None:
                failed[number] = _rejected(fault, self._topic)
        if failed.keys() & under_way.keys():
            self.close()
        return failed

    def _connected(self) -> KafkaProducer:
        if self._producer is None:
            milliseconds = round(1000 * self._timeout_s)
            settings = {
                **self._settings,
                "acks": "all",
                "allow_auto_create_topics": False,
                "enable_idempotence": True,
                "linger_ms": LINGER_MS,
                "request_timeout_ms": max(1000, milliseconds // 2),
                "delivery_timeout_ms": max(2000, milliseconds) + LINGER_MS,
                "max_block_ms": milliseconds,
                "reconnect_backoff_max_ms": 1000,
            }
            self._producer = connect(KafkaProducer, settings, self._timeout_s)
        return self._producer

    def _broken(self, error: Exception) -> Exception:
        self.close()
        return why_not_written(
            self._settings, self._topic, error, f"writing to the topic {self._topic}"
        )


def _rejected(error: Exception, topic: str) -> str:
    return str(translate(error, f"the topic {topic} does not take the record"))
