"""A package of somebody else: a source without an end, over rows that a formula gives."""

from __future__ import annotations

import time

import numpy as np

from streamad.core.data import Batch, Schema
from streamad.core.errors import Disconnected
from streamad.core.protocols import Assigned, CommitResult

SECOND_NS = 1_000_000_000
FIRST_NS = 1_700_000_000 * SECOND_NS


class EndlessSource:
    """``rows`` rows a partition, as fast as they are asked for; then it waits for ever."""

    def __init__(
        self,
        *,
        partitions: int = 2,
        rows: int = 3000,
        group: str | None = None,
        wait_s: float = 0.01,
        down: bool = False,
    ) -> None:
        if down:
            raise Disconnected("nobody answers at nowhere:9092")
        self.rows, self.wait_s = rows, wait_s
        self._schema = Schema(["flow"])
        self._next = {f"t/{number}": 0 for number in range(partitions)}
        self._told = False
        self._paused = set()

    schema = property(lambda self: self._schema)
    identity = property(lambda self: {"topic_ids": {"t": "one"}})
    total_rows = property(lambda self: None)

    def events(self):
        if self._told:
            return []
        self._told = True
        return [Assigned(tuple(self._next))]

    def poll(self, timeout_s, max_rows):
        found = [
            self._batch(name, at, min(at + max_rows, self.rows))
            for name, at in self._next.items()
            if at < self.rows and name not in self._paused
        ]
        time.sleep(self.wait_s if found else timeout_s)
        return found

    def _batch(self, name, start, stop):
        number = int(name.partition("/")[2])
        at = np.arange(start, stop)
        values = np.sin(at * 0.1) + 0.1 * np.sin(at * 1.7 + number)
        values[at % 500 == 499] += 9.0
        self._next[name] = stop
        code = self._schema.code(f"pump-{number}")
        return Batch(
            self._schema,
            np.full(len(at), code, np.int32),
            FIRST_NS + at * SECOND_NS,
            values[:, None],
            name,
            stop,
        )

    def rejects(self):
        return []

    def seek(self, partition, offset):
        self._next[partition] = offset

    def commit(self, offsets):
        return CommitResult.OK

    def pause(self, partitions):
        self._paused.update(partitions)

    def resume(self, partitions):
        self._paused.difference_update(partitions)

    def lag(self):
        return {name: self.rows - at for name, at in self._next.items()}

    def exhausted(self):
        return False

    def close(self):
        pass


class StuckSink:
    """Takes everything, and never hands it over."""

    def open(self, partition, position):
        pass

    def write(self, partition, scores, alerts):
        pass

    def flush(self, partition, next_offset):
        raise Disconnected("the other side is silent")

    def drop(self, partition):
        pass

    def finish(self, partition):
        pass

    def close(self):
        pass
