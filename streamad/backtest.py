"""Replay stored data through an engine into a run folder; score one array."""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamad.core.data import Floats, Rows
from streamad.core.errors import ConfigError, FingerprintMismatch, ShapeError
from streamad.runtime.checkpoints import FileStateStore
from streamad.runtime.deadletter import DeadLetterFile
from streamad.runtime.engine import Engine, EngineSettings, Progress, Summary

if TYPE_CHECKING:
    from streamad.config import Config
    from streamad.core.protocols import Detector

__all__ = ["Progress", "RunResult", "ScoredSeries", "backtest", "score"]

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

    folder = Path(out)
    mark = configuration.fingerprint(config)
    _prepare(folder, mark, overwrite=overwrite)
    source = configuration.make_source(config)
    store = FileStateStore(folder / "state", mark)
    try:
        _write_text(folder / LOCK, configuration.lock(config))
        channels = source.schema.channels
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


@dataclass(frozen=True, slots=True)
class ScoredSeries:
    """Scores of one array, row by row; higher is stranger, NaN = not judged.

    Attributes
    ----------
    causal : float64 (n,)
        From rows up to each row.
    final : float64 (n,)
        From rows up to ``lag`` window ends later; more accurate.
    lag : int
        Largest lag of ``final``, in window ends.
    shares : float32 (n, C) or None
        Each channel's part of the causal score, rows sum to 1.
    detector : Detector
        With the state it has after the last row.
    """

    causal: Floats
    final: Floats
    lag: int
    shares: NDArray[np.float32] | None
    detector: Detector


def score(
    values: ArrayLike,
    detector: str = "fusion",
    *,
    channels: Sequence[str] | None = None,
    name: str = "series",
    **params: Any,
) -> ScoredSeries:
    """Score an array prequentially: each row is scored before it is learned.

    Parameters
    ----------
    values : float (n,) or (n, C)
        One row a time step; NaN = missing, infinite counts as missing.
    detector : str
        Name of an installed detector.
    channels : sequence of str, optional
        Names of the columns.
    name : str
        Name of the series; seeds whatever is random.
    **params
        Parameters of the detector.

    Returns
    -------
    ScoredSeries

    Raises
    ------
    ConfigError
        Unknown detector or parameter.
    ShapeError
        If ``values`` has not one or two axes, or ``channels`` another length than its columns.

    Examples
    --------
    >>> import numpy as np, streamad
    >>> flow = np.sin(np.arange(600) * 0.2)
    >>> flow[500:505] = 0.9
    >>> scored = streamad.score(flow, detector="knn")
    >>> 500 <= int(np.nanargmax(scored.causal)) < 540
    True
    """
    from streamad.detectors.registry import make_detector
    from streamad.windowing.sliding import Sliding

    array = np.array(values, np.float64)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise ShapeError(f"values should have shape (n,) or (n, C), got {array.shape}")
    array[np.isinf(array)] = np.nan
    n, c = array.shape
    names = list(channels) if channels is not None else [f"c{i}" for i in range(c)]
    if len(names) != c:
        raise ShapeError(f"{c} columns need {c} channel names, got {len(names)}")
    made = make_detector(detector, params)
    made.open(names)
    slot = np.zeros(1, np.int32)
    made.admit(slot, [name])
    windowing = Sliding(made.window)
    windowing.open(names)
    windowing.admit(slot)
    fresh = np.zeros(n, np.bool_)
    fresh[:1] = True
    rows = Rows(
        np.zeros(n, np.int32), np.arange(n, dtype=np.int64), array, np.zeros(n, np.bool_), fresh
    )
    causal, final = np.full(n, np.nan), np.full(n, np.nan)
    shares = np.full((n, c), np.nan, np.float32) if made.explains and c > 1 else None
    ends: list[NDArray[np.int64]] = []
    for positions, windows in windowing.push(rows):
        scores = made.step(windows)
        before = sum(len(part) for part in ends)
        ends.append(positions.copy())
        causal[positions] = scores.causal
        if shares is not None and scores.shares is not None:
            shares[positions] = scores.shares
        if scores.final is not None:
            lag = scores.lag if scores.lag is not None else np.full(len(windows), made.lag)
            target = before + np.arange(len(windows)) - lag
            known = (lag >= 0) & (target >= 0)
            final[np.concatenate(ends)[target[known]]] = scores.final[known]
    _, owed = made.close(slot)
    if len(owed):
        final[np.concatenate(ends)[-len(owed) :]] = owed
    final[np.isnan(causal)] = np.nan
    return ScoredSeries(causal, final, made.lag, shares, made)


def versions() -> dict[str, str]:
    """Versions of what determines a result."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for package in ("streamad-engine", "numpy", "numba", "scipy", "pyarrow", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _prepare(folder: Path, mark: str, *, overwrite: bool) -> None:
    """Make the folder, and refuse one that holds something else."""
    if overwrite:
        _clear(folder)
    elif (folder / METRICS).exists():
        raise ConfigError(
            f"{folder} holds a finished run: choose another folder, or pass --overwrite to "
            "replace it"
        )
    elif (folder / LOCK).exists() and f"fingerprint: {mark}" not in (folder / LOCK).read_text():
        raise FingerprintMismatch(
            f"{folder} holds an unfinished run of another configuration (see its {LOCK}): go on "
            "with that configuration, choose another folder, or pass --overwrite"
        )
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
    """Remove what a run writes, and nothing else."""
    for name in ("state", "scores.parquet.parts"):
        shutil.rmtree(folder / name, ignore_errors=True)
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
