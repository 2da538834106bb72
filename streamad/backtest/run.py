"""Replay stored data through an engine into a run folder."""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamad.core.errors import ConfigError, FingerprintMismatch
from streamad.core.versions import versions
from streamad.runtime.checkpoints import FileStateStore
from streamad.runtime.deadletter import DeadLetterFile
from streamad.runtime.engine import Engine, EngineSettings
from streamad.runtime.telemetry import Progress, Summary

if TYPE_CHECKING:
    from streamad.config import Config

METRICS = "metrics.json"
LOCK = "config.lock.yaml"


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a backtest did.

    Attributes
    ----------
    folder : Path
        The run folder.
    rows : int
        Rows processed, those before a resumption included.
    seconds, rows_per_s : float
        Of this process.
    series : int
    episodes : int
        Opened episodes.
    by_severity : dict of str to int
        Resolved episodes by their highest severity.
    rejects : dict of str to int
        Rejected rows by reason; they are kept in ``rejects.jsonl``.
    resumed_at : int
        Row at which an unfinished run went on; 0 = from the start.
    interrupted : bool
        True when it was stopped before the end; the same call goes on from there.
    """

    folder: Path
    rows: int
    seconds: float
    rows_per_s: float
    series: int
    episodes: int
    by_severity: dict[str, int]
    rejects: dict[str, int]
    resumed_at: int
    interrupted: bool


def backtest(
    config: Config,
    out: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> RunResult:
    """Replay the source of a configuration into a run folder, or go on with an unfinished one.

    Parameters
    ----------
    config : Config
    out : path
        Holds ``scores.parquet``, ``alerts.jsonl``, ``metrics.json``, ``config.lock.yaml`` and,
        where rows were rejected, ``rejects.jsonl`` afterwards.
    overwrite : bool
        Throw away what a finished or foreign run left there.
    progress : callable, optional
        Called after every batch.
    stop : threading.Event, optional
        Set it to drain and return early.

    Raises
    ------
    ConfigError
        If the folder holds a finished run, or cannot be written.
    FingerprintMismatch
        If it holds an unfinished run of another configuration.
    ConnectorError, StateError
        If source, sinks or snapshots fail.

    Notes
    -----
    After a crash the same call continues from the newest snapshot; the result equals that of an
    uninterrupted run.
    """
    from streamad import config as configuration

    if config.source.options.get("follow"):
        raise ConfigError(
            "source.follow: a backtest reads to the end of its data, and there is none here: leave "
            "it out (--set source.follow=false), or use `streamad run`"
        )
    folder = Path(out)
    mark = configuration.fingerprint(config)
    if not overwrite:
        _refuse_others(folder, mark)
    _make_writable(folder)
    source = configuration.make_source(config)
    channels = source.schema.channels
    configuration.make_pipeline(config, channels)
    store = FileStateStore(folder / "state", mark)
    try:
        if overwrite:
            _clear(folder)
        _write_text(folder / LOCK, configuration.lock(config))
        engine = Engine(
            source,
            lambda _partition: configuration.make_pipeline(config, channels),
            configuration.make_sinks(config, folder),
            store,
            DeadLetterFile(folder / "rejects.jsonl"),
            settings=EngineSettings(
                batch_rows=config.runtime.batch_rows,
                checkpoint_every_s=config.state.every / 1e9,
                keep=config.state.keep,
            ),
            on_progress=progress,
            stop=stop,
        )
        summary = engine.run()
    finally:
        store.close()
    if summary.finished:
        document = _metrics(config, mark, summary)
        _write_text(folder / METRICS, json.dumps(document, indent=2) + "\n")
        shutil.rmtree(folder / "state")
    return _result(folder, summary)


def _refuse_others(folder: Path, mark: str) -> None:
    """Refuse a folder that holds a finished run, or an unfinished one of another configuration."""
    if (folder / METRICS).exists():
        raise ConfigError(
            f"{folder} holds a finished run: choose another folder, or pass --overwrite to "
            "replace it"
        )
    if (folder / LOCK).exists() and f"fingerprint: {mark}" not in (folder / LOCK).read_text():
        raise FingerprintMismatch(
            f"{folder} holds an unfinished run of another configuration (see its {LOCK}): go on "
            "with that configuration, choose another folder, or pass --overwrite"
        )


def _make_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".write-probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"the output folder {folder} must be writable: {error.strerror}; choose another with "
            "--out"
        ) from error


def _clear(folder: Path) -> None:
    """Remove what a run writes, and nothing else; the state folder is ours and stays locked."""
    for path in (folder / "state").glob("*.ckpt"):
        path.unlink()
    shutil.rmtree(folder / "scores.parquet.parts", ignore_errors=True)
    for name in (METRICS, LOCK, "scores.parquet", "alerts.jsonl", "rejects.jsonl", "report.html"):
        (folder / name).unlink(missing_ok=True)


def _metrics(config: Config, mark: str, summary: Summary) -> dict[str, Any]:
    counters = summary.counters
    return {
        "pipeline": config.pipeline,
        "fingerprint": mark,
        "rows": counters.rows,
        "series": summary.series,
        "detectors": [detector.name for detector in config.detectors],
        "scores": {"rows": counters.scores, "judged": counters.judged},
        "alerts": {
            "episodes": counters.opened,
            "events": counters.events,
            "by_severity": counters.episodes,
        },
        "rejects": counters.rejects,
        "seconds": round(summary.seconds, 3),
        "rows_per_s": round(summary.rows_here / max(summary.seconds, 1e-9), 1),
        "peak_rss_mb": round(_peak_rss_mb(), 1),
        "resumed_at": dict(summary.resumed_at),
        "versions": versions(),
    }


def _result(folder: Path, summary: Summary) -> RunResult:
    counters = summary.counters
    return RunResult(
        folder,
        counters.rows,
        summary.seconds,
        summary.rows_here / max(summary.seconds, 1e-9),
        summary.series,
        counters.opened,
        counters.episodes,
        counters.rejects,
        min(summary.resumed_at.values(), default=0),
        not summary.finished,
    )


def _peak_rss_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / (1 << 10)


def _write_text(path: Path, text: str) -> None:
    """Replace a file as a whole."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
