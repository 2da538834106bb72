"""All records of a topic, as a reader that begins at its start sees them."""

from __future__ import annotations

import time

from kafka import KafkaConsumer, TopicPartition


def read_topic(broker, topic, n=None, *, committed=True, seconds=20.0):
    """Records in the order of their partitions; waits for ``n``, else for the end of the log.

    With ``committed`` records of open and failed transactions are not seen.
    """
    consumer = KafkaConsumer(
        bootstrap_servers=broker.bootstrap,
        auto_offset_reset="earliest",
        isolation_level="read_committed" if committed else "read_uncommitted",
        enable_auto_commit=False,
    )
    try:
        numbers = consumer.partitions_for_topic(topic)
        partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        found, deadline = [], time.monotonic() + seconds
        while True:
            for records in consumer.poll(timeout_ms=200).values():
                found += records
            ends = consumer.end_offsets(partitions)
            if n is None and all(consumer.position(p) >= ends[p] for p in partitions):
                break
            if n is not None and len(found) >= n:
                break
            assert time.monotonic() < deadline, f"{len(found)} of {n} records came"
        return sorted(found, key=lambda record: (record.partition, record.offset))
    finally:
        consumer.close()
