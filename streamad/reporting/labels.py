"""Labelled events of a run, and which of its episodes met them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamad.reporting.episodes import Episode


@dataclass(frozen=True, slots=True)
class Missed:
    """A labelled event, and the detectors without an alarm in it.

    Attributes
    ----------
    series : str
    number : int
        Among the labels of the series, from 0.
    start_ns, end_ns : int
        Its first and last time.
    detectors : tuple of str
    """

    series: str
    number: int
    start_ns: int
    end_ns: int
    detectors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """First and last time of the labels of each series, in order and disjoint."""

    starts: Mapping[str, Sequence[int]]
    ends: Mapping[str, Sequence[int]]

    @classmethod
    def of(cls, metrics: Mapping[str, Any]) -> Truth | None:
        """The labels that an evaluation left in the metrics of a run, None where it did not.

        Examples
        --------
        >>> Truth.of({"labels": {"pump": [[10, 20], [50, 60]]}}).spans("pump")
        [(10, 20), (50, 60)]
        """
        labels = metrics.get("labels")
        if labels is None:
            return None
        return cls(
            {series: [start for start, _ in spans] for series, spans in labels.items()},
            {series: [end for _, end in spans] for series, spans in labels.items()},
        )

    def spans(self, series: str) -> list[tuple[int, int]]:
        """First and last time of each label of a series."""
        return list(zip(self.starts.get(series, ()), self.ends.get(series, ()), strict=True))

    def met(self, episode: Episode) -> range:
        """Numbers of the labels during which the alarm of an episode was on.

        Notes
        -----
        As in :func:`streamad.evaluation.events.match` without a tolerance: an alarm is on from the
        row that opened it to the row that closed it, that one not in it. O(log labels).
        """
        starts, ends = self.starts.get(episode.series, ()), self.ends.get(episode.series, ())
        first = bisect_left(ends, episode.opened_ns)
        if episode.closed_ns is None:
            return range(first, len(starts))
        last_on = max(episode.closed_ns - 1, episode.opened_ns)
        return range(first, max(first, bisect_right(starts, last_on)))

    def missed(self, episodes: Iterable[Episode], detectors: Sequence[str]) -> list[Missed]:
        """Labels without an alarm of every detector, by their start.

        Parameters
        ----------
        episodes : iterable of Episode
            All of the run.
        detectors : sequence of str

        Notes
        -----
        Memory: one entry for each label and detector that found it.
        """
        found: set[tuple[str, str, int]] = set()
        for episode in episodes:
            found.update((episode.detector, episode.series, n) for n in self.met(episode))
        missed = []
        for series in self.starts:
            for number, (start, end) in enumerate(self.spans(series)):
                blind = tuple(d for d in detectors if (d, series, number) not in found)
                if blind:
                    missed.append(Missed(series, number, start, end, blind))
        return sorted(missed, key=lambda label: (label.start_ns, label.series))
