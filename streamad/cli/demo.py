"""``streamad demo``: a real series, replayed at once, with what was found and what was missed."""

from __future__ import annotations

import json
import math
import os
import shlex
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamad.cli.demo_config import FILE_CONFIG, PIPELINE, quoted
from streamad.cli.demo_words import day, judged_from, line_of, say, score, verdict
from streamad.cli.incidents import (
    HOUR_NS,
    KNOWN,
    Outcome,
    Ratios,
    Series,
    outcomes,
    river_file,
)
from streamad.cli.tail import Tail
from streamad.core.errors import ConfigError

if TYPE_CHECKING:
    from streamad.config import Config
    from streamad.reporting.episodes import Episode
    from streamad.runtime.telemetry import Progress

EXAMPLES = (
    "streamad demo",
    "streamad demo --out demo-out --report",
    "streamad demo --kafka --kill",
)

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
        str | None,
        typer.Option(
            help="max (the default without --kafka), or hours of data a second, such as 50, to "
            "watch it happen."
        ),
    ] = None,
    kafka: Annotated[
        bool,
        typer.Option(
            "--kafka",
            help="Through Kafka: rows into a topic, `streamad run` out of it. On a broker of its "
            "own (extra 'broker'), or on the one that you name: --kafka HOST:PORT.",
        ),
    ] = False,
    brokers: Annotated[
        str | None,
        typer.Argument(metavar="[HOST:PORT]", help="With --kafka: a broker without passwords."),
    ] = None,
    kill: Annotated[
        bool,
        typer.Option(
            "--kill",
            help="With --kafka: kill the consumer at random moments, and prove that no alert is "
            "lost or duplicated.",
        ),
    ] = False,
    kills: Annotated[int, typer.Option(min=1, help="How many times, with --kill.")] = 10,
    seed: Annotated[int | None, typer.Option(help="Of the random moments.")] = None,
) -> None:
    """Replay a real series and say what was found and missed; no set-up, no network."""
    if kafka:
        from streamad.cli.demo_kafka import Wish, kafka_demo

        pace = None if speed is None else pace_of(speed) or math.inf
        kafka_demo(Wish(out, brokers, pace, kills if kill else 0, seed))
        return
    if brokers is not None or kill:
        given = "--kill" if brokers is None else repr(brokers)
        raise ConfigError(f"{given} goes with --kafka only: streamad demo --kafka [HOST:PORT]")
    _replay(out, speed or "max", browser=browser)


def _replay(out: Path, speed: str, *, browser: bool) -> None:
    """The demonstration without a broker."""
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
    teller = Teller(Tail(out / "alerts.jsonl"), series, pace)
    result = backtest(config, out, overwrite=True, progress=teller)
    report = write_run_report(config, out, result.rows)
    episodes = read_episodes(out / "alerts.jsonl", keep=10_000).strongest
    ratios = Ratios.read(out / "scores.parquet")
    verdict(series, *outcomes(KNOWN, episodes, ratios))
    judged_from(ratios)
    _variants(config_path)
    seconds = time.perf_counter() - began
    say(f"\n{result.rows:,} hours in {seconds:.1f} s, pages and tables included.")
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
    tail : Tail
        Of the run's ``alerts.jsonl``.
    series : Series
    pace : float or None
        Hours of data a second; None = as fast as it goes.
    """

    tail: Tail
    series: Series
    pace: float | None
    _began: float = field(default_factory=time.perf_counter)

    def __call__(self, progress: Progress) -> None:
        """Tell what is new, then wait for the clock."""
        for event in self.tail.news():
            say(line_of(event, self.series))
        if self.pace is not None and progress.watermark_ns is not None:
            hours = (progress.watermark_ns - self.series.times[0]) / HOUR_NS
            wait = self._began + hours / self.pace - time.perf_counter()
            time.sleep(max(0.0, wait))


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
    text = FILE_CONFIG.format(n_rows=len(series.times), path=quoted(data))
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

    first, last = day(series.times[0]), day(series.times[-1])
    say(
        f"streamad {streamad.__version__} demo: water flow in a pipeline branch, {first} to {last} "
        f"2022\n{len(series.times):,} hourly values, real, from Italy (donated by Tecnojest; comes "
        "with river, BSD-3).\nThe engine of `streamad backtest`; no network, nothing leaves this "
        "machine. Times are UTC.\n"
    )


def _variants(config_path: Path) -> None:
    """The same run with one setting changed, since settings decide more than detectors."""
    from streamad.config import load_config

    say("\nHow much hangs on the settings (each run anew, one change in pipeline.yaml):\n")
    for words, override in VARIANTS:
        found, false = _try(load_config(config_path, overrides=[override]))
        say(f"  {words:<42} {score(found, false)}")


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
    say(
        f"fusion takes about {Fusion.info.cost_us:g} µs of one core a row with its default preset; "
        f"state of a series: {told}."
    )


def _paths(out: Path) -> None:
    say("")
    for label, name in (
        ("report", "report.html"),
        ("scores", "scores.parquet"),
        ("alerts", "alerts.jsonl"),
        ("config", "pipeline.yaml"),
        ("data", "water-flow.csv"),
    ):
        say(f"  {label:<8} {out / name}")


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
    say("\nnext:")
    for command, purpose in commands:
        say(f"  {command:<{width}}   # {purpose}")


def _has_screen() -> bool:
    """True if somebody sits in front of this process with a browser at hand."""
    shown = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    return shown and sys.stdout.isatty()
