"""Throughput of a live consumer on a real broker, beside a bare poll-and-json loop.

python benchmarks/bench_kafka.py [--rows N] [--detector NAME ...] [--repeat N] [--out FILE]

Where confluent-kafka is installed, its bare loop and a consumer on it are measured, too.

JSON records of about 120 bytes, 8 partitions, 1,000 series, one Apache Kafka broker on loopback
(Java 17 and Maven are needed; the broker shares the machine). Every round reads the topic once
with each consumer; the best round counts, CPU is that of the consumer's process. The first fifth of
the rows is not counted: kernels are compiled in it, and clients have fetched ahead meanwhile. The
consumer does what `streamad run` does: decode, order, score, alert, write JSON lines, checkpoint
every 5 s.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

FORMAT = {
    "type": "json",
    "key": "$.asset",
    "time": {"path": "$.ts", "unit": "ms"},
    "values": ["$.values.flow", "$.values.heat"],
}
PARTITIONS, SERIES = 8, 1000
NOT_COUNTED = 0.2


def record(i: int) -> tuple[bytes, bytes]:
    """Key and value of the i-th record: every series has one row a second."""
    series, step = i % SERIES, i // SERIES
    flow = 50.0 + 10.0 * ((step * 7 + series) % 97) / 97
    value = {
        "asset": f"pump-{series:04d}",
        "ts": 1_700_000_000_000 + 1000 * step,
        "site": "north-plant-3",
        "values": {"flow": round(flow, 4), "heat": round(80.0 - flow / 3, 4)},
    }
    return value["asset"].encode(), json.dumps(value).encode()


def cpu_s() -> float:
    """CPU seconds of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Meter:
    """Time, CPU and rows from the first row that counts to the last one."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._first: tuple[int, float, float] | None = None
        self.spent: dict[str, float] = {}

    def saw(self, rows: int) -> bool:
        """So many rows were read in all; True once these are all rows."""
        now = rows, time.perf_counter(), cpu_s()
        if self._first is None and rows >= NOT_COUNTED * self._n:
            self._first = now
        if rows < self._n or self._first is None:
            return False
        names = ("rows", "seconds", "cpu_s")
        self.spent = {k: b - a for k, a, b in zip(names, self._first, now, strict=True)}
        return True


def bare(bootstrap: str, topic: str, n: int, _folder: Path) -> dict[str, float]:
    """Poll and ``json.loads``, nothing else."""
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    consumer.assign([TopicPartition(topic, p) for p in range(PARTITIONS)])
    consumer.seek_to_beginning()
    meter, seen = Meter(n), 0
    while not meter.saw(seen):
        for records in consumer.poll(timeout_ms=500, max_records=5000).values():
            for one in records:
                json.loads(one.value)
            seen += len(records)
    consumer.close()
    return meter.spent


def bare_confluent(bootstrap: str, topic: str, n: int, folder: Path) -> dict[str, float]:
    """The same with the other client, which rests for a second when it has enough unless told."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"bare-{folder.name}",
            "fetch.queue.backoff.ms": 10,
        }
    )
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(PARTITIONS)])
    meter, seen = Meter(n), 0
    while not meter.saw(seen):
        found = consumer.consume(5000, 0.5 if not seen else 0.05)
        for one in found:
            json.loads(one.value())
        seen += len(found)
    consumer.close()
    return meter.spent


def consumer(detector: str, client: str = "kafka-python") -> Any:
    """What reads the topic with this detector and this client."""

    def run(bootstrap: str, topic: str, n: int, folder: Path) -> dict[str, float]:
        from streamad.cli.live import make_telemetry, run_live
        from streamad.config import load_config

        document = {
            "pipeline": "bench",
            "source": {
                "type": "kafka",
                "client": client,
                "brokers": [bootstrap],
                "topics": [topic],
                "group": f"bench-{os.getpid()}-{folder.name}",
                "start": "earliest",
                "format": FORMAT,
            },
            "detectors": [{"type": detector}],
            "sinks": [{"type": "jsonl", "path": str(folder / "alerts-{partition}.jsonl")}],
            "state": {"dir": str(folder / "state"), "every": "5s"},
            "runtime": {"batch_rows": 5000},
            "web": {"port": None},
        }
        path = folder / "bench.yaml"
        path.write_text(json.dumps(document))
        made = load_config(path)
        stop, meter = threading.Event(), Meter(n)

        def progress(now: Any) -> None:
            if meter.saw(now.rows):
                stop.set()

        run_live(made, make_telemetry(made), stop, on_progress=progress)
        return meter.spent

    return run


def main() -> None:
    """Print the rates of all consumers as JSON."""
    from bench_engine import environment
    from reference.kafka_broker import RealKafka

    given = _parser().parse_args()
    detectors = given.detector or ["ewma", "knn"]
    contenders = {"bare kafka-python loop": bare} | {name: consumer(name) for name in detectors}
    if find_spec("confluent_kafka") is not None:
        contenders["bare confluent loop"] = bare_confluent
        contenders |= {f"{name} on confluent": consumer(name, "confluent") for name in detectors}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with RealKafka(folder / "broker") as broker:
            topic = broker.create_topic("bench", PARTITIONS)
            size = _fill(broker.bootstrap, topic, given.rows)
            for number in range(given.repeat):
                for name, run in contenders.items():
                    own = folder / f"{number}-{name.replace(' ', '-')}"
                    own.mkdir()
                    found[name].append(run(broker.bootstrap, topic, given.rows, own))
    best = {name: max(runs, key=_rate) for name, runs in found.items()}
    base = best["bare kafka-python loop"]
    document = {
        "environment": environment() | {"cores_used": os.cpu_count()},
        "rows": given.rows,
        "record_bytes": round(size, 1),
        "partitions": PARTITIONS,
        "series": SERIES,
        "consumers": {
            name: {
                "rows_per_s": round(_rate(run)),
                "cpu_us_per_row": round(run["cpu_s"] / run["rows"] * 1e6, 2),
                "of_the_bare_loop": round(_rate(run) / _rate(base), 3),
            }
            for name, run in best.items()
        },
    }
    text = json.dumps(document, indent=2)
    sys.stdout.write(text + "\n")
    if given.out:
        Path(given.out).write_text(text + "\n", encoding="utf-8")


def _rate(run: dict[str, float]) -> float:
    return run["rows"] / run["seconds"]


def _fill(bootstrap: str, topic: str, n: int) -> float:
    """Produce the records; their mean size in bytes."""
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=20, batch_size=131_072)
    total = 0
    for i in range(n):
        key, value = record(i)
        total += len(value)
        producer.send(topic, key=key, value=value)
    producer.flush()
    producer.close()
    return total / n


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Throughput of a live consumer on a real broker.")
    parser.add_argument("--rows", type=int, default=1_500_000)
    parser.add_argument("--detector", action="append", help="only these")
    parser.add_argument("--repeat", type=int, default=3, help="rounds; the best counts")
    parser.add_argument("--out", help="write the JSON here too")
    return parser


if __name__ == "__main__":
    main()
