"""The mock cluster of librdkafka: brokers in this process that answer with errors on demand.

It is in the wheel of confluent-kafka and has no face in Python, so it is called as the C library
that it is. It forgets everything when it ends, and knows no topic ids, rights, transactions.
"""

from __future__ import annotations

import ctypes
from ctypes import c_char_p, c_int, c_int16, c_int32, c_int64, c_size_t, c_void_p
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

PRODUCE, FETCH, OFFSET_COMMIT, FIND_COORDINATOR = 0, 1, 8, 10
"""Numbers of requests."""
UNKNOWN_TOPIC, NOT_LEADER, TIMED_OUT = 3, 6, 7
COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR, REBALANCE_IN_PROGRESS = 15, 16, 27
"""Numbers of errors."""

SPEAKS = (2, 3)
"""What a client has to take it for: it answers no newer question about versions."""

_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "conf_new": (c_void_p, []),
    "conf_set": (c_int, [c_void_p, c_char_p, c_char_p, c_char_p, c_size_t]),
    "new": (c_void_p, [c_int, c_void_p, c_char_p, c_size_t]),
    "destroy": (None, [c_void_p]),
    "mock_cluster_new": (c_void_p, [c_void_p, c_int]),
    "mock_cluster_destroy": (None, [c_void_p]),
    "mock_cluster_bootstraps": (c_char_p, [c_void_p]),
    "mock_topic_create": (c_int, [c_void_p, c_char_p, c_int, c_int]),
    "mock_broker_set_down": (c_int, [c_void_p, c_int32]),
    "mock_broker_set_up": (c_int, [c_void_p, c_int32]),
    "mock_broker_set_rtt": (c_int, [c_void_p, c_int32, c_int]),
    "mock_partition_set_leader": (c_int, [c_void_p, c_char_p, c_int32, c_int32]),
    "mock_partition_delete_records": (c_int, [c_void_p, c_char_p, c_int32, c_int64]),
    "mock_coordinator_set": (c_int, [c_void_p, c_char_p, c_char_p, c_int32]),
    "mock_group_initial_rebalance_delay_ms": (None, [c_void_p, c_int32]),
    "mock_push_request_errors_array": (
        None,
        [c_void_p, c_int16, c_size_t, ctypes.POINTER(c_int)],
    ),
    "mock_clear_request_errors": (None, [c_void_p, c_int16]),
    "mock_start_request_tracking": (None, [c_void_p]),
    "mock_get_requests": (ctypes.POINTER(c_void_p), [c_void_p, ctypes.POINTER(c_size_t)]),
    "mock_request_api_key": (c_int16, [c_void_p]),
    "mock_request_destroy_array": (None, [ctypes.POINTER(c_void_p), c_size_t]),
}


@cache
def _library() -> ctypes.CDLL:
    import confluent_kafka

    folder = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    made = ctypes.CDLL(str(next(folder.glob("librdkafka-*.so*"))))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(made, f"rd_kafka_{name}")
        function.restype, function.argtypes = result, arguments
    return made


def is_there() -> bool:
    """Whether the library can be had."""
    try:
        return _library() is not None
    except (ImportError, OSError, StopIteration, AttributeError):
        return False


class MockCluster:
    """Brokers with the numbers 1 to n.

    Parameters
    ----------
    n_brokers : int

    Attributes
    ----------
    bootstrap : str
        Addresses of all of them.
    """

    def __init__(self, n_brokers: int = 3) -> None:
        self._lib = _library()
        self._n_brokers = n_brokers
        told = ctypes.create_string_buffer(512)
        settings = self._lib.rd_kafka_conf_new()
        self._lib.rd_kafka_conf_set(settings, b"log_level", b"0", told, 512)
        self._client = self._lib.rd_kafka_new(0, settings, told, 512)
        if not self._client:
            raise RuntimeError(told.value.decode())
        self._cluster = self._lib.rd_kafka_mock_cluster_new(self._client, n_brokers)
        self.bootstrap: str = self._lib.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        self._lib.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 100)

    def create_topic(self, name: str, partitions: int = 1, replicas: int = 1) -> str:
        """A topic; its leaders are where :meth:`lead` puts them."""
        self._do("mock_topic_create", name.encode(), partitions, replicas)
        return name

    def lead(self, topic: str, partition: int, broker: int) -> None:
        """Let a broker lead a partition."""
        self._do("mock_partition_set_leader", topic.encode(), partition, broker)

    def coordinate(self, group: str, broker: int) -> None:
        """Let a broker coordinate a group."""
        self._do("mock_coordinator_set", b"group", group.encode(), broker)

    def down(self, broker: int) -> None:
        """Close its connections and take no new ones."""
        self._do("mock_broker_set_down", broker)

    def up(self, broker: int) -> None:
        """Take connections again."""
        self._do("mock_broker_set_up", broker)

    def delay(self, broker: int, milliseconds: int) -> None:
        """Answer so much later."""
        self._do("mock_broker_set_rtt", broker, milliseconds)

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Move the start of a log, as retention does."""
        self._do("mock_partition_delete_records", topic.encode(), partition, before)

    def fail(self, request: int, *errors: int) -> None:
        """Answer the next requests of a kind with these errors, one after the other."""
        self._lib.rd_kafka_mock_start_request_tracking(self._cluster)
        array = (c_int * len(errors))(*errors)
        self._lib.rd_kafka_mock_push_request_errors_array(
            self._cluster, request, len(errors), array
        )

    def n_requests(self, request: int) -> int:
        """Requests of a kind that came since the last :meth:`fail`."""
        n = c_size_t()
        found = self._lib.rd_kafka_mock_get_requests(self._cluster, ctypes.byref(n))
        kinds = [self._lib.rd_kafka_mock_request_api_key(one) for one in found[: n.value]]
        self._lib.rd_kafka_mock_request_destroy_array(found, n)
        return kinds.count(request)

    def recover(self) -> None:
        """Brokers that answer, at once and without errors."""
        for request in (PRODUCE, FETCH, OFFSET_COMMIT, FIND_COORDINATOR):
            self._lib.rd_kafka_mock_clear_request_errors(self._cluster, request)
        for broker in range(1, self._n_brokers + 1):
            self.up(broker)
            self.delay(broker, 0)

    def values(self, topic: str, partitions: int = 1) -> list[bytes]:
        """Values of all records, those of a partition in their order."""
        from confluent_kafka import Consumer, TopicPartition

        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "reader"})
        found = []
        try:
            for number in range(partitions):
                first, end = consumer.get_watermark_offsets(TopicPartition(topic, number), 10)
                consumer.assign([TopicPartition(topic, number, first)])
                while first < end:
                    record = consumer.poll(10)
                    assert record is not None
                    assert record.error() is None
                    found.append(record.value())
                    first = record.offset() + 1
        finally:
            consumer.close()
        return found

    def __enter__(self) -> MockCluster:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lib.rd_kafka_mock_cluster_destroy(self._cluster)
        self._lib.rd_kafka_destroy(self._client)

    def _do(self, name: str, *arguments: Any) -> None:
        code = getattr(self._lib, f"rd_kafka_{name}")(self._cluster, *arguments)
        if code:
            raise RuntimeError(f"{name}{arguments}: error {code}")
