"""What tests do with any broker: topics, records, a process that is killed and frozen."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

with warnings.catch_warnings():
    # On import kafka-python reads its resources in a way that Python has deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka import KafkaAdminClient, KafkaProducer, TopicPartition

_number = itertools.count()


class Broker(ABC):
    """A broker process and clients of it, made on first use.

    Parameters
    ----------
    client : mapping
        Security settings of the clients.
    """

    producing: Mapping[str, Any] = {}
    """Settings of the producer, such as a broker may need."""

    def __init__(self, client: Mapping[str, Any] | None = None) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self._client = dict(client or {})
        self._made: list[Any] = []
        self._admin: Any = None
        self._producer: Any = None
        self._fast: Any = None

    @property
    @abstractmethod
    def bootstrap(self) -> str:
        """Address for clients."""

    @abstractmethod
    def start(self) -> Self:
        """Start the broker and return once it answers."""

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the broker: SIGTERM leaves in good order, SIGKILL is a crash.

        ``start`` goes on with the same data, on the same ports.
        """
        self._drop_clients()
        process = self.process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def recover(self) -> None:
        """Make sure that the broker runs, whatever was done to it."""
        if self.process is None or self.process.poll() is not None:
            self.start()
        else:
            self.thaw()

    def freeze(self) -> None:
        """Stop the broker as it stands: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen broker go on."""
        self._signal(signal.SIGCONT)

    @property
    def admin(self) -> Any:
        """An administrative client, made on first use."""
        if self._admin is None:
            self._admin = self._keep(KafkaAdminClient(**self._settings()))
        return self._admin

    @property
    def producer(self) -> Any:
        """A producer, made on first use."""
        if self._producer is None:
            settings = {"linger_ms": 5, **self._settings(), **self.producing}
            self._producer = self._keep(KafkaProducer(**settings))
        return self._producer

    def create_topic(self, name: str, partitions: int = 1, **configs: str) -> str:
        """A topic that keeps its records for ever unless told otherwise.

        Parameters
        ----------
        name : str
            A number is added, so that a name is never used twice; see the result.
        partitions : int
        **configs : str
            ``_`` stands for ``.``: ``retention_ms="3000"``.

        Returns
        -------
        str
            The name of the topic.
        """
        topic = f"{name}-{os.getpid()}-{next(_number)}"
        self.recreate_topic(topic, partitions, delete=False, **configs)
        return topic

    def recreate_topic(
        self, topic: str, partitions: int = 1, *, delete: bool = True, **configs: str
    ) -> None:
        """Delete a topic and make a new one of the same name."""
        if delete:
            self.admin.delete_topics([topic])
            self._wait(lambda: topic not in self.admin.list_topics())
        made = {"retention.ms": "-1"}
        made |= {name.replace("_", "."): value for name, value in configs.items()}
        self.admin.create_topics(
            {topic: {"num_partitions": partitions, "replication_factor": 1, "configs": made}},
            wait_for_metadata=True,
        )

    def add_partitions(self, topic: str, n: int) -> None:
        """Let a topic have ``n`` partitions in all."""
        self.admin.create_partitions({topic: n})

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Move the start of a log, as retention does."""
        self.admin.delete_records({TopicPartition(topic, partition): before})

    def produce(
        self,
        topic: str,
        values: Iterable[bytes | None],
        *,
        partition: int | None = 0,
        keys: Iterable[bytes | None] | None = None,
        timestamps_ms: Iterable[int] | None = None,
        headers: Sequence[tuple[str, bytes]] | None = None,
    ) -> int:
        """Write records and return once all are acknowledged.

        Returns
        -------
        int
            How many.
        """
        sent = [
            self.producer.send(
                topic,
                value=value,
                key=key,
                partition=partition,
                timestamp_ms=time_ms,
                headers=list(headers or []),
            )
            for value, key, time_ms in zip(
                values,
                keys or itertools.repeat(None),
                timestamps_ms or itertools.repeat(None),
                strict=False,
            )
        ]
        self.producer.flush(30)
        for future in sent:
            future.get(30)
        return len(sent)

    def pour(self, topic: str, values: Iterable[bytes], keys: Iterable[bytes]) -> int:
        """Write many records by librdkafka, at a tenth of the cost of :meth:`produce`.

        Returns
        -------
        int
            How many, all of them acknowledged.
        """
        if self._fast is None:
            from confluent_kafka import Producer

            settings = {"bootstrap.servers": self.bootstrap, "linger.ms": 5, "log_level": 0}
            self._fast = Producer(settings | {"enable.idempotence": True})
        faults: list[Any] = []

        def told(error: Any, _record: Any) -> None:
            if error is not None:
                faults.append(error)

        n = 0
        for value, key in zip(values, keys, strict=True):
            if n % 10_000 == 9_999:
                self._fast.flush(30)
            self._fast.produce(topic, value, key, on_delivery=told)
            n += 1
        left = self._fast.flush(30)
        if left or faults:
            raise RuntimeError(f"{left} records were not acknowledged, {faults[:1]}")
        return n

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop(signal.SIGKILL)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop(signal.SIGKILL)

    def _settings(self) -> dict[str, Any]:
        return {"bootstrap_servers": self.bootstrap, "bootstrap_timeout_ms": 60_000} | self._client

    def _keep(self, client: Any) -> Any:
        self._made.append(client)
        return client

    def _drop_clients(self) -> None:
        for client in self._made:
            with contextlib.suppress(Exception):
                client.close()
        self._made = []
        self._admin = self._producer = None

    def _wait(self, true: Callable[[], bool], timeout_s: float = 30.0) -> None:
        deadline = after(timeout_s)
        while not true():
            if time.monotonic() > deadline:
                raise RuntimeError("the broker did not follow in time")
            time.sleep(0.05)

    def _signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)


def after(seconds: float) -> float:
    """The time of the monotonic clock some seconds from now."""
    return time.monotonic() + seconds
