"""Objects from a checked configuration; its fingerprint; the file that repeats it."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from streamad.alerting import EpisodeMachine, EpisodeRules, SeverityRule
from streamad.config.models import Config, Detector
from streamad.config.plugins import load_plugin
from streamad.config.units import parse_duration
from streamad.core.protocols import Sink, Source
from streamad.detectors.registry import make_detector
from streamad.pipeline import Pipeline, Stage
from streamad.thresholds import make_threshold
from streamad.windowing.event_time import EventTime
from streamad.windowing.pending import FixedLag
from streamad.windowing.sliding import Sliding

REDACTED = "**********"
_SECRET_WORDS = ("password", "token", "secret", "passphrase")


def make_source(config: Config) -> Source:
    """The source, opened."""
    source: Source = load_plugin("streamad.sources", config.source.type)(**config.source.options)
    return source


def make_sinks(config: Config, folder: Path) -> list[Sink]:
    """Scores and alerts of a run folder, then what the configuration adds."""
    sinks: list[Sink] = [
        load_plugin("streamad.sinks", "parquet")(path=str(folder / "scores.parquet")),
        load_plugin("streamad.sinks", "jsonl")(path=str(folder / "alerts.jsonl")),
    ]
    sinks += [load_plugin("streamad.sinks", sink.type)(**sink.options) for sink in config.sinks]
    return sinks


def make_pipeline(config: Config, channels: Sequence[str]) -> Pipeline:
    """The pipeline of one partition, opened for these channels."""
    window, state = config.window, config.state
    ordering = EventTime(
        period_ns=window.period,
        lateness_ns=window.allowed_lateness,
        fill=window.missing.fill,
        max_gap_ns=window.missing.max_gap,
        duplicates=window.duplicates,
        max_keys=state.max_keys,
        ttl_ns=state.ttl,
        max_jump_ns=window.max_jump,
    )
    pipeline = Pipeline(
        config.pipeline, ordering, [_stage(config, detector) for detector in config.detectors]
    )
    pipeline.open(channels)
    return pipeline


def _stage(config: Config, wanted: Detector) -> Stage:
    detector = make_detector(wanted.type, wanted.params)
    return Stage(
        wanted.name,
        detector,
        Sliding(detector.window, max_missing=config.window.missing.max_share),
        FixedLag(detector.lag + 1),
        make_threshold(wanted.threshold.type, wanted.threshold.options),
        EpisodeMachine(
            episode_rules(config),
            pipeline=config.pipeline,
            detector=wanted.name,
            detector_type=wanted.type,
            labels=config.alerts.labels,
        ),
        wanted.output or config.output,
    )


def episode_rules(config: Config) -> EpisodeRules:
    """The rules of the section ``alerts``."""
    alerts = config.alerts
    open_rows, open_ns = _rows_or_ns(alerts.open.for_)
    close_rows, close_ns = _rows_or_ns(alerts.close.for_)
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
        severities=tuple(
            SeverityRule(rule.level, rule.when.ratio, rule.when.lasting) for rule in alerts.severity
        ),
    )


def _rows_or_ns(value: int | str) -> tuple[int, int]:
    return (value, 0) if isinstance(value, int) else (1, parse_duration(value))


def fingerprint(config: Config) -> str:
    """Digest over everything that decides what comes out: all but logs, pace and places."""
    document = config.model_dump(mode="json", by_alias=True)
    for section in ("logging", "runtime", "sinks"):
        document.pop(section)
    for key in ("dir", "every", "keep"):
        document["state"].pop(key)
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def to_yaml(config: Config) -> str:
    """The configuration with every default filled in and secrets removed."""
    out = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.dump(redacted(config.model_dump(mode="json", by_alias=True)), out)
    return out.getvalue()


def lock(config: Config) -> str:
    """:func:`to_yaml` under a comment that holds the fingerprint; it loads again as it is."""
    return f"# fingerprint: {fingerprint(config)}\n{to_yaml(config)}"


def redacted(document: Any) -> Any:
    """The same document without the values of secrets."""
    if isinstance(document, dict):
        return {
            key: REDACTED
            if value is not None
            and any(word in key.lower() for word in _SECRET_WORDS)
            and not key.endswith("_file")
            else redacted(value)
            for key, value in document.items()
        }
    if isinstance(document, list):
        return [redacted(entry) for entry in document]
    return document
