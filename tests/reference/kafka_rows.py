"""Records for topics, the drive of a source without an engine, and what came out."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from streamad.core.protocols import Assigned, DataGap, Lost, Revoked

if TYPE_CHECKING:
    from reference.broker import Broker

FORMAT: dict[str, Any] = {
    "type": "json",
    "key": "$.id",
    "time": {"path": "$.t", "unit": "ms"},
    "values": ["$.flow"],
}
BEGIN_MS = 1_790_000_000_000


def records(numbers: Iterable[int], series: str = "pump") -> list[bytes]:
    """One row a record, told by its value."""
    return [
        json.dumps({"id": series, "t": BEGIN_MS + 1000 * n, "flow": n}).encode() for n in numbers
    ]


def write_in_transactions(
    broker: Broker, topic: str, steps: Iterable[tuple[Iterable[int], str]]
) -> None:
    """Write rows by their numbers, in transactions that end by ``commit`` or ``abort``."""
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=topic)
    producer.init_transactions()
    for numbers, end in steps:
        producer.begin_transaction()
        for value in records(numbers):
            producer.send(topic, value)
        getattr(producer, f"{end}_transaction")()
    producer.close()


class Reader:
    """Does with a source what the engine does, as far as a source can tell.

    Parameters
    ----------
    source : Source
    state : dict of str to int
        Next offset by partition, as snapshots would have it; shared by the members of a group.
    """

    def __init__(self, source: Any, state: dict[str, int] | None = None) -> None:
        self.source = source
        self.state = {} if state is None else state
        self.own: dict[str, int] = {}
        self.rows: list[tuple[str, int, float]] = []
        self.rejects: list[Any] = []
        self.heard: list[Any] = []

    def turn(self, timeout_s: float = 0.1, max_rows: int = 500) -> int:
        """One turn of the loop; how many rows came."""
        for event in self.source.events():
            self.heard.append(event)
            if isinstance(event, Assigned):
                for name in event.partitions:
                    if name in self.state:
                        self.source.seek(name, self.state[name])
                    else:
                        self.source.begin(name)
                    self.own[name] = self.state.get(name, 0)
            elif isinstance(event, Revoked):
                self.checkpoint(event.partitions)
                for name in event.partitions:
                    del self.own[name]
            elif isinstance(event, Lost):
                for name in event.partitions:
                    self.own.pop(name, None)
            elif isinstance(event, DataGap):
                self.own[event.partition] = event.to_offset
        n = 0
        for batch in self.source.poll(timeout_s, max_rows):
            for row in range(len(batch)):
                self.rows.append((batch.partition, batch.offset(row), float(batch.values[row, 0])))
            self.own[batch.partition] = batch.next_offset
            n += len(batch)
        self.rejects += self.source.rejects()
        return n

    def checkpoint(self, names: Iterable[str] | None = None) -> Any:
        """Keep the state of partitions and commit it."""
        done = {name: self.own[name] for name in (self.own if names is None else names)}
        self.state |= done
        return self.source.commit(done)

    def until(self, true: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Turn until something holds."""
        deadline = time.monotonic() + timeout_s
        while not true():
            assert time.monotonic() < deadline, f"nothing came of it: {self.heard}, {self.own}"
            self.turn()

    def values(self) -> list[float]:
        """Values of all rows, as they came."""
        return [value for _, _, value in self.rows]


class MemberThread(threading.Thread):
    """A member of a group that reads, keeps its state and commits until it is told to leave.

    Parameters
    ----------
    make : callable
        Opens the source.
    state : dict of str to int
        Shared by the members, as a folder of snapshots would be.
    """

    def __init__(self, make: Callable[[], Any], state: dict[str, int]) -> None:
        super().__init__(daemon=True)
        self._make = make
        self._state = state
        self._leave = threading.Event()
        self.reader: Reader | None = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Read until told to leave, keep the state, leave."""
        try:
            self.reader = Reader(self._make(), self._state)
            while not self._leave.is_set():
                if self.reader.turn():
                    self.reader.checkpoint()
            self.reader.checkpoint()
            self.reader.source.close()
        except BaseException as error:
            self.error = error
            raise

    @property
    def rows(self) -> list[tuple[str, int, float]]:
        """Rows so far."""
        return list(self.reader.rows) if self.reader else []

    @property
    def own(self) -> set[str]:
        """Partitions held now."""
        return set(self.reader.own) if self.reader else set()

    def heard(self, kind: type) -> list[Any]:
        """Events of a kind so far."""
        return [e for e in list(self.reader.heard if self.reader else []) if isinstance(e, kind)]

    def leave(self) -> None:
        """Leave the group in good order."""
        self._leave.set()
        self.join(30)
        assert not self.is_alive(), "a member does not leave"


def wait_until(true: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
    """Wait for something that threads do."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.02)
