"""``streamad demo``: a real series, replayed at once, with what was found and what was missed."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamad.cli.console import settings
from streamad.cli.incidents import (
    HOUR_NS,
    KNOWN,
    Outcome,
    Ratios,
    Series,
    outcomes,
    river_file,
)
from streamad.core.errors import ConfigError

if TYPE_CHECKING:
    from streamad.config import Config
    from streamad.reporting.episodes import Episode
    from streamad.runtime.telemetry import Progress

PIPELINE = "water-flow"

CONFIG = """\
# Written by `streamad demo`; copy it before you change it.
#
# The series: {n_rows:,} hourly values of the water flow in a pipeline branch, Italy, March to May
# 2022, donated by Tecnojest s.r.l.; a copy of the file that comes with the library river (BSD-3).
version: 1
pipeline: {pipeline}

source:
  type: csv
  path: {path}
  time: Time
  series: branch-1

detectors:
  - type: fusion                 # the default detector: nine members, each on its own scale
    params:
      # Rows that fit scales and windows and are not judged. The default of 1000 suits months of
      # rows; here it would be six weeks. Three days see every hour of the day three times. It
      # matters: a warm-up that is longer than that runs into the first incident and learns it as
      # ordinary, and the table at the end of the demo shows what becomes of the others then.
      warm_up: 72
    # The fused score counts standard deviations above what is ordinary: five of them. The default,
    # spot, learns its line from 512 further scores: too many here.
    threshold: {{type: fixed, value: 5}}

alerts:
  open: {{ratio: 1.0, for: 1}}   # one hour is enough: an hour is the shortest event of interest
  close: {{ratio: 1.0}}            # an episode ends under the line, not only well under it
  merge_gap: 3h                  # calm of less than three hours does not end an episode
"""

VARIANTS = (
    ("a lower line, 3.5 instead of 5", "detectors.0.threshold.value=3.5"),
    ("a higher line, 6.5 instead of 5", "detectors.0.threshold.value=6.5"),
    ("alerts only after two hours", "alerts.open.for=2"),
    ("a warm-up of a week instead of three days", "detectors.0.params.warm_up=168"),
)
"""Other settings that one could have chosen, one change each."""


def demo_command(
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("demo-out"),
    browser: Annotated[
        bool,
        typer.Option(
            "--browser/--no-browser", " /--report", help="Open the report when it is written."
        ),
    ] = True,
    speed: Annotated[
        str, typer.Option(help="max, or hours of data a second, such as 50, to watch it happen.")
    ] = "max",
) -> None:
    """Replay a real series and say what was found and missed; no set-up, no network."""
    from streamad.backtest import backtest
    from streamad.cli.backtest import write_run_report
    from streamad.config import load_config
    from streamad.reporting.episodes import read_episodes

    began = time.perf_counter()
    pace = pace_of(speed)
    series = Series.read(river_file())
    config_path = _prepare(out, series)
    _intro(series)
    overrides = [] if pace is None else ["runtime.batch_rows=4", "state.every=1ms"]
    config = load_config(config_path, overrides=overrides)
    teller = Teller(out / "alerts.jsonl", series, pace)
    result = backtest(config, out, overwrite=True, progress=teller)
    report = write_run_report(config, out, result.rows)
    episodes = read_episodes(out / "alerts.jsonl", keep=10_000).strongest
    ratios = Ratios.read(out / "scores.parquet")
    _verdict(series, *outcomes(KNOWN, episodes, ratios))
    _judged_from(ratios)
    _variants(config_path)
    seconds = time.perf_counter() - began
    _say(f"\n{result.rows:,} hours in {seconds:.1f} s, pages and tables included.")
    _costs()
    _paths(out)
    _next(out)
    if browser and _has_screen():
        import webbrowser

        webbrowser.open(report.resolve().as_uri())


@dataclass(slots=True)
class Teller:
    """Prints the alert events of a run as they reach its file; called after every batch.

    Parameters
    ----------
    path : Path
        The run's ``alerts.jsonl``.
    series : Series
    pace : float or None
        Hours of data a second; None = as fast as it goes.
    """

    path: Path
    series: Series
    pace: float | None
    _read: int = 0
    _began: float = field(default_factory=time.perf_counter)

    def __call__(self, progress: Progress) -> None:
        """Tell what is new, then wait for the clock."""
        for event in self._events():
            _say(_line(event, self.series))
        if self.pace is not None and progress.watermark_ns is not None:
            hours = (progress.watermark_ns - self.series.times[0]) / HOUR_NS
            wait = self._began + hours / self.pace - time.perf_counter()
            time.sleep(max(0.0, wait))

    def _events(self) -> Iterator[dict[str, Any]]:
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._read)
                for line in file:
                    if line.endswith(b"\n"):
                        self._read += len(line)
                        yield json.loads(line)


def pace_of(speed: str) -> float | None:
    """Hours of data a second; None = as fast as it goes.

    Raises
    ------
    ConfigError
        If it is neither ``max`` nor a positive number.
    """
    if speed == "max":
        return None
    try:
        pace = float(speed)
    except ValueError:
        pace = 0.0
    if not 0 < pace < float("inf"):
        raise ConfigError(f"--speed should be max or a positive number, got {speed!r}")
    return pace


def _prepare(out: Path, series: Series) -> Path:
    """The folder with the data and the configuration; the latter's path is returned."""
    metrics = out / "metrics.json"
    if metrics.exists() and json.loads(metrics.read_text()).get("pipeline") != PIPELINE:
        raise ConfigError(
            f"{out} holds a run that is not the demo's, and the demo would replace it: choose "
            "another folder with --out"
        )
    data, config = out / "water-flow.csv", out / "pipeline.yaml"
    quoted = json.dumps(str(data).replace("$", "$$"))
    text = CONFIG.format(n_rows=len(series.times), pipeline=PIPELINE, path=quoted)
    try:
        out.mkdir(parents=True, exist_ok=True)
        data.write_bytes(series.path.read_bytes())
        config.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"the output folder {out} must be writable: {error.strerror}; choose another with --out"
        ) from error
    return config


def _intro(series: Series) -> None:
    import streamad

    first, last = _day(series.times[0]), _day(series.times[-1])
    _say(
        f"streamad {streamad.__version__} demo: water flow in a pipeline branch, {first} to {last} "
        f"2022\n{len(series.times):,} hourly values, real, from Italy (donated by Tecnojest; comes "
        "with river, BSD-3).\nThe engine of `streamad backtest`; no network, nothing leaves this "
        "machine. Times are UTC.\n"
    )


def _line(event: dict[str, Any], series: Series) -> str:
    """One event in plain words."""
    from streamad.reporting.words import duration

    when, start = _ns(event["detected_at"]), _ns(event["start"])
    if event["event"] == "resolve":
        told = f"lasted {duration(_ns(event['end']) - start)}"
        ratio = f"peak {event['peak']['score_ratio']:.1f} × line"
    else:
        told = f"flow {series.at(when):.1f} l/s, {series.day_before(start):.1f} the day before"
        ratio = f"{event['score_ratio']:.1f} × line"
    level = _painted(f"{event['severity']:<9}", event["severity"])
    line = f"  {_time(when)}  {event['event'].upper():<8} {level} {told:<41} {ratio}"
    return f"{line}\n{'':17}{_why(event)}" if event["event"] == "open" else line


def _why(event: dict[str, Any]) -> str:
    """The members that drove an alert, the reason of the first, and what was forecast."""
    members = event["members"]
    who = ", ".join(f"{part['name']} {part['share']:.0%}" for part in members[:3])
    expected = [part["expected"] for part in event["contributions"] if part["expected"] is not None]
    told = f"; {expected[0]:.1f} l/s was the forecast" if expected else ""
    return f"why: {members[0]['reason']} ({who}){told}"


def _verdict(series: Series, found: Sequence[Outcome], false: Sequence[Episode]) -> None:
    """The incident table, misses and false alarms included."""
    from streamad.reporting.words import count, duration

    _say("\nWhat is known to have happened, and what became of it:\n")
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
        _say(f"  {_time(incident.start_ns)}  {what:<26} {word:<7} {told}")
    _say(f"\n  {_score(found, false)}")
    _say(f"  {_under_alert(found, false)}")
    for episode in false:
        _say(f"  false alarm: {_time(episode.start_ns)}, {episode.summary}")


def _under_alert(found: Sequence[Outcome], false: Sequence[Episode]) -> str:
    """Hours in episodes beside hours of incidents: what the finds cost in attention."""
    starts = {episode.start_ns: episode for one in found for episode in one.episodes}
    episodes = [*starts.values(), *false]
    hours = sum((episode.end_ns - episode.start_ns) // HOUR_NS + 1 for episode in episodes)
    known = sum(one.incident.lasted_ns for one in found) // HOUR_NS
    return f"{len(episodes)} alerts held for {hours} hours; the incidents lasted {known}."


def _judged_from(ratios: Ratios) -> None:
    """How the warm-up lies to the first incident, which it must not swallow."""
    from streamad.reporting.words import count

    first = ratios.first_ns
    if first is not None:
        early = (KNOWN[0].start_ns - first) // HOUR_NS
        told = f"{count(abs(early), 'hour')} {'before' if early >= 0 else 'after'}"
        _say(f"  Judged from {_time(first)} on, {told} the first incident began.")


def _score(found: Sequence[Outcome], false: Sequence[Episode]) -> str:
    from streamad.reporting.words import count

    n = sum(outcome.found for outcome in found)
    return f"{n} of {len(found)} known incidents found, {count(len(false), 'false alarm')}."


def _variants(config_path: Path) -> None:
    """The same run with one setting changed, since settings decide more than detectors."""
    from streamad.config import load_config

    _say("\nHow much hangs on the settings (each run anew, one change in pipeline.yaml):\n")
    for words, override in VARIANTS:
        found, false = _try(load_config(config_path, overrides=[override]))
        _say(f"  {words:<42} {_score(found, false)}")


def _try(config: Config) -> tuple[list[Outcome], list[Episode]]:
    """Outcomes of a run whose folder is thrown away."""
    from streamad.backtest import backtest
    from streamad.reporting.episodes import read_episodes

    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        backtest(config, run)
        episodes = read_episodes(run / "alerts.jsonl", keep=10_000).strongest
        return outcomes(KNOWN, episodes, Ratios.read(run / "scores.parquet"))


def _costs() -> None:
    """What the default detector costs, and what is cheaper."""
    from streamad.detectors.fusion import PRESETS, Fusion

    told = ", ".join(f"{preset} {Fusion(preset).state_bytes() / 1000:.0f} kB" for preset in PRESETS)
    _say(
        f"fusion takes about {Fusion.info.cost_us:g} µs of one core a row with its default preset; "
        f"state of a series: {told}."
    )


def _paths(out: Path) -> None:
    _say("")
    for label, name in (
        ("report", "report.html"),
        ("scores", "scores.parquet"),
        ("alerts", "alerts.jsonl"),
        ("config", "pipeline.yaml"),
        ("data", "water-flow.csv"),
    ):
        _say(f"  {label:<8} {out / name}")


def next_commands(out: Path) -> list[tuple[str, str]]:
    """Commands to go on with, and what each is for."""
    config, data = (shlex.quote(str(out / name)) for name in ("pipeline.yaml", "water-flow.csv"))
    return [
        (
            f"streamad backtest {config} --set detectors.0.threshold.value=6",
            "change a setting",
        ),
        (f"streamad backtest {config} --detector knn", "another detector, with its defaults"),
        (f"streamad backtest --data {data}", "no configuration: put your own file here"),
    ]


def _next(out: Path) -> None:
    commands = next_commands(out)
    width = max(len(command) for command, _ in commands)
    _say("\nnext:")
    for command, purpose in commands:
        _say(f"  {command:<{width}}   # {purpose}")


def _has_screen() -> bool:
    """True if somebody sits in front of this process with a browser at hand."""
    shown = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    return shown and sys.stdout.isatty()


def _say(text: str) -> None:
    if not settings().quiet:
        typer.echo(text, color=_use_color())


def _use_color() -> bool:
    """True if standard output takes colour."""
    wanted = settings().color
    if wanted != "auto":
        return wanted == "always"
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _painted(text: str, severity: str) -> str:
    return typer.style(text, fg="red" if severity == "critical" else "yellow", bold=True)


def _ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


def _time(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns / 1e9, UTC):%d %b %H:%M}"


def _day(time_ns: int) -> str:
    when = datetime.fromtimestamp(time_ns / 1e9, UTC)
    return f"{when.day} {when:%B}"
