"""When an episode opens, closes and speaks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from streamad.core.errors import ConfigError

DEFAULT_LEVEL = "warning"
"""Severity where no rule holds."""


@dataclass(frozen=True, slots=True)
class SeverityRule:
    """A level and what an episode must show to reach it; without conditions it always holds.

    Attributes
    ----------
    level : str
    ratio : float or None
        Smallest peak ratio.
    lasting_ns : int or None
        Shortest time since the start.
    """

    level: str
    ratio: float | None = None
    lasting_ns: int | None = None


@dataclass(frozen=True, slots=True)
class EpisodeRules:
    """When an episode opens, closes and speaks. Event time, nanoseconds; None = never.

    Attributes
    ----------
    open_ratio, open_rows, open_ns : float, int, int
        It opens after so many judged rows in a row at this ratio or above, over at least this time.
    close_ratio, close_rows, close_ns : float, int, int
        It ends after so many judged rows in a row below this ratio, over at least this time. A row
        between the two ratios keeps it as it is.
    merge_gap_ns : int
        A crossing up to so long after the first row below ``close_ratio`` continues the episode, so
        the end waits for the longer of ``close_ns`` and this.
    cool_down_ns : int
        An episode that starts within this time after a resolve is marked as suppressed.
    no_data_after_ns : int or None
        It ends when no row was judged for longer than this.
    update_every_ns : int or None
        Time between two updates.
    max_open_ns : int or None
        Longest episode; what goes on is a new one.
    criticality_rows : int or None
        Count rows at or over the line up and others down; the count in units of this number takes
        the place of the ratio in all rules (see
        :class:`~streamad.alerting.criticality.Criticality`), alerts still tell score / threshold.
        None = every row by itself.
    severities : sequence of SeverityRule
        Most severe first; the first that holds counts, ``warning`` if none does.

    Raises
    ------
    ConfigError
        A value out of its range.
    """

    open_ratio: float = 1.0
    open_rows: int = 1
    open_ns: int = 0
    close_ratio: float = 0.7
    close_rows: int = 1
    close_ns: int = 0
    merge_gap_ns: int = 0
    cool_down_ns: int = 0
    no_data_after_ns: int | None = None
    update_every_ns: int | None = None
    max_open_ns: int | None = None
    criticality_rows: int | None = None
    severities: Sequence[SeverityRule] = (SeverityRule("critical", ratio=3.0),)

    def __post_init__(self) -> None:
        if not 0 < self.close_ratio <= self.open_ratio < math.inf:
            raise ConfigError(
                "episodes need 0 < close_ratio <= open_ratio, got "
                f"close_ratio={self.close_ratio!r} and open_ratio={self.open_ratio!r}"
            )
        smallest = dict.fromkeys(("open_rows", "close_rows"), 1)
        smallest |= dict.fromkeys(("no_data_after_ns", "update_every_ns", "max_open_ns"), 1)
        smallest["criticality_rows"] = 1
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith(("_rows", "_ns")) and value is not None:
                least = smallest.get(field.name, 0)
                if value < least:
                    raise ConfigError(f"{field.name} must be at least {least}, got {value!r}")
        for rule in self.severities:
            if not rule.level:
                raise ConfigError("a severity rule needs a level, for instance 'critical', got ''")
