"""What the engine holds for one partition, and how that becomes a checkpoint and comes back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streamad.core.data import Checkpoint
from streamad.core.errors import StateError
from streamad.pipeline import Output, Pipeline
from streamad.runtime.telemetry import Counters


@dataclass(slots=True)
class Partition:
    """State and position of one partition that is owned.

    Attributes
    ----------
    name : str
    pipeline : Pipeline
    next_offset : int
    counters : Counters
    finished : bool
        True when its source has ended and it was told so.
    dirty : bool
        True if there is something to checkpoint.
    saved_offset : int or None
        Of the newest snapshot; None = there is none.
    begin_offset : int or None
        Where it began without a snapshot; the offset of the first row that was read.
    kept : dict of int to list of mapping
        By next offset, the positions of the sinks in the newest snapshots that were made here.
    """

    name: str
    pipeline: Pipeline
    next_offset: int = 0
    counters: Counters = field(default_factory=Counters)
    finished: bool = False
    dirty: bool = True
    saved_offset: int | None = None
    begin_offset: int | None = None
    kept: dict[int, list[Mapping[str, Any]]] = field(default_factory=dict)

    @property
    def has_snapshot(self) -> bool:
        """True once it has been saved, or if it came from a snapshot."""
        return self.saved_offset is not None

    def restore(self, checkpoint: Checkpoint, identity: Mapping[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises
        ------
        StateError
            If it does not fit the pipeline, or was made from other data than the source has now.
        """
        before, now = checkpoint.meta.get("source"), plain(identity)
        if before != now:
            raise StateError(
                f"partition {self.name!r}: the source has changed since the snapshot ({before} "
                f"then, {now} now): restore the data, or move the snapshots away (on Kafka "
                "with state.on_lost: rebuild)"
            )
        self.pipeline.restore(checkpoint.arrays)
        self.next_offset = self.saved_offset = checkpoint.next_offset
        self.begin_offset = int(checkpoint.meta["begin"])
        self.counters = Counters(**checkpoint.meta["counters"])
        self.finished = bool(checkpoint.meta["finished"])
        self.dirty = False

    def checkpoint(
        self, fingerprint: str, positions: Mapping[str, Any], identity: Mapping[str, Any]
    ) -> Checkpoint:
        """State and position as they are now."""
        meta = {
            **positions,
            "counters": self.counters.document(),
            "finished": self.finished,
            "begin": self.next_offset if self.begin_offset is None else self.begin_offset,
            "source": plain(identity),
        }
        return Checkpoint(self.name, self.next_offset, fingerprint, self.pipeline.snapshot(), meta)

    def keep(self, sinks: list[Mapping[str, Any]], n_kept: int) -> None:
        """Note positions that are in a snapshot now, of which so many are kept."""
        self.kept.pop(self.next_offset, None)
        self.kept[self.next_offset] = sinks
        while len(self.kept) > n_kept:
            del self.kept[next(iter(self.kept))]

    def count(self, out: Output) -> None:
        """Take an output into the totals."""
        counters = self.counters
        for rows in out.scores:
            counters.scores += len(rows)
            counters.judged += int(np.count_nonzero(~np.isnan(rows.score)))
        for reject in out.rejects:
            counters.rejects[reject.reason] = counters.rejects.get(reject.reason, 0) + 1
        counters.events += len(out.alerts)
        for alert in out.alerts:
            if alert.event == "open":
                counters.opened += 1
            elif alert.event == "resolve":
                closed = counters.episodes
                closed[alert.severity] = closed.get(alert.severity, 0) + 1


def plain(identity: Mapping[str, Any]) -> Any:
    """As JSON gives it back."""
    return json.loads(json.dumps(identity))
