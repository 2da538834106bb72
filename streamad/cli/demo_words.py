"""What the demonstrations say: events, the table of incidents, and how they print."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from streamad.cli.console import settings
from streamad.cli.incidents import HOUR_NS, KNOWN, Outcome, Ratios, Series

if TYPE_CHECKING:
    from streamad.reporting.episodes import Episode


def line_of(event: dict[str, Any], series: Series) -> str:
    """One event in plain words, and at its beginning why."""
    line = _told(event, series)
    return f"{line}\n{'':17}{_why(event)}" if event["event"] == "open" else line


def copy_line_of(event: dict[str, Any], series: Series) -> str:
    """One event of a copy of the series in one line."""
    return f"  {event['series']:<8}{_told(event, series)}"


def _told(event: dict[str, Any], series: Series) -> str:
    from streamad.reporting.words import duration

    when, start = ns_of(event["detected_at"]), ns_of(event["start"])
    if event["event"] == "resolve":
        told = f"lasted {duration(ns_of(event['end']) - start)}"
        ratio = f"peak {event['peak']['score_ratio']:.1f} × line"
    else:
        told = f"flow {series.at(when):.1f} l/s, {series.day_before(start):.1f} the day before"
        ratio = f"{event['score_ratio']:.1f} × line"
    level = _painted(f"{event['severity']:<9}", event["severity"])
    return f"  {clock(when)}  {event['event'].upper():<8} {level} {told:<41} {ratio}"


def _why(event: dict[str, Any]) -> str:
    """The members that drove an alert, the reason of the first, and what was forecast."""
    members = event["members"]
    who = ", ".join(f"{part['name']} {part['share']:.0%}" for part in members[:3])
    expected = [part["expected"] for part in event["contributions"] if part["expected"] is not None]
    told = f"; {expected[0]:.1f} l/s was the forecast" if expected else ""
    return f"why: {members[0]['reason']} ({who}){told}"


def verdict(series: Series, found: Sequence[Outcome], false: Sequence[Episode]) -> None:
    """The incident table, misses and false alarms included."""
    from streamad.reporting.words import count, duration

    say("\nWhat is known to have happened, and what became of it:\n")
    for outcome in found:
        incident = outcome.incident
        what = (
            f"{incident.what} to {series.extreme(incident):.0f} l/s for "
            f"{duration(incident.lasted_ns)}"
        )
        if outcome.found:
            late = (outcome.episodes[0].start_ns - incident.start_ns) // HOUR_NS
            told = "at its first hour" if late == 0 else f"{count(abs(late), 'hour')} "
            told += "" if late == 0 else "after it began" if late > 0 else "before it began"
        else:
            told = outcome.why
        word = "found" if outcome.found else "MISSED"
        say(f"  {clock(incident.start_ns)}  {what:<26} {word:<7} {told}")
    say(f"\n  {score(found, false)}")
    say(f"  {under_alert(found, false)}")
    for episode in false:
        say(f"  false alarm: {clock(episode.start_ns)}, {episode.summary}")


def under_alert(found: Sequence[Outcome], false: Sequence[Episode]) -> str:
    """Hours in episodes beside hours of incidents: what the finds cost in attention."""
    starts = {episode.start_ns: episode for one in found for episode in one.episodes}
    episodes = [*starts.values(), *false]
    hours = sum((episode.end_ns - episode.start_ns) // HOUR_NS + 1 for episode in episodes)
    known = sum(one.incident.lasted_ns for one in found) // HOUR_NS
    return f"{len(episodes)} alerts held for {hours} hours; the incidents lasted {known}."


def judged_from(ratios: Ratios) -> None:
    """How the warm-up lies to the first incident, which it must not swallow."""
    from streamad.reporting.words import count

    first = ratios.first_ns
    if first is not None:
        early = (KNOWN[0].start_ns - first) // HOUR_NS
        told = f"{count(abs(early), 'hour')} {'before' if early >= 0 else 'after'}"
        say(f"  Judged from {clock(first)} on, {told} the first incident began.")


def score(found: Sequence[Outcome], false: Sequence[Episode]) -> str:
    """How many incidents were found, and how many alerts touch none."""
    from streamad.reporting.words import count

    n = sum(outcome.found for outcome in found)
    return f"{n} of {len(found)} known incidents found, {count(len(false), 'false alarm')}."


def say(text: str) -> None:
    """Lines on standard output, unless quiet."""
    if not settings().quiet:
        typer.echo(text, color=use_color())


def use_color() -> bool:
    """True if standard output takes colour."""
    wanted = settings().color
    if wanted != "auto":
        return wanted == "always"
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _painted(text: str, severity: str) -> str:
    return typer.style(text, fg="red" if severity == "critical" else "yellow", bold=True)


def ns_of(text: str) -> int:
    """Nanoseconds of an ISO 8601 time."""
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


def clock(time_ns: int) -> str:
    """Day, month, hour and minute, such as ``24 Mar 07:00``."""
    return f"{datetime.fromtimestamp(time_ns / 1e9, UTC):%d %b %H:%M}"


def day(time_ns: int) -> str:
    """Day and month, such as ``24 March``."""
    when = datetime.fromtimestamp(time_ns / 1e9, UTC)
    return f"{when.day} {when:%B}"
