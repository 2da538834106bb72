"""What a run counts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


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
