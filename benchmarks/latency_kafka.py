"""Time from a record to its alert at half of the consumer's capacity, on a real broker.

python benchmarks/latency_kafka.py [--seconds 45] [--every 1s --every 5s] [--rate N] [--out FILE]

8 partitions, 1,000 series, ``ewma``, JSON records of about 120 bytes. The capacity is measured
first, by a consumer that reads what is there already. Then a producer, a process of its own, writes
rows at an even pace; time of a row = time of its record = wall clock. Now and then a series jumps,
which is an alert. It is seen by a reader of the topic of the sink ``kafka`` (sent as soon as it is
found), by one of the topic of ``kafka_transactional`` that reads committed records (seen after the
checkpoint), and in the file of ``jsonl`` (written with the checkpoint). Latency =
wall clock of the arrival minus time of the row that opened the alert. Java 17 and Maven are needed;
broker, producer, consumer and readers share the machine.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from bench_kafka import FORMAT, PARTITIONS, SERIES, record  # noqa: E402

WARM_UP_ROWS = 60
JUMP_EVERY_S, JUMP_ROWS = 20, 1
TICK_S = 0.005
SETTLE_S = 8.0
"""What the rows that warm up have held back is over then."""


def produce(bootstrap: str, topic: str, rate: float, seconds: float, result: Any) -> None:
    """Rows at an even pace, after those that warm the detectors up; runs in a process."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 2})
    begun_ms = int(1000 * time.time()) - WARM_UP_ROWS * 1000
    for i in range(WARM_UP_ROWS * SERIES):
        _send(producer, topic, i, begun_ms + 1000 * (i // SERIES))
        producer.poll(0)
    producer.flush()
    rng = np.random.default_rng(7)
    since, started, i, late = time.time(), time.monotonic(), 0, 0.0
    first = WARM_UP_ROWS * SERIES
    jump = SERIES / rate / JUMP_EVERY_S
    while (now := time.monotonic() - started) < seconds:
        due = int(rate * now)
        late = max(late, (due - i) / rate)
        for number in range(i, due):
            high = rng.random() < jump
            _send(producer, topic, first + number, int(1000 * time.time()), high=high)
        i = due
        producer.poll(0)
        time.sleep(TICK_S)
    producer.flush()
    result.put({"rows": i, "latest_s": round(late, 3), "since": since})


def _send(producer: Any, topic: str, i: int, time_ms: int, *, high: bool = False) -> None:
    key, value = record(i)
    before, _, rest = value.partition(b'"ts": ')
    rest = rest[rest.index(b",") :]
    if high:
        rest = rest.replace(b'"flow": ', b'"flow": 9')
    producer.produce(topic, b'%s"ts": %d%s' % (before, time_ms, rest), key, timestamp=time_ms)


class Seen:
    """Arrivals of alerts in one sink, with the time of the row that opened them."""

    def __init__(self) -> None:
        self._arrivals: list[tuple[float, float]] = []

    def add(self, line: bytes) -> None:
        """An event has come."""
        now, event = time.time(), json.loads(line)
        if event["event"] == "open":
            row = datetime.fromisoformat(event["detected_at"]).timestamp()
            self._arrivals.append((row, now))

    def report(self, since: float) -> dict[str, Any]:
        """Quantiles in milliseconds of those that opened after some moment."""
        ms = np.array([1000 * (now - row) for row, now in self._arrivals if row > since])
        if not len(ms):
            return {"alerts": 0}
        named = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
        return {"alerts": len(ms)} | {
            f"{name}_ms": round(float(np.quantile(ms, q)), 1) for name, q in named.items()
        }


def read_topic(bootstrap: str, topic: str, seen: Seen, done: threading.Event) -> None:
    """Readers of committed records see alerts as they come."""
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", fetch_max_wait_ms=50
    )
    consumer.assign([TopicPartition(topic, 0)])
    consumer.seek_to_beginning()
    while not done.is_set():
        for records in consumer.poll(timeout_ms=100).values():
            for one in records:
                seen.add(one.value)
    consumer.close()


def read_files(folder: Path, seen: Seen, done: threading.Event) -> None:
    """Lines of the files as they grow."""
    at: dict[Path, int] = {}
    while not done.is_set():
        for path in folder.glob("alerts-*.jsonl"):
            with path.open("rb") as file:
                file.seek(at.get(path, 0))
                text = file.read()
            whole = text[: text.rfind(b"\n") + 1]
            at[path] = at.get(path, 0) + len(whole)
            for line in whole.splitlines():
                seen.add(line)
        time.sleep(TICK_S)


class Bench:
    """Consumers on topics of one broker, each in a folder of its own."""

    def __init__(self, broker: Any, folder: Path) -> None:
        self._broker = broker
        self._folder = folder

    def config(self, name: str, topic: str, sinks: list[dict[str, Any]], every: str) -> Path:
        """The configuration of a consumer."""
        folder = self._folder / name
        folder.mkdir()
        document = {
            "pipeline": "bench",
            "source": {
                "type": "kafka",
                "brokers": [self._broker.bootstrap],
                "topics": [topic],
                "group": f"latency-{os.getpid()}-{name}",
                "start": "earliest",
                "format": FORMAT,
            },
            "detectors": [
                {
                    "type": "ewma",
                    "params": {"warm_up": WARM_UP_ROWS - 10},
                    "threshold": {"type": "fixed", "value": 12.0},
                }
            ],
            "sinks": sinks,
            "state": {"dir": str(folder / "state"), "every": every},
            "runtime": {"batch_rows": 5000},
            "web": {"port": None},
            "logging": {"format": "text"},
        }
        path = folder / "bench.yaml"
        path.write_text(json.dumps(document))
        return path

    def capacity(self, n_rows: int) -> float:
        """Rows a second over a topic that is full already."""
        from reference.live_process import LiveProcess

        topic = self._broker.create_topic("full", PARTITIONS)
        keys, values = zip(*map(record, range(n_rows)), strict=True)
        self._broker.produce(topic, values, keys=keys, partition=None)
        config = self.config("capacity", topic, [_jsonl(self._folder / "capacity")], "500ms")
        with LiveProcess(config) as process:
            consumed = _consumed(config.parent)
            process.until(lambda: consumed() > n_rows // 5, "it reads")
            at, began = time.monotonic(), consumed()
            process.until(lambda: consumed() >= n_rows, "all rows are consumed", 300)
            seconds = time.monotonic() - at
            process.stop()
        return (n_rows - began) / seconds

    def latency(self, kind: str, every: str, rate: float, seconds: float) -> dict[str, Any]:
        """Latencies at a rate, by the sink that shows them."""
        from reference.live_process import LiveProcess

        name = f"{kind}-{every}"
        topic = self._broker.create_topic(name, PARTITIONS)
        alerts = self._broker.create_topic(f"alerts-{name}", 1)
        folder = self._folder / name
        sink = {"type": kind, "brokers": [self._broker.bootstrap], "topic": alerts}
        sink["dead_letter"] = str(folder / "refused.jsonl")
        config = self.config(name, topic, [sink, _jsonl(folder)], every)
        done, result = threading.Event(), multiprocessing.get_context("spawn").Queue()
        in_topic, in_file = Seen(), Seen()
        with LiveProcess(config) as process:
            process.until(process.has_begun, "it begins")
            writer = multiprocessing.get_context("spawn").Process(
                target=produce, args=(self._broker.bootstrap, topic, rate, seconds, result)
            )
            writer.start()
            readers = [
                _thread(read_topic, self._broker.bootstrap, alerts, in_topic, done),
                _thread(read_files, folder, in_file, done),
            ]
            written = result.get(timeout=seconds + 120)
            writer.join()
            time.sleep(1.0 + _seconds(every))
            done.set()
            for reader in readers:
                reader.join(10)
            process.stop()
        since = written["since"] + SETTLE_S
        return {
            "state_every": every,
            "rows_per_s": round(written["rows"] / seconds),
            "producer_late_s": written["latest_s"],
            kind: in_topic.report(since),
            "jsonl": in_file.report(since),
        }


def _consumed(folder: Path) -> Callable[[], int]:
    """Rows in the newest snapshots of a configuration's folder."""
    from streamad.runtime.checkpoints import newest_offsets

    def count() -> int:
        return sum(newest_offsets(folder / "state" / "bench").values())

    return count


def _jsonl(folder: Path) -> dict[str, Any]:
    return {"type": "jsonl", "path": str(folder / "alerts-{partition}.jsonl")}


def _thread(target: Callable[..., None], *args: Any) -> threading.Thread:
    made = threading.Thread(target=target, args=args, daemon=True)
    made.start()
    return made


def _seconds(duration: str) -> float:
    from streamad.core.durations import parse_duration

    return parse_duration(duration) / 1e9


def main() -> None:
    """Print capacity and latencies as JSON."""
    from bench_engine import environment
    from reference.kafka_broker import RealKafka

    given = _parser().parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with RealKafka(folder / "broker") as broker:
            bench = Bench(broker, folder)
            full = bench.capacity(given.rows) if given.rate is None else 2 * given.rate
            found = [
                bench.latency(kind, every, full / 2, given.seconds)
                for kind in ("kafka", "kafka_transactional")
                for every in given.every or ["1s", "5s"]
            ]
    document = {"environment": environment() | {"cores_used": os.cpu_count()}}
    document |= {"capacity_rows_per_s": round(full), "partitions": PARTITIONS, "series": SERIES}
    text = json.dumps(document | {"detector": "ewma", "runs": found}, indent=2)
    sys.stdout.write(text + "\n")
    if given.out:
        Path(given.out).write_text(text + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Time from a record to its alert.")
    parser.add_argument("--rows", type=int, default=300_000, help="to measure the capacity")
    parser.add_argument("--rate", type=float, help="rows a second, instead of half the capacity")
    parser.add_argument("--seconds", type=float, default=45.0, help="of each run")
    parser.add_argument("--every", action="append", help="state.every; repeat for several")
    parser.add_argument("--out", help="write the JSON here too")
    return parser


if __name__ == "__main__":
    main()
