"""A consumer under steady load and random faults for some time, measured and then compared.

A first member reads from the beginning to the end, a second one comes and goes. Rows are not
written while the broker is away, so that what is in the topic is known; they are made up for
afterwards.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from reference.kafka_broker import RealKafka
from reference.kafka_records import read_topic
from reference.live_plant import ALERTS, EWMA, PIPELINE, Plant
from reference.live_process import STREAMAD
from reference.live_scene import Scene
from reference.served import Webhook
from reference.soak_watch import Watch

SINKS = ("jsonl", "sqlite", "kafka")
SESSION_S = 3.0
POISON = (
    b"{",
    b"",
    b'{"id": "pump-1"}',
    b'{"id": "pump-1", "t": "soon", "flow": 1.0}',
    b"\xff\xfe",
)


@dataclass(frozen=True)
class Load:
    """What is written, and how fast.

    Parameters
    ----------
    rate : float
        Rows a second.
    seconds : float
        How long.
    n_series : int
    seed : int
        Of the rows and of the faults.
    """

    rate: float
    seconds: float
    n_series: int = 1000
    seed: int = 11

    @property
    def n_steps(self) -> int:
        """Rows of each series."""
        return int(self.rate * self.seconds / self.n_series)

    def plant(self) -> Plant:
        """Rows for the whole time; about as many alerts whatever the rate."""
        spikes = max(60, int(self.n_series * self.n_steps / (200 + 5 * self.seconds)))
        return Plant(self.n_series, self.n_steps, self.seed, spike_every=min(self.n_steps, spikes))


class Soak:
    """One soak: :meth:`run`, then :meth:`check`, then :meth:`report`.

    Parameters
    ----------
    broker : RealKafka
    folder : Path
    load : Load
    gap_s : float
        Longest time between the end of a fault and the next one.
    """

    def __init__(self, broker: RealKafka, folder: Path, load: Load, gap_s: float = 6.0) -> None:
        self._broker = broker
        self._folder = folder
        self._load = load
        self._gap_s = gap_s
        self._random = np.random.default_rng(load.seed)
        self._plant = load.plant()
        webhook = Webhook(folder, spool=str(folder / "spool"))
        self._receiver = webhook.receiver.start()
        self._letters = broker.create_topic("letters")
        letters = {"type": "kafka", "brokers": [broker.bootstrap], "topic": self._letters}
        self.scene = Scene(
            broker, folder, self._plant, SINKS, more=[webhook.section], source__dead_letter=letters,
            source__session_timeout=f"{SESSION_S:g}s", state__every="1s", runtime__batch_rows=5000,
        )  # fmt: skip
        self.watch = Watch(lambda: self.scene.n - self.scene.consumed())
        self.faults: Counter[str] = Counter()
        self._writing = threading.Lock()
        self._halted = threading.Event()
        self._failure: BaseException | None = None
        self._n_poison = 0
        self._workers = 0
        self._report: dict[str, Any] = {}

    def run(self) -> None:
        """Load and faults until the time is over, then calm until everything is consumed."""
        writer = threading.Thread(target=self._write, daemon=True)
        self._first = self._member()
        try:
            self._first.until(self._first.has_begun, "it begins")
            started = time.monotonic()
            writer.start()
            self.watch.start()
            self._trouble(started + self._load.seconds)
            writer.join(self._load.seconds + 120)
            assert not writer.is_alive(), f"{self._load.rate:.0f} rows a second are too many"
            written = time.monotonic()
            self._raise_failure()
            self._first.until(self.scene.is_done, "all rows are consumed", 300)
            caught_up = time.monotonic()
            self._first.until(self._all_posted, "the webhook has everything", 60)
            self._first.stop()
        finally:
            self._halted.set()
            writer.join(60)
            self.watch.stop()
            for process in self.watch.processes:
                process.kill()
            self._receiver.stop()
        self._report = {
            "rows": self.scene.n - self._n_poison,
            "series": self._load.n_series,
            "partitions": self._plant.partitions,
            "asked_rows_per_s": round(self._load.rate),
            "rows_per_s": round(self.scene.n / (written - started)),
            "seconds": round(written - started, 1),
            "caught_up_after_s": round(caught_up - written, 1),
        }

    def check(self) -> None:
        """Everything came once, as if nothing had happened.

        Raises
        ------
        AssertionError
            If events, snapshots, the database, dead letters or the webhook differ from those of a
            calm run, or events from those of a backtest.
        """
        refused = self._refused()
        self.scene.check(timeout_s=60 + self._load.seconds)
        calm = set(self.scene.calm_events())
        self._equal("webhook", _bodies(calm, unsuppressed=True), self._posted())
        self._equal("backtest", _bodies(self._backtested()), _bodies(calm))
        self._equal("dead letters", self._refused(), refused)
        assert len(refused) == self._n_poison
        self._report |= {
            "events": len(calm),
            "dead_letters": len(refused),
            "repeats": self.scene.repeats | {
                "webhook": len(self._receiver.requests) - len(self._posted())
            },
        }  # fmt: skip

    def report(self) -> dict[str, Any]:
        """What was done, found and measured."""
        return self._report | {"faults": dict(self.faults)} | self.watch.report()

    def _write(self) -> None:
        """Steps at an even pace; what was missed is made up for."""
        begun = time.monotonic()
        try:
            while self.scene.step < self._plant.n_steps and not self._halted.is_set():
                due = self._load.rate * (time.monotonic() - begun) / self._load.n_series
                n = min(int(due), self._plant.n_steps) - self.scene.step
                if n < 1:
                    time.sleep(0.02)
                    continue
                with self._writing:
                    self.scene.fill(min(n, max(1, 20_000 // self._load.n_series)), fast=True)
        except BaseException as error:  # noqa: BLE001
            self._failure = error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise AssertionError("the rows cannot be written") from self._failure

    def _trouble(self, end: float) -> None:
        kinds = [*ENDS, *FAULTS]
        while True:
            for kind in self._random.permutation(kinds):
                self._calm(end, self._random.uniform(0.3, 1.0) * self._gap_s)
                if time.monotonic() >= end:
                    return
                getattr(self, f"_{kind}")()
                self.faults[str(kind)] += 1
                self._raise_failure()
            kinds = list(FAULTS)

    def _calm(self, end: float, seconds: float) -> None:
        """Let it run; the first member must live, and get on."""
        time.sleep(min(seconds, max(0.0, end - time.monotonic())))
        before = self.scene.consumed()
        self._first.until(
            lambda: self.scene.consumed() > before or self.scene.is_done(), "it gets on"
        )

    def _member(self) -> Any:
        process = self.scene.start(worker=self._workers)
        self._workers += 1
        self.watch.add(process)
        return process

    def _kill_first(self) -> None:
        self._first.kill()
        self._first = self._member()

    def _drain_first(self) -> None:
        self._first.stop()
        self._first = self._member()

    def _nap(self) -> None:
        self._first.freeze()
        time.sleep(SESSION_S / 3)
        self._first.thaw()

    def _zombie(self) -> None:
        """The first member is frozen while the second one takes over.

        It may hold the database where it stands; then the other one waits until it wakes.
        """
        self._first.freeze()
        try:
            second = self._member()
            at, deadline = self.scene.n, time.monotonic() + 15 * SESSION_S / 3
            second.until(
                lambda: self.scene.consumed() >= at or time.monotonic() > deadline, "time passes"
            )
        finally:
            self._first.thaw()
        second.stop()

    def _guest(self) -> None:
        second = self._member()
        second.until(second.has_begun, "it begins")
        time.sleep(SESSION_S)
        second.stop()

    def _killed_guest(self) -> None:
        second = self._member()
        second.until(second.has_begun, "it begins")
        time.sleep(SESSION_S)
        second.kill()

    def _frozen_broker(self) -> None:
        with self._writing:
            self._broker.freeze()
            time.sleep(10)
            self._broker.thaw()

    def _killed_broker(self) -> None:
        with self._writing:
            self._broker.stop(9)
            time.sleep(1)
            self._broker.start()

    def _poison(self) -> None:
        with self._writing:
            self.scene.poison(POISON)
        self._n_poison += len(POISON)

    def _locked_database(self) -> None:
        with closing(sqlite3.connect(self.scene.folder / "alerts.db", timeout=30)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(8)
            connection.rollback()

    def _dead_receiver(self) -> None:
        self._receiver.stop()
        time.sleep(8)
        self._receiver.start()

    def _posted(self) -> set[str]:
        return {json.dumps(document, sort_keys=True) for document in self._receiver.documents}

    def _all_posted(self) -> bool:
        wanted = _bodies(set(self.scene.troubled_events()), unsuppressed=True)
        return wanted <= self._posted()

    def _equal(self, what: str, expected: set[Any], found: set[Any]) -> None:
        missing, extra = expected - found, found - expected
        assert not missing, f"{what}: {len(missing)} are lost, such as {min(missing)}"
        assert not extra, f"{what}: {len(extra)} are wrong, such as {min(extra)}"

    def _refused(self) -> set[bytes]:
        """Topic, partition and offset of each record in the dead letters."""
        return {record.key for record in read_topic(self._broker, self._letters)}

    def _backtested(self) -> set[str]:
        """Events of a backtest over the same rows, without those that the end of a file makes."""
        folder = self._folder / "backtest"
        folder.mkdir()
        rows = self._plant.write_parquet(folder / "rows.parquet", self.scene.step)
        source = {"type": "parquet", "path": str(rows), "time": "t", "key": "id"}
        made = {
            "pipeline": PIPELINE,
            "source": source | {"values": ["flow"]},
            "detectors": EWMA,
            "alerts": ALERTS,
        }
        config = folder / "plant.yaml"
        config.write_text(json.dumps(made))
        command = [*STREAMAD, "backtest", str(config), "--out", str(folder / "out"), "--no-report"]
        subprocess.run(command, capture_output=True, check=True)
        lines = (folder / "out" / "alerts.jsonl").read_text().splitlines()
        return {line for line in lines if json.loads(line)["reason"] != "end_of_stream"}


ENDS = ("kill_first", "drain_first")
"""Those that end the first member; they come in the first round only, so that it grows old."""

FAULTS = (
    "nap",
    "zombie",
    "guest",
    "killed_guest",
    "frozen_broker",
    "killed_broker",
    "poison",
    "locked_database",
    "dead_receiver",
)
"""Those that the first member lives through, one round after the other in a random order."""


def capacity(broker: RealKafka, folder: Path, n_series: int, n_rows: int = 500_000) -> float:
    """Rows a second of one consumer with the sinks of a soak, over rows that are there already."""
    plant = Plant(n_series, n_rows // n_series, spike_every=n_rows // n_series)
    scene = Scene(broker, folder, plant, SINKS, state__every="200ms", runtime__batch_rows=5000)
    scene.fill(fast=True)
    with scene.start() as process:
        process.until(lambda: scene.consumed() > n_rows // 5, "it reads")
        began, at = scene.consumed(), time.monotonic()
        process.until(scene.is_done, "all rows are consumed", 300)
        seconds = time.monotonic() - at
        process.stop()
    return (scene.n - began) / seconds


def _bodies(lines: set[str], *, unsuppressed: bool = False) -> set[str]:
    """Documents in one way of writing."""
    found = map(json.loads, lines)
    return {
        json.dumps(one, sort_keys=True)
        for one in found
        if not (unsuppressed and one["suppressed"] is not None)
    }
