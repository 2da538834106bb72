"""The episodes of a run, read from its alert events in bounded memory."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from streamad.core.errors import StateError
from streamad.core.event import ALERT_SCHEMA

_RANKS = {"critical": 0, "page": 0, "error": 0, "high": 0, "info": 2, "low": 2}


@dataclass(frozen=True, slots=True)
class Part:
    """A channel's part in an episode: share 0 to 1, direction ``above``, ``below`` or None."""

    channel: str
    share: float
    direction: str | None


@dataclass(frozen=True, slots=True)
class Member:
    """A member's part in an episode: share 0 to 1, and what it finds strange (may be empty)."""

    name: str
    share: float
    reason: str


@dataclass(frozen=True, slots=True)
class Episode:
    """The latest state of one episode.

    Attributes
    ----------
    id, series, detector, severity : str
    start_ns : int
        First row over the line.
    end_ns : int
        Last row over the line; for an open episode the row of its latest event.
    is_open : bool
        True where no resolve was written.
    opened_ns : int
        Row at which the alarm was raised.
    closed_ns : int or None
        Row at which it was closed, None where it was not.
    peak_ns : int
    peak_ratio : float
        In units of the alarm line.
    parts : tuple of Part
        Channels to blame, largest share first.
    summary : str
    suppressed : str or None
    members : tuple of Member
        Members of the detector that found it, largest share first; none where it has no members.
    """

    id: str
    series: str
    detector: str
    severity: str
    start_ns: int
    end_ns: int
    is_open: bool
    opened_ns: int
    closed_ns: int | None
    peak_ns: int
    peak_ratio: float
    parts: tuple[Part, ...]
    summary: str
    suppressed: str | None
    members: tuple[Member, ...] = ()

    @property
    def rank(self) -> int:
        """0 = calls for action now, 1 = warning, 2 = for the record."""
        return severity_rank(self.severity)


@dataclass(slots=True)
class Episodes:
    """What a run found.

    Attributes
    ----------
    strongest : list of Episode
        By severity, then peak; the others are only counted.
    by_severity : Counter
        All episodes.
    peaks : dict of str to float
        Largest peak ratio of each series that has an episode.
    """

    strongest: list[Episode] = field(default_factory=list)
    by_severity: Counter[str] = field(default_factory=Counter)
    peaks: dict[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.by_severity.total()


def read_episodes(path: Path, keep: int) -> Episodes:
    """Episodes of an ``alerts.jsonl``; none where there is no such file.

    Parameters
    ----------
    path : Path
    keep : int
        Episodes to keep in full.

    Raises
    ------
    StateError
        If a line is not an alert event.

    Notes
    -----
    Memory: the open episodes, ``keep`` closed ones, and one number a series.
    """
    found = Episodes()
    heap: list[tuple[tuple[int, float, int], Episode]] = []
    for n, episode in enumerate(iter_episodes(path)):
        found.by_severity[episode.severity] += 1
        before = found.peaks.get(episode.series, 0.0)
        found.peaks[episode.series] = max(before, episode.peak_ratio)
        entry = ((-episode.rank, episode.peak_ratio, -n), episode)
        if len(heap) < keep:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)
    found.strongest = [episode for _, episode in sorted(heap, key=lambda e: e[0], reverse=True)]
    return found


def severity_rank(severity: str) -> int:
    """0 = calls for action now, 1 = warning and whatever else, 2 = for the record."""
    return _RANKS.get(severity.lower(), 1)


def iter_episodes(path: Path) -> Iterator[Episode]:
    """Episodes of an ``alerts.jsonl`` as they end, then those without an end.

    Parameters
    ----------
    path : Path

    Raises
    ------
    StateError
        If a line is not an alert event.
    """
    alive: dict[str, tuple[str, dict[str, Any]]] = {}
    for event in _events(path):
        opened, _ = alive.pop(event["id"], (event["detected_at"], event))
        if event["event"] == "resolve":
            yield _episode(event, opened)
        else:
            alive[event["id"]] = opened, event
    for opened, event in alive.values():
        yield _episode(event, opened)


def _events(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                event = json.loads(line)
            except ValueError:
                event = None
            if not isinstance(event, dict) or event.get("schema") != ALERT_SCHEMA:
                raise StateError(
                    f"{path}:{number}: expected an event of schema {ALERT_SCHEMA}, got "
                    f"{line[:80]!r}; the file is damaged or of another version: run the backtest "
                    "again with --overwrite"
                )
            yield event


def _episode(event: dict[str, Any], opened: str) -> Episode:
    peak, resolved = event["peak"], event["event"] == "resolve"
    return Episode(
        event["id"],
        event["series"],
        event["detector"],
        event["severity"],
        _nanoseconds(event["start"]),
        _nanoseconds(event["end"] or event["detected_at"]),
        event["end"] is None,
        _nanoseconds(opened),
        _nanoseconds(event["detected_at"]) if resolved else None,
        _nanoseconds(peak["time"]),
        float("inf") if peak["score_ratio"] is None else float(peak["score_ratio"]),
        tuple(
            Part(part["channel"], float(part["share"] or 0.0), part["direction"])
            for part in event["contributions"]
        ),
        event["summary"],
        event["suppressed"],
        tuple(
            Member(member["name"], float(member["share"]), member["reason"])
            for member in event.get("members", ())
        ),
    )


def _nanoseconds(text: str) -> int:
    return int(np.datetime64(text.removesuffix("Z"), "ns").astype(np.int64))
