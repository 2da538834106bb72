"""What the page says, ready for its template."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

from streamad.core.event import iso_time
from streamad.reporting.cards import card_view, told_by
from streamad.reporting.episodes import Episode, Episodes
from streamad.reporting.labels import Missed, Truth
from streamad.reporting.scores import RATIO_EDGES, Survey
from streamad.reporting.values import Values
from streamad.reporting.words import Clock, by_rank, count, duration, share, times_line, verdict

MAX_TABLE = 200
MAX_REJECTS = 8
MAX_PARTS = 3
MAX_MISSING = 6
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known about a run.

    Attributes
    ----------
    folder : Path
    metrics : mapping
        Of ``metrics.json``.
    seen : Survey
    episodes : Episodes
    truth : Truth or None
        The labels that the run was evaluated against.
    missed : list of Missed
    values : Values or None
    charts : list of dict
        As JSON types, one a drawn series.
    clock : Clock
    start_ns, end_ns : int
    """

    folder: Path
    metrics: Mapping[str, Any]
    seen: Survey
    episodes: Episodes
    truth: Truth | None
    missed: list[Missed]
    values: Values | None
    charts: list[dict[str, Any]]
    clock: Clock
    start_ns: int
    end_ns: int


def render(facts: Facts) -> bytes:
    """The page as UTF-8.

    Notes
    -----
    Names and texts come from data: the template escapes them, the script only ever sets text, and
    the policy in the head admits no script and no style but the page's own, by their digests.
    """
    from jinja2 import Environment, StrictUndefined

    metrics = facts.metrics
    cards = metrics.get("evaluation") or {}
    lock = facts.folder / "config.lock.yaml"
    lock_text = lock.read_text(encoding="utf-8") if lock.exists() else ""
    config = _yaml(lock_text)
    headline, detail = verdict(facts.episodes, facts.seen, facts.clock, len(facts.missed))
    data = {
        "counts": facts.clock.counts,
        "drives": {name: _drives(config, name) for name in facts.seen.tallies},
        "series": facts.charts,
    }
    style = _asset("uPlot.min.css") + _asset("report.css")
    script = _asset("uPlot.iife.min.js") + _asset("report.js")
    template = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(_asset("report.html.j2"))
    page = template.render(
        pipeline=str(metrics.get("pipeline") or facts.folder.name),
        headline=headline,
        detail=f"{detail} {told_by(cards)}".strip(),
        tone=_tone(facts),
        figures=list(_figures(facts, metrics)),
        cards=[card_view(detector, card) for detector, card in cards.items()],
        labelled=facts.truth is not None,
        missed=_missed_rows(facts),
        n_missed=len(facts.missed),
        episodes=_episode_rows(facts),
        n_episodes=len(facts.episodes),
        several_detectors=len(facts.seen.tallies) > 1,
        charts=[_heading(facts, chart) for chart in facts.charts],
        n_series=len(facts.seen.series),
        two_forms=any(s["final"] for chart in facts.charts for s in chart["scores"]),
        histograms=[_histogram(name, t.bins.tolist()) for name, t in facts.seen.tallies.items()],
        quality=list(_quality(facts, metrics)),
        rejects=_rejects(facts.folder / "rejects.jsonl"),
        run=list(_run(facts, metrics, config)),
        lock=lock_text,
        style=style,
        style_digest=_digest(style),
        script=script,
        script_digest=_digest(script),
        data=json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
    )
    return page.encode("utf-8", "xmlcharrefreplace")


def _tone(facts: Facts) -> str:
    if facts.seen.n_judged == 0:
        return "unknown"
    if len(facts.episodes):
        return "alarm"
    return "unknown" if facts.missed else "calm"


def _figures(facts: Facts, metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The few numbers at the top: value, label."""
    seen, clock = facts.seen, facts.clock
    yield f"{metrics.get('rows', seen.n_rows):,}", "rows"
    yield f"{len(seen.series):,}", "series"
    if seen.n_rows:
        yield f"{clock.day(facts.start_ns)} – {clock.day(facts.end_ns)}", "period"
        yield share(seen.n_judged, seen.n_rows), "of the rows judged"
    if "seconds" in metrics:
        yield f"{metrics['seconds']:,.3g} s", "to replay"


def _episode_rows(facts: Facts) -> list[dict[str, Any]]:
    """The table, by start."""
    charted = {chart["name"] for chart in facts.charts}
    shown = sorted(facts.episodes.strongest[:MAX_TABLE], key=lambda e: (e.start_ns, e.series))
    return [_episode_row(episode, facts.clock, charted, facts.truth) for episode in shown]


def _missed_rows(facts: Facts) -> list[dict[str, Any]]:
    """Labelled events without an alarm, by start."""
    charted = {chart["name"] for chart in facts.charts}
    return [
        {
            "id": f"label_{number}",
            "series": label.series,
            "charted": label.series in charted,
            "label": label.number,
            "start": facts.clock(label.start_ns),
            "start_iso": iso_time(label.start_ns),
            "lasted": duration(label.end_ns - label.start_ns),
            "detectors": ", ".join(label.detectors),
        }
        for number, label in enumerate(facts.missed[:MAX_TABLE])
    ]


def _episode_row(
    episode: Episode, clock: Clock, charted: set[str], truth: Truth | None
) -> dict[str, Any]:
    lasted = episode.end_ns - episode.start_ns
    return {
        "id": episode.id,
        "severity": episode.severity,
        "rank": episode.rank,
        "series": episode.series,
        "detector": episode.detector,
        "charted": episode.series in charted,
        "hit": truth is not None and len(truth.met(episode)) > 0,
        "start": clock(episode.start_ns),
        "start_iso": iso_time(episode.start_ns),
        "start_key": episode.start_ns,
        "lasted": duration(lasted) + (", still open" if episode.is_open else ""),
        "lasted_key": lasted,
        "peak": times_line(episode.peak_ratio),
        "peak_key": min(episode.peak_ratio, 1e300),
        "parts": [
            {
                "channel": part.channel,
                "percent": f"{100 * part.share:.0f} %",
                "width": max(1, round(40 * min(part.share, 1.0))),
                "arrow": {"above": "↑", "below": "↓"}.get(part.direction or "", ""),
            }
            for part in episode.parts[:MAX_PARTS]
        ],
        "n_more": max(0, len(episode.parts) - MAX_PARTS),
        "members": [
            {
                "name": member.name,
                "percent": f"{100 * member.share:.0f} %",
                "reason": member.reason,
            }
            for member in episode.members[:MAX_PARTS]
        ],
        "summary": episode.summary.removeprefix(f"{episode.series}: "),
        "suppressed": episode.suppressed,
    }


def _heading(facts: Facts, chart: Mapping[str, Any]) -> dict[str, Any]:
    """Title and notes of the charts of one series."""
    n = sum(1 for _ in chart["bands"])
    notes = [count(n, "episode"), count(chart["rows"], "row")]
    if facts.truth is not None:
        notes.insert(1, count(len(chart["labels"]), "labelled event"))
    if not chart["exact"]:
        notes.append("drawn as lowest and highest value of each stretch, finer around episodes")
    values = facts.values
    if values is not None and chart["values"] is not None:
        drawn, every = len(chart["values"]["channels"]), len(values.channels)
        if drawn < every:
            notes.append(f"{drawn} of {every} channels, those most to blame first")
    return {"name": chart["name"], "n_episodes": n, "notes": " · ".join(notes)}


def _histogram(detector: str, bins: Sequence[int]) -> dict[str, Any]:
    """Bars of the ratios of one detector; heights are logarithmic, or a tail would not be seen."""
    width, height, step = 546, 120, 13
    tallest = math.log10(1 + max(bins)) or 1.0
    bars = []
    for i, n in enumerate(bins):
        if n:
            tall = max(2.0, height * math.log10(1 + n) / tallest)
            low = RATIO_EDGES[i - 1] if i else None
            high = RATIO_EDGES[i] if i < len(RATIO_EDGES) else None
            between = (
                f"below {high:.3g}"
                if low is None
                else f"{low:.3g} or more"
                if high is None
                else f"{low:.3g} to {high:.3g}"
            )
            bars.append(
                {
                    "x": i * step,
                    "y": round(height - tall, 1),
                    "height": round(tall, 1),
                    "over": low is not None and low >= 1.0,
                    "title": f"{count(n, 'row')} at {between} × the line",
                }
            )
    over = sum(bins[len(bins) // 2 :])
    return {
        "detector": detector,
        "bars": bars,
        "width": width,
        "height": height,
        "step": step,
        "line": step * (len(RATIO_EDGES) // 2 + 1),
        "labels": [
            {"x": step * (1 + 10 * k), "text": text}
            for k, text in enumerate(("0.01", "0.1", "1", "10", "100"))
        ],
        "text": f"{count(over, 'row')} on or over the line, {share(over, sum(bins))} of the judged "
        "ones",
    }


def _quality(facts: Facts, metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What was wrong with the data: label, value."""
    seen = facts.seen
    unjudged = seen.n_rows - seen.n_judged
    yield "Not judged", f"{unjudged:,} of {count(seen.n_rows, 'score')}"
    rejects = metrics.get("rejects") or {}
    if not rejects:
        yield "Rejected rows", "none"
    for reason, n in sorted(rejects.items(), key=lambda item: -item[1]):
        yield f"Rejected: {reason.replace('_', ' ')}", count(n, "row")
    values = facts.values
    if values is None:
        return
    by_channel = sorted(
        zip(values.missing.tolist(), values.channels, strict=True), key=lambda pair: -pair[0]
    )
    if not any(n for n, _ in by_channel):
        yield "Missing values", "none"
    for n, channel in by_channel[:MAX_MISSING]:
        if n:
            yield f"Missing: {channel}", f"{n:,}, {share(n, values.n_rows)}"
    rest = [n for n, _ in by_channel[MAX_MISSING:] if n]
    if rest:
        yield f"Missing: {len(rest)} other channels", f"at most {rest[0]:,} each"


def _rejects(path: Path) -> list[str]:
    """The first few rejected rows: reason, then what was expected and what came."""
    if not path.exists():
        return []
    told = []
    with path.open(encoding="utf-8") as lines:
        for line in islice(lines, MAX_REJECTS):
            try:
                row = json.loads(line)
                text = f"{row['reason']}: {row['detail']}"
            except (ValueError, KeyError, TypeError):
                text = line.strip()
            told.append(text if len(text) <= _LONGEST else text[:_LONGEST] + " …")
    return told


def _run(
    facts: Facts, metrics: Mapping[str, Any], config: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """How the run came about: label, value."""
    source = config.get("source") or {}
    if source:
        yield "Source", " ".join(str(source[k]) for k in ("type", "path") if source.get(k))
    for detector in config.get("detectors") or []:
        line = detector.get("threshold") or {}
        settings = ", ".join(f"{k} {v}" for k, v in line.items() if k != "type")
        told = f"{detector.get('type')}, line: {line.get('type')}" + (settings and f" ({settings})")
        yield (
            f"Detector {detector.get('name')}",
            f"{told}, alerts by the {_drives(config, str(detector.get('name')))} score",
        )
    by_severity = by_rank(facts.episodes.by_severity)
    yield "Episodes", ", ".join(f"{n:,} {level}" for level, n in by_severity) or "none"
    if "seconds" in metrics:
        yield "Time taken", f"{metrics['seconds']:,.3g} s"
    if "rows_per_s" in metrics:
        yield "Speed", f"{metrics['rows_per_s']:,.0f} rows/s"
    if "peak_rss_mb" in metrics:
        yield "Peak memory", f"{metrics['peak_rss_mb']:,.0f} MB"
    if metrics.get("fingerprint"):
        yield "Fingerprint", str(metrics["fingerprint"])[:16]
    versions = metrics.get("versions") or {}
    if versions:
        yield "Versions", ", ".join(f"{name} {version}" for name, version in versions.items())


def _drives(config: Mapping[str, Any], detector: str) -> str:
    """Which score drives the alerts of a detector."""
    own = [d.get("output") for d in config.get("detectors") or [] if d.get("name") == detector]
    return str((own and own[0]) or config.get("output") or "causal")


def read_metrics(path: Path) -> dict[str, Any]:
    """The metrics of a run; empty where there are none."""
    if not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}


def _yaml(text: str) -> dict[str, Any]:
    from ruamel.yaml import YAML

    found = YAML(typ="safe", pure=True).load(text) if text else None
    return found if isinstance(found, dict) else {}


@cache
def _asset(name: str) -> str:
    return files("streamad.reporting").joinpath("static", name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """As a content security policy wants it."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
