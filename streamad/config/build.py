"""Objects from a checked configuration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from streamad.alerting import EpisodeMachine, EpisodeRules, SeverityRule
from streamad.config.models import Config, Detector
from streamad.config.plugins import given, load_plugin, options_model
from streamad.core.durations import parse_duration
from streamad.core.protocols import DeadLetter, Sink, Source
from streamad.detectors.registry import RIVER_PREFIX, detector_class, make_detector
from streamad.pipeline import Pipeline, Stage
from streamad.runtime.deadletter import DeadLetterFile
from streamad.thresholds import make_threshold, threshold_class
from streamad.windowing.event_time import EventTime
from streamad.windowing.pending import FixedLag
from streamad.windowing.sliding import Sliding


def make_source(config: Config) -> Source:
    """The source, opened.

    Raises
    ------
    ConfigError, ConnectorError
        If there is nothing to read or it cannot be read.
    """
    source: Source = _make("streamad.sources", config.source.type, config.source.options)
    return source


def make_sinks(config: Config, folder: Path) -> list[Sink]:
    """Scores and alerts of a run folder, then the sinks that the configuration adds."""
    sinks: list[Sink] = [
        _make("streamad.sinks", "parquet", {"path": str(folder / "scores.parquet")}),
        _make("streamad.sinks", "jsonl", {"path": str(folder / "alerts.jsonl")}),
    ]
    return sinks + _own_sinks(config)


def make_live_sinks(config: Config) -> list[Sink]:
    """The sinks of a process that runs on: those of the configuration, or else standard output."""
    if not config.sinks:
        return [_make("streamad.sinks", "stdout", {})]
    return _own_sinks(config)


def _own_sinks(config: Config) -> list[Sink]:
    """Those of the configuration; a sink that takes the name of the pipeline gets it."""
    made = []
    for sink in config.sinks:
        takes = inspect.signature(load_plugin("streamad.sinks", sink.type)).parameters
        options = dict(sink.options)
        if "pipeline" in takes:
            options["pipeline"] = options.get("pipeline") or config.pipeline
        made.append(_make("streamad.sinks", sink.type, options))
    return made


def make_dead_letter(config: Config, folder: Path) -> DeadLetter:
    """What takes rejected rows: as the source says, or else a file a partition in this folder."""
    wanted = config.source.dead_letter
    if wanted is None:
        return DeadLetterFile(folder / "rejects-{partition}.jsonl")
    made: DeadLetter = _make("streamad.dead_letters", wanted.type, wanted.options)
    return made


def make_pipeline(config: Config, channels: Sequence[str]) -> Pipeline:
    """The pipeline of one partition, opened for these channels.

    Parameters
    ----------
    config : Config
    channels : sequence of str
        As in the schema of the source.
    """
    stages = [_stage(config, detector) for detector in config.detectors]
    pipeline = Pipeline(config.pipeline, make_ordering(config), stages)
    pipeline.open(channels)
    return pipeline


def make_ordering(config: Config) -> EventTime:
    """The ordering of the sections ``window`` and ``state``.

    Raises
    ------
    ConfigError
        A value out of its range.
    """
    window, state = config.window, config.state
    return EventTime(
        period_ns=window.period,
        lateness_ns=window.allowed_lateness,
        fill=window.missing.fill,
        max_gap_ns=window.missing.max_gap,
        duplicates=window.duplicates,
        max_keys=state.max_keys,
        ttl_ns=state.ttl,
        max_jump_ns=window.max_jump,
    )


def episode_rules(config: Config) -> EpisodeRules:
    """The rules of the section ``alerts``.

    Raises
    ------
    ConfigError
        A value out of its range.
    """
    alerts = config.alerts
    open_rows, open_ns = _rows_and_ns(alerts.open.for_)
    close_rows, close_ns = _rows_and_ns(alerts.close.for_)
    return EpisodeRules(
        open_ratio=alerts.open.ratio,
        open_rows=open_rows,
        open_ns=open_ns,
        close_ratio=alerts.close.ratio,
        close_rows=close_rows,
        close_ns=close_ns,
        merge_gap_ns=alerts.merge_gap,
        cool_down_ns=alerts.cool_down,
        no_data_after_ns=alerts.no_data_after,
        update_every_ns=alerts.update_every,
        max_open_ns=alerts.max_open,
        criticality_rows=alerts.criticality,
        severities=tuple(
            SeverityRule(rule.level, rule.when.ratio, rule.when.lasting) for rule in alerts.severity
        ),
    )


def _stage(config: Config, wanted: Detector) -> Stage:
    params, threshold = wanted.options, wanted.threshold
    if not wanted.type.startswith(RIVER_PREFIX):
        params = _typed(detector_class(wanted.type), params)
    detector = make_detector(wanted.type, params)
    return Stage(
        wanted.name,
        detector,
        Sliding(detector.window, max_missing=config.window.missing.max_share),
        FixedLag(detector.lag + 1),
        make_threshold(threshold.type, _typed(threshold_class(threshold.type), threshold.options)),
        EpisodeMachine(
            episode_rules(config),
            pipeline=config.pipeline,
            detector=wanted.name,
            detector_type=wanted.type,
            labels=config.alerts.labels,
        ),
        wanted.output or config.output,
    )


def _make(group: str, name: str, options: dict[str, Any]) -> Any:
    made_by = load_plugin(group, name)
    return made_by(**_typed(made_by, options))


def _typed(made_by: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """Options with the types that the hints of their constructor ask for."""
    return given(options_model(made_by).model_validate(options))


def _rows_and_ns(value: int | str) -> tuple[int, int]:
    return (value, 0) if isinstance(value, int) else (1, parse_duration(value))
