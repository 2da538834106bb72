"""Rows into a topic of one's own: the other end of the Kafka source, for demonstrations."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from streamad.core.errors import ConnectorError
from streamad_connectors.kafka import require_client
from streamad_connectors.kafka.security import Security, as_security, client_settings
from streamad_connectors.options import seconds


class KafkaFeed:
    """A new topic, what is written to it, and its end.

    Parameters
    ----------
    brokers : list of str
        As ``host:port``; a few of them are enough.
    topic : str
        Must not be there yet.
    partitions : int
    security : Security or None
    client_id : str
        Name in the logs of the broker.
    timeout : str
        To connect, and for the acknowledgement of what was sent.

    Raises
    ------
    ConfigError
        If the settings cannot work.
    ConnectorError
        If we are not let in, or the topic cannot be made or written to.
    Disconnected
        If the broker does not answer in time.
    MissingExtraError
        If kafka-python is not installed.

    Notes
    -----
    The topic keeps its records until it is removed (``retention.ms=-1``): the times of replayed
    rows are long gone, and retention goes by them. Thread rule: one thread.
    """

    def __init__(
        self,
        *,
        brokers: list[str],
        topic: str,
        partitions: int = 8,
        security: Security | None = None,
        client_id: str = "streamad-feed",
        timeout: str = "10s",
    ) -> None:
        require_client("writing to Kafka")
        from streamad_connectors.kafka.sender import Sender

        self._settings = client_settings(as_security(security), brokers) | {"client_id": client_id}
        self._topic = topic
        self._timeout_s = seconds("timeout", timeout)
        self._create(partitions)
        self._sender = Sender(self._settings, topic, self._timeout_s)

    def send(self, records: Sequence[tuple[bytes, bytes]]) -> None:
        """Return once the broker has all of these keys and values.

        The same keys go to the same partition, in the order given.

        Raises
        ------
        ConnectorError
            If the broker does not take one, or no answer came: some may have been taken.
        """
        from streamad_connectors.kafka.records import Record

        if records:
            refused = self._sender.send([Record(key, value) for key, value in records])
            if refused:
                raise ConnectorError(next(iter(refused.values())))

    def remove(self, group: str | None = None) -> None:
        """Delete the topic, and the offsets of a group that read it, as far as the broker does."""
        from kafka import errors as kafka_errors

        with suppress(kafka_errors.KafkaError, ConnectorError):
            admin = self._admin()
            try:
                admin.delete_topics([self._topic])
                if group is not None:
                    admin.delete_groups([group])
            finally:
                admin.close()

    def close(self) -> None:
        """Close the connections."""
        self._sender.close()

    def _create(self, partitions: int) -> None:
        from kafka import errors as kafka_errors
        from kafka.admin import NewTopic

        from streamad_connectors.kafka.errors import translate

        made = NewTopic(self._topic, partitions, -1, topic_configs={"retention.ms": "-1"})
        admin = self._admin()
        try:
            admin.create_topics([made])
        except kafka_errors.KafkaError as error:
            raise translate(error, f"making the topic {self._topic}") from error
        finally:
            admin.close()

    def _admin(self) -> Any:
        from kafka import KafkaAdminClient

        from streamad_connectors.kafka.connect import connect

        return connect(KafkaAdminClient, self._settings, self._timeout_s)
