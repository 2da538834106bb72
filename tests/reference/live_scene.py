"""A topic, a consumer that is troubled while it reads it, and one that is left alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reference.kafka_broker import RealKafka
from reference.live_plant import (
    Plant,
    final_states,
    jsonl_events,
    live_config,
    saved_offsets,
    score_rows,
    sqlite_is_locked,
    sqlite_rows,
    topic_events,
)
from reference.live_process import STREAMAD, LiveProcess

EVERY = ("jsonl", "parquet", "sqlite", "kafka")


class Scene:
    """What is read, by what configuration, and what should come of it.

    Parameters
    ----------
    broker : RealKafka
    folder : Path
    plant : Plant
    sinks : sequence of str
    program : sequence of str
        What takes the place of the command ``streamad`` in the troubled run.
    more : sequence of dict
        Sections of sinks that only the troubled run has.
    **changes
        See :func:`.live_plant.live_config`.

    Attributes
    ----------
    n : int
        Records in the topic.
    step : int
        Steps of the plant in the topic.
    repeats : dict of str to int
        Events that a sink that only appends has more than once, after :meth:`check`.
    """

    def __init__(
        self,
        broker: RealKafka,
        folder: Path,
        plant: Plant,
        sinks: Sequence[str] = EVERY,
        *,
        program: Sequence[str] = STREAMAD,
        more: Sequence[Mapping[str, Any]] = (),
        **changes: Any,
    ) -> None:
        self._broker = broker
        self._folder = folder
        self._plant = plant
        self._sinks = tuple(sinks)
        self._program = program
        self._changes = changes
        self._topic = broker.create_topic("rows", plant.partitions)
        self.step = 0
        self.n = 0
        self.repeats: dict[str, int] = {}
        self._config, self._alerts = self._make("troubled", more)
        self._calm_alerts: str | None = None

    def fill(self, n_steps: int | None = None, *, fast: bool = False) -> None:
        """Write the rows of the next steps, or of all that are left; see RealKafka.pour."""
        last = self._plant.n_steps if n_steps is None else self.step + n_steps
        self.n += self._plant.fill(self._broker, self._topic, self.step, last, fast=fast)
        self.step = last

    def poison(self, values: Sequence[bytes]) -> None:
        """Write records that are no rows, one partition after the other."""
        for number, value in enumerate(values):
            partition = number % self._plant.partitions
            self.n += self._broker.produce(self._topic, [value], partition=partition)

    @property
    def folder(self) -> Path:
        """What the troubled run leaves."""
        return self._config.parent

    @property
    def calm(self) -> Path:
        """What the run that nobody troubles leaves, after :meth:`check`."""
        return self._folder / "calm"

    def start(self, crash_at: str | None = None, worker: int = 0) -> LiveProcess:
        """A member of the group; those that live at the same time have different numbers."""
        return LiveProcess(
            self._config,
            crash_at=crash_at,
            program=self._program,
            environment={"STREAMAD_WORKER": str(worker)},
        )

    def freeze(self, process: LiveProcess) -> None:
        """Stop a member as it stands, but not while it keeps others out of the database."""
        process.freeze()
        process.until(process.is_frozen, "it stands still")
        while sqlite_is_locked(self.folder):
            process.thaw()
            process.until(lambda: not sqlite_is_locked(self.folder), "the lock is free")
            process.freeze()
            process.until(process.is_frozen, "it stands still")

    def consumed(self) -> int:
        """Rows up to the newest snapshots."""
        return sum(saved_offsets(self._config.parent).values())

    def is_done(self) -> bool:
        """Whether everything that was written is in the snapshots."""
        return self.consumed() == self.n

    def finish(self) -> None:
        """Start once more, let it come to the end, and drain it."""
        with self.start() as process:
            process.until(process.has_begun, "it begins")
            process.until(self.is_done, "all rows are consumed")
            process.stop()

    def check(self, *, timeout_s: float = 60.0) -> None:
        """Compare with a run over the same topic that nobody troubles.

        Parameters
        ----------
        timeout_s : float
            For the run that nobody troubles.
        """
        config, alerts = self._make("calm")
        self._calm_alerts = alerts
        with LiveProcess(config) as process:
            process.until(
                lambda: sum(saved_offsets(config.parent).values()) == self.n,
                "the calm run is done",
                timeout_s,
            )
            process.stop()
        calm, tried = config.parent, self._config.parent
        if "jsonl" in self._sinks:
            self._compare("jsonl", jsonl_events(calm), jsonl_events(tried), once=True)
        if "kafka" in self._sinks:
            self._compare("kafka", self._read(alerts), self._read(self._alerts), once=False)
        if "kafka_transactional" in self._sinks:
            self._compare("transactional", self._read(alerts), self._read(self._alerts), once=True)
        if "parquet" in self._sinks:
            assert score_rows(tried) == score_rows(calm), "the scores differ"
        if "sqlite" in self._sinks:
            assert sqlite_rows(tried) == sqlite_rows(calm), "the database differs"
        left, right = final_states(tried), final_states(calm)
        assert left.keys() == right.keys()
        for number, state in right.items():
            other = [name for name, value in state.items() if left[number].get(name) != value]
            assert not other, f"the snapshots of partition {number} differ in {other}"

    def troubled_events(self) -> list[str]:
        """What the troubled run wrote to the sink ``kafka``."""
        return self._read(self._alerts)

    def calm_events(self) -> list[str]:
        """What the calm run wrote to the sink ``kafka``."""
        return self._read(self._calm_alerts)

    def _make(self, name: str, more: Sequence[Mapping[str, Any]] = ()) -> tuple[Path, str | None]:
        alerts = None
        if any(kind.startswith("kafka") for kind in self._sinks):
            alerts = self._broker.create_topic("alerts", 2)
        config = live_config(
            self._folder / name,
            self._broker,
            self._topic,
            sinks=(*self._sinks, *more),
            alerts_topic=alerts,
            **self._changes,
        )
        return config, alerts

    def _read(self, topic: str | None) -> list[str]:
        return topic_events(self._broker, topic)

    def _compare(self, what: str, calm: list[str], tried: list[str], *, once: bool) -> None:
        expected, found = Counter(calm), Counter(tried)
        assert len(expected) > 10, "the calm run has hardly any alerts: this shows nothing"
        assert max(expected.values()) == 1
        missing, extra = expected.keys() - found.keys(), found.keys() - expected.keys()
        assert not missing, f"{what}: {len(missing)} events are lost, such as {min(missing)}"
        assert not extra, f"{what}: {len(extra)} events are wrong, such as {min(extra)}"
        self.repeats[what] = len(tried) - len(calm)
        assert not once or not self.repeats[what], f"{what}: {self.repeats[what]} events repeat"
