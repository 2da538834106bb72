"""Numbers, times and verdicts as people write them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from streamad.reporting.episodes import Episodes, severity_rank
from streamad.reporting.scores import Survey

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_YEAR_NS = 366 * 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Clock:
    """How times of a run are written.

    Attributes
    ----------
    counts : bool
        Times are seconds from 0, as of data without a time column, and no dates.
    seconds : bool
        Seconds are told too, because the rows are closer than a minute.
    """

    counts: bool
    seconds: bool

    @classmethod
    def of(cls, start_ns: int, end_ns: int, rows_per_series: float) -> Clock:
        """The clock for rows between two times."""
        step_ns = (end_ns - start_ns) / max(rows_per_series, 1.0)
        return cls(0 <= start_ns <= end_ns < _YEAR_NS, step_ns < 59e9)

    def __call__(self, time_ns: int) -> str:
        """One time.

        Examples
        --------
        >>> Clock(counts=False, seconds=False)(1_648_540_800_000_000_000)
        '29 Mar 2022, 08:00'
        """
        if self.counts:
            return f"{time_ns / 1e9:,.10g} s"
        when = _EPOCH + timedelta(microseconds=time_ns // 1000)
        time = f"{when:%H:%M:%S}" if self.seconds else f"{when:%H:%M}"
        return f"{when.day} {when:%b %Y}, {time}"

    def day(self, time_ns: int) -> str:
        """The day of a time."""
        return self(time_ns) if self.counts else self(time_ns).partition(",")[0]


def duration(time_ns: int) -> str:
    """The two largest units.

    Examples
    --------
    >>> duration(142 * 10**9), duration(35 * 3600 * 10**9), duration(0)
    ('2 min 22 s', '1 d 11 h', 'one row')
    """
    if time_ns <= 0:
        return "one row"
    seconds = time_ns / 1e9
    if seconds < 60:
        return f"{seconds:.3g} s"
    left = round(seconds)
    parts: list[tuple[int, str]] = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append((count, unit))
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count)


def count(n: int, noun: str, plural: str = "") -> str:
    """A number of things.

    Examples
    --------
    >>> count(1, "row"), count(12_680, "row"), count(2, "series", "series")
    ('1 row', '12,680 rows', '2 series')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def times_line(ratio: float) -> str:
    """A ratio in units of the alarm line.

    Examples
    --------
    >>> times_line(3.61), times_line(12_345.6), times_line(float("nan"))
    ('3.6 ×', 'over 1000 ×', '–')
    """
    if math.isnan(ratio):
        return "–"
    if ratio >= 1000:
        return "over 1000 ×"
    return f"{ratio:.0f} ×" if ratio >= 100 else f"{ratio:.2g} ×" if ratio < 1 else f"{ratio:.1f} ×"


def share(part: int, whole: int) -> str:
    """A part in per cent, never rounded to all or nothing.

    Examples
    --------
    >>> share(0, 10), share(1, 10_000), share(9_999, 10_000), share(10, 10)
    ('0 %', 'under 0.1 %', 'over 99.9 %', '100 %')
    """
    if whole == 0 or part == 0:
        return "0 %"
    percent = 100 * part / whole
    if percent < 0.1:
        return "under 0.1 %"
    if part < whole and percent > 99.9:
        return "over 99.9 %"
    return f"{percent:.3g} %"


def score(value: float | None) -> str:
    """A number between 0 and 1.

    Examples
    --------
    >>> score(0.97268), score(1.0), score(None)
    ('0.973', '1.000', '–')
    """
    return "–" if value is None else f"{value:.3f}"


def percent(value: float | None) -> str:
    """A share in per cent, never rounded to all or nothing.

    Examples
    --------
    >>> percent(0.05594), percent(1.0), percent(0.0001), percent(None)
    ('5.59 %', '100 %', 'under 0.1 %', '–')
    """
    return "–" if value is None else share(round(value * 10**9), 10**9)


def delay(seconds: float | None) -> str:
    """How late something was known.

    Examples
    --------
    >>> delay(0.0), delay(142.0), delay(None)
    ('at once', '2 min 22 s', '–')
    """
    if seconds is None:
        return "–"
    return duration(round(seconds * 1e9)) if seconds > 0 else "at once"


def by_rank(severities: Mapping[str, int]) -> list[tuple[str, int]]:
    """Severities with their counts, gravest first."""
    return sorted(severities.items(), key=lambda item: (severity_rank(item[0]), item[0]))


def verdict(episodes: Episodes, survey: Survey, clock: Clock, n_missed: int = 0) -> tuple[str, str]:
    """Headline and the sentence below it.

    Parameters
    ----------
    episodes : Episodes
    survey : Survey
    clock : Clock
    n_missed : int
        Labelled events without an alarm.
    """
    n_series = len(survey.series)
    rows = f"{count(survey.n_rows, 'row')} of {count(n_series, 'series', 'series')}"
    if survey.n_rows == 0:
        return "The run has no rows.", "The source was empty, or every row was rejected."
    if survey.n_judged == 0:
        return (
            "No row was judged.",
            f"All {rows} were used up by the warm-up of the detector and the first scores of the "
            "threshold: give more data, or shorten both.",
        )
    peaks = survey.peaks()
    if len(episodes) == 0:
        top = int(peaks.argmax())
        return (
            f"No episode, but {count(n_missed, 'labelled event')}."
            if n_missed
            else "Nothing strange.",
            f"No episode in {rows}. The highest score came to {times_line(float(peaks[top]))} the "
            f"alarm line, on {survey.series[top]}.",
        )
    level, n = by_rank(episodes.by_severity)[0]
    which = "" if len(episodes) == 1 else "all " if n == len(episodes) else f"{n:,} of them "
    top_one = max(episodes.strongest, key=lambda episode: episode.peak_ratio)
    return (
        f"{count(len(episodes), 'episode')} on "
        f"{count(len(episodes.peaks), 'series', 'series')}, {which}{level}.",
        f"The strongest began {clock(top_one.start_ns)} on {top_one.series}, lasted "
        f"{duration(top_one.end_ns - top_one.start_ns)} and came to "
        f"{times_line(top_one.peak_ratio)} the alarm line.",
    )
