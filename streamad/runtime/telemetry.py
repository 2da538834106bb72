"""What a run counts, where it stands, what it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from streamad.runtime.health import Telemetry
from streamad.runtime.measures import Buckets, PartitionHealth, SinkHealth

__all__ = [
    "Buckets",
    "Counters",
    "PartitionHealth",
    "Progress",
    "SinkHealth",
    "Summary",
    "Telemetry",
]


@dataclass(slots=True)
class Counters:
    """Totals of one partition; part of its checkpoint, so a restart goes on counting.

    Attributes
    ----------
    rows : int
        Rows taken from the source, rejected ones left out.
    scores : int
        Rows of the score table.
    judged : int
        Of these, rows with a score.
    events : int
        Alert events.
    opened : int
        Episodes opened.
    episodes : dict of str to int
        Resolved episodes by their highest severity.
    rejects : dict of str to int
        Rejected rows by reason.
    """

    rows: int = 0
    scores: int = 0
    judged: int = 0
    events: int = 0
    opened: int = 0
    episodes: dict[str, int] = field(default_factory=dict)
    rejects: dict[str, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)

    def add(self, other: Counters) -> None:
        """Take in the counts of another partition."""
        self.rows += other.rows
        self.scores += other.scores
        self.judged += other.judged
        self.events += other.events
        self.opened += other.opened
        for mine, theirs in ((self.episodes, other.episodes), (self.rejects, other.rejects)):
            for name, n in theirs.items():
                mine[name] = mine.get(name, 0) + n


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands.

    Attributes
    ----------
    rows : int
        Rows processed, those before a restart included.
    total_rows : int or None
        Rows in all, where the source knows.
    rows_per_s : float
        Since this process started.
    alerts : int
        Episodes opened.
    watermark_ns : int or None
        Event time reached.
    """

    rows: int
    total_rows: int | None
    rows_per_s: float
    alerts: int
    watermark_ns: int | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did.

    Attributes
    ----------
    counters : Counters
        Over all partitions, rows before a restart included.
    seconds : float
        Of this process.
    rows_here : int
        Rows processed by this process.
    series : int
        Series with state at the end.
    finished : bool
        True when the source ended; False when the run was stopped.
    resumed_at : mapping of str to int
        Offset at which each partition went on; 0 = from the start.
    committed : bool
        False if the source could not be told the last offsets; the snapshots have them.
    """

    counters: Counters
    seconds: float
    rows_here: int
    series: int
    finished: bool
    resumed_at: Mapping[str, int]
    committed: bool = True
