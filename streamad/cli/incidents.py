"""The demo's series, what is known to have happened in it, and what a run made of that."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from streamad.core.errors import ConfigError

if TYPE_CHECKING:
    from streamad.core.data import Floats, Ints
    from streamad.reporting.episodes import Episode

CHANNEL = "Water flow [l/s]"
HOUR_NS = 3_600_000_000_000

FAR_L_S = 5.0
"""The incidents are the hours in which the flow is further than this from its median.

The authors of the data say what happened (three drops, from losses or maintenance, and one short
peak, from a pumping operation) but not when. Any distance from 5 to 5.3 l/s gives exactly the four
spans below; from 4 to 7 l/s they differ by one hour. A test holds them against the data.
"""

SLACK_NS = HOUR_NS
"""An episode that begins so long after an incident still counts as its find: the way back from a
short peak is as strange as the peak."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that is known to have happened: first and last hour, and what."""

    start_ns: int
    end_ns: int
    what: str

    @property
    def lasted_ns(self) -> int:
        """From the beginning of the first hour to the end of the last."""
        return self.end_ns - self.start_ns + HOUR_NS


def _at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


KNOWN = (
    Incident(_at("2022-03-24T07:00"), _at("2022-03-25T00:00"), "drop"),
    Incident(_at("2022-03-29T06:00"), _at("2022-03-29T18:00"), "drop"),
    Incident(_at("2022-04-03T04:00"), _at("2022-04-03T04:00"), "peak"),
    Incident(_at("2022-04-27T13:00"), _at("2022-04-28T04:00"), "drop"),
)


@dataclass(frozen=True, slots=True)
class Series:
    """The demo's series: the file, its times in nanoseconds, its values in l/s."""

    path: Path
    times: list[int]
    values: list[float]

    @classmethod
    def read(cls, path: Path) -> Series:
        """Read a file with the columns ``Time`` (ISO 8601) and ``Water flow [l/s]``."""
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        stamps = [datetime.fromisoformat(row["Time"]).timestamp() for row in rows]
        return cls(path, [int(s) * 10**9 for s in stamps], [float(row[CHANNEL]) for row in rows])

    def at(self, time_ns: int) -> float:
        """Value of the hour."""
        return self.values[self.times.index(time_ns)]

    def day_before(self, time_ns: int) -> float:
        """Median of the 24 hours before this one."""
        end = self.times.index(time_ns)
        return median(self.values[max(0, end - 24) : end] or [self.values[end]])

    def extreme(self, incident: Incident) -> float:
        """The value of an incident furthest from the median of the series."""
        usual = median(self.values)
        within = [
            value
            for time_ns, value in zip(self.times, self.values, strict=True)
            if incident.start_ns <= time_ns <= incident.end_ns
        ]
        return max(within, key=lambda value: abs(value - usual))


@dataclass(frozen=True, slots=True)
class Ratios:
    """Times (n,) int64 nanoseconds, and the ratios that drove the alerts (n,), NaN = not judged."""

    times: Ints
    ratio: Floats

    @classmethod
    def read(cls, path: Path, series: str | None = None) -> Ratios:
        """The columns of a score table, of this series if there are several."""
        import pyarrow.parquet as pq

        wanted = None if series is None else [("series", "==", series)]
        table = pq.read_table(path, columns=["time", "ratio"], filters=wanted)
        times = table["time"].to_numpy().astype("datetime64[ns]").astype(np.int64)
        return cls(times, table["ratio"].to_numpy())

    @property
    def first_ns(self) -> int | None:
        """When the first row was judged, None = none was."""
        judged = np.flatnonzero(~np.isnan(self.ratio))
        return int(self.times[judged[0]]) if len(judged) else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """An incident with the episodes that found it, or why there are none."""

    incident: Incident
    episodes: tuple[Episode, ...]
    why: str

    @property
    def found(self) -> bool:
        """True if an episode touches the incident."""
        return bool(self.episodes)


def river_file() -> Path:
    """The series inside the installed river, found without importing it.

    Raises
    ------
    ConfigError
        If river is not installed, or without its data.
    """
    found = find_spec("river")
    for folder in (found.submodule_search_locations or ()) if found else ():
        path = Path(folder) / "datasets" / "water-flow.csv"
        if path.exists():
            return path
    raise ConfigError(
        "the demo replays datasets/water-flow.csv of the library river, which was not found: "
        "install streamad-engine with its dependencies"
    )


def outcomes(
    incidents: Sequence[Incident], episodes: Sequence[Episode], ratios: Ratios
) -> tuple[list[Outcome], list[Episode]]:
    """What became of each incident, and the episodes that touch none: false alarms.

    Parameters
    ----------
    incidents : sequence of Incident
    episodes : sequence of Episode
    ratios : Ratios
        For the reasons of the misses.

    Returns
    -------
    list of Outcome
        In the order of the incidents.
    list of Episode
    """
    found: list[Outcome] = []
    for incident in incidents:
        mine = tuple(episode for episode in episodes if _touches(episode, incident))
        found.append(Outcome(incident, mine, "" if mine else _why(incident, ratios)))
    false = [e for e in episodes if not any(_touches(e, incident) for incident in incidents)]
    return found, false


def _touches(episode: Episode, incident: Incident) -> bool:
    return episode.start_ns <= incident.end_ns + SLACK_NS and episode.end_ns >= incident.start_ns


def _why(incident: Incident, ratios: Ratios) -> str:
    """Why an incident was missed."""
    within = (ratios.times >= incident.start_ns) & (ratios.times <= incident.end_ns)
    ratio = ratios.ratio[within]
    if np.isnan(ratio).all():
        if ratios.first_ns is None or ratios.first_ns > incident.end_ns:
            return "the detector was still warming up"
        return "no hour of it was judged"
    peak = float(np.nanmax(ratio))
    if peak < 1.0:
        return f"its score came to {peak:.2g} × the line only"
    over = int(np.count_nonzero(ratio >= 1.0))
    return f"over the line in {over} of its hours only, too few to open an episode"
