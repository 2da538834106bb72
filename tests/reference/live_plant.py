"""A plant whose rows come through Kafka or Parquet, and what `streamad run` made of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from reference.kafka_broker import RealKafka
from reference.kafka_records import read_topic
from reference.kafka_rows import BEGIN_MS, FORMAT
from streamad_connectors.parquet_parts import parts_of

from streamad.runtime.checkpoints import list_checkpoints, newest_offsets, read_checkpoint

PIPELINE = "plant"
STEP_MS = 1000
EWMA = [{"type": "ewma", "params": {"warm_up": 50}, "threshold": {"type": "fixed", "value": 4.0}}]

ALERTS = {"close": {"for": 10}}
"""Episodes are open most of the time, so that every crash has some to keep."""


@dataclass(frozen=True)
class Plant:
    """Series of one channel: a wave, noise, and now and then a few rows far away.

    Parameters
    ----------
    n_series, n_steps : int
    seed : int
    partitions : int
    spike_every : int
        Rows of a series from one episode to the next, about.
    """

    n_series: int = 24
    n_steps: int = 500
    seed: int = 3
    partitions: int = 8
    spike_every: int = 60

    @cached_property
    def values(self) -> np.ndarray:
        """One row a step, one column a series."""
        rng = np.random.default_rng(self.seed)
        shape = (self.n_steps, self.n_series)
        found = np.sin(0.13 * np.arange(self.n_steps))[:, None] + 0.1 * rng.normal(size=shape)
        for series in range(self.n_series):
            for start in rng.integers(0, self.n_steps, self.n_steps // self.spike_every):
                found[start : start + rng.integers(1, 25), series] += 8.0
        return found

    def names(self) -> list[str]:
        """Of the series."""
        return [f"pump-{number}" for number in range(self.n_series)]

    def times_ms(self) -> np.ndarray:
        """Of the steps."""
        return BEGIN_MS + STEP_MS * np.arange(self.n_steps)

    def records(self, first: int = 0, last: int | None = None) -> tuple[list[bytes], list[bytes]]:
        """Keys and values of the records of some steps, step after step."""
        names, times = self.names(), self.times_ms().tolist()
        last = self.n_steps if last is None else last
        rows = self.values[first:last].tolist()
        keys, values = [], []
        for step, row in zip(range(first, last), rows, strict=True):
            for name, value in zip(names, row, strict=True):
                keys.append(name.encode())
                values.append(json.dumps({"id": name, "t": times[step], "flow": value}).encode())
        return keys, values

    def fill(
        self,
        broker: RealKafka,
        topic: str,
        first: int = 0,
        last: int | None = None,
        *,
        fast: bool = False,
    ) -> int:
        """Write the records of some steps, each into the partition of its key; how many."""
        keys, values = self.records(first, last)
        if fast:
            return broker.pour(topic, values, keys)
        return broker.produce(topic, values, keys=keys, partition=None)

    def write_parquet(self, path: Path, last: int | None = None) -> Path:
        """The same rows, of all steps or those before ``last``, in a file."""
        n = self.n_series
        last = self.n_steps if last is None else last
        table = {
            "id": pa.array(self.names() * last).dictionary_encode(),
            "t": pa.array(np.repeat(self.times_ms()[:last], n), pa.timestamp("ms", "UTC")),
            "flow": self.values[:last].reshape(-1),
        }
        pq.write_table(pa.table(table), path)
        return path


def live_config(
    folder: Path,
    broker: RealKafka,
    topic: str,
    *,
    sinks: Iterable[str | Mapping[str, Any]] = ("jsonl",),
    alerts_topic: str | None = None,
    detectors: list[dict[str, Any]] | None = None,
    **changes: Any,
) -> Path:
    """The configuration of a run whose state and output are in this folder.

    ``sinks`` are kinds that write into this folder or to this broker, or sections of a
    configuration. ``changes`` are settings by their path, with ``__`` for the dots.
    """
    made: dict[str, Any] = {
        "pipeline": PIPELINE,
        "source": {
            "type": "kafka",
            "brokers": [broker.bootstrap],
            "topics": [topic],
            "group": f"group-{topic}-{folder.name}",
            "format": FORMAT,
            "start": "earliest",
            "session_timeout": "3s",
            "metadata_age": "1s",
        },
        "detectors": detectors or EWMA,
        "alerts": ALERTS,
        "sinks": [
            _sink(sink, folder, broker, alerts_topic) if isinstance(sink, str) else dict(sink)
            for sink in sinks
        ],
        "state": {"dir": str(folder / "state"), "every": "50ms"},
        "runtime": {"batch_rows": 300},
        "web": {"port": 0},
        "logging": {"level": "info", "format": "text"},
    }
    for path, value in changes.items():
        *above, last = path.split("__")
        section = made
        for name in above:
            section = section.setdefault(name, {})
        section[last] = value
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "plant.yaml"
    file.write_text(json.dumps(made, indent=1), encoding="utf-8")
    return file


def _sink(kind: str, folder: Path, broker: RealKafka, topic: str | None) -> dict[str, Any]:
    kafka = {
        "brokers": [broker.bootstrap],
        "topic": topic,
        "dead_letter": str(folder / "refused.jsonl"),
    }
    options: dict[str, dict[str, Any]] = {
        "jsonl": {"path": str(folder / "alerts-{partition}.jsonl")},
        "parquet": {"path": str(folder / "scores.parquet")},
        "sqlite": {"path": str(folder / "alerts.db")},
        "kafka": kafka,
        "kafka_transactional": kafka,
    }
    return {"type": kind, **options[kind]}


def jsonl_events(folder: Path) -> list[str]:
    """Lines of the JSONL files, those of a partition in their order."""
    files = sorted(folder.glob("alerts-*.jsonl"))
    return [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def sqlite_rows(folder: Path) -> list[tuple[Any, ...]]:
    """Alerts and progress of the database."""
    connection = sqlite3.connect(folder / "alerts.db")
    try:
        alerts = connection.execute("SELECT id, seq, doc FROM alerts ORDER BY id").fetchall()
        progress = connection.execute("SELECT * FROM progress ORDER BY topic, part").fetchall()
        return [*alerts, *[(row[2], row[3]) for row in progress]]
    finally:
        connection.close()


def sqlite_is_locked(folder: Path) -> bool:
    """Whether somebody is in a transaction on the database, if there is one."""
    if not (folder / "alerts.db").exists():
        return False
    connection = sqlite3.connect(folder / "alerts.db", timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return True
    finally:
        connection.close()
    return False


def topic_events(broker: RealKafka, topic: str) -> list[str]:
    """Values of the records of a topic that readers of committed records see."""
    return [record.value.decode() for record in read_topic(broker, topic)]


def score_rows(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Times and numbers of each series, bit for bit, in the order in which they were written."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    whole = folder / "scores.parquet"
    for path in [whole] if whole.exists() else _covered_parts(folder):
        table = pq.read_table(path)
        names = table["series"].to_pylist()
        times = table["time"].cast(pa.int64()).to_pylist()
        numbers = [
            np.asarray(table[name].combine_chunks()).view(np.int64).tolist()
            for name in ("score", "score_final", "threshold", "ratio")
        ]
        for name, *row in zip(names, times, *numbers, strict=True):
            found.setdefault(name, []).append(tuple(row))
    return found


def _covered_parts(folder: Path) -> list[Path]:
    """Files of scores that the newest snapshots name."""
    found: list[Path] = []
    for path in _newest_snapshots(folder).values():
        held = read_checkpoint(path)
        for position in held.meta["sinks"]:
            if "parts" in position:
                found += parts_of(folder / "scores.parquet", held.partition, position)
    return found


def saved_offsets(folder: Path) -> dict[int, int]:
    """Next offset of the newest snapshot of each partition."""
    saved = newest_offsets(folder / "state" / PIPELINE)
    return {int(partition.rpartition("%2F")[2]): offset for partition, offset in saved.items()}


def final_states(folder: Path) -> dict[str, dict[str, Any]]:
    """What the newest snapshot of each partition says, array by array, bit for bit."""
    found: dict[str, dict[str, Any]] = {}
    for number, path in _newest_snapshots(folder).items():
        held = read_checkpoint(path)
        found[number] = {name: a.tobytes() for name, a in held.arrays.items()}
        found[number] |= {"next_offset": held.next_offset, "counters": held.meta["counters"]}
    return found


def _newest_snapshots(folder: Path) -> dict[str, Path]:
    """By the partition: its number, or its name where a source has but one."""
    listed = list_checkpoints(folder / "state" / PIPELINE)
    return {partition.rpartition("%2F")[2]: path for path, partition, _, _ in listed}
