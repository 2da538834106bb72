"""The telemetry as Prometheus metrics, read when somebody asks; nothing is done per row."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from streamad.core.versions import versions
from streamad.runtime.measures import RATIO_BOUNDS
from streamad.runtime.telemetry import Buckets, Telemetry

EVENTS = ("open", "update", "resolve")
REASONS = (
    "decode", "schema", "cells", "type", "time", "size", "key", "value", "detector", "tombstone",
    "data_gap", "state_lost", "crash",
)  # fmt: skip
ORDERING = ("late", "duplicate")
"""Reasons for refused rows that have metrics of their own: nothing is wrong with such rows."""
SUPPRESSIONS = ("cool_down",)
CHECKPOINTS = ("ok", "failed", "skipped")
INVALID = ("nan", "inf", "text", "range", "missing")
COMMITS = ("ok", "rebalancing", "lost")
REBALANCES = ("assign", "revoke", "lost")
RELOADS = ("ok", "failed")
LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True, slots=True)
class Names:
    """What the label sets are made of before anything has happened.

    Attributes
    ----------
    pipeline : str
    source : str
        Type of the source.
    detectors, severities : tuple of str
    """

    pipeline: str
    source: str = ""
    detectors: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()


def make_registry(
    telemetry: Telemetry, names: Names, log_messages: Mapping[str, int]
) -> CollectorRegistry:
    """A registry of the process, the garbage collector and the telemetry.

    Parameters
    ----------
    telemetry : Telemetry
    names : Names
    log_messages : mapping of str to int
        By level; read again and again.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(TelemetryCollector(telemetry, names, log_messages))
    return registry


class TelemetryCollector(Collector):
    """Every metric of a run, named and labelled as the documentation lists them.

    Parameters
    ----------
    telemetry : Telemetry
    names : Names
    log_messages : mapping of str to int

    Notes
    -----
    A time that is not known yet is 0. Labels have few values; none is a series.
    """

    def __init__(self, telemetry: Telemetry, names: Names, log_messages: Mapping[str, int]) -> None:
        self._telemetry = telemetry
        self._names = names
        self._log_messages = log_messages
        found = versions()
        self._build = {
            "version": found.get("streamad-engine", ""),
            "python": found["python"],
            "revision": os.environ.get("STREAMAD_REVISION", ""),
        }

    def collect(self) -> Iterator[Metric]:
        """All metrics as they stand now."""
        yield from self._process()
        yield from self._source()
        yield from self._detectors()
        yield from self._alerts()
        yield from self._sinks()
        yield from self._checkpoints()

    def _process(self) -> Iterator[Metric]:
        telemetry, build = self._telemetry, self._build
        yield self._gauges("build_info", "Always 1.", tuple(build), [(tuple(build.values()), 1)])
        yield self._gauge("ready", "1 if /readyz answers 200.", not telemetry.not_ready())
        yield self._counters(
            "log_messages",
            "Lines logged, those kept back as repetitions included.",
            "level",
            _filled(self._log_messages, LEVELS),
        )
        yield self._counters(
            "config_reloads",
            "Times that the configuration was read again.",
            "status",
            _filled(telemetry.reloads, RELOADS),
        )
        yield self._gauge(
            "config_last_reload_successful",
            "0 if the configuration could not be read the last time.",
            not telemetry.reload_failed,
        )

    def _source(self) -> Iterator[Metric]:
        telemetry = self._telemetry
        refused = _filled(telemetry.rejects, (*REASONS, *ORDERING))
        late, repeated = (refused.pop(reason) for reason in ORDERING)
        yield self._counters(
            "source_records",
            "Rows read; those that could not be decoded are rejected only.",
            "source",
            {self._names.source: telemetry.rows},
        )
        yield self._counters(
            "source_bytes",
            "Payload bytes read, where the source counts them.",
            "source",
            {self._names.source: telemetry.source_bytes},
        )
        yield self._counters(
            "values_invalid",
            "Values of channels that were made missing, where the source counts them.",
            "kind",
            _filled(telemetry.invalid, INVALID),
        )
        yield self._counters("records_rejected", "Rows that could not be used.", "reason", refused)
        yield self._counters(
            "records_late", "Rows behind the watermark.", "action", {"dead_letter": late}
        )
        yield self._counter(
            "records_duplicate", "Rows of a series and time already seen.", repeated
        )
        yield self._counter("source_errors", "Failed polls.", telemetry.source_errors)
        yield self._counter(
            "data_gaps", "Times that rows were gone before they were read.", telemetry.gaps
        )
        yield self._counter(
            "data_gap_records", "Offsets that were gone before they were read.", telemetry.gap_rows
        )
        yield self._counter(
            "states_lost", "Partitions read before that had no snapshot.", telemetry.states_lost
        )
        yield self._counters(
            "rebalances",
            "Partitions that came and went.",
            "event",
            _filled(telemetry.rebalances, REBALANCES),
        )
        yield self._counters(
            "source_commits",
            "Offset commits by their answer.",
            "status",
            _filled(telemetry.commits, COMMITS),
        )
        parts = list(telemetry.partitions.items())
        yield self._gauge("partitions_assigned", "Partitions owned now.", len(parts))
        yield self._gauge(
            "partitions_paused",
            "Partitions that are not read because a sink refuses their output.",
            sum(part.held_since_s is not None for _, part in parts),
        )
        yield self._gauges(
            "source_lag_records",
            "Rows of a partition that are not read yet.",
            ("topic", "partition"),
            [(_topic_and_number(name), part.lag) for name, part in parts if part.lag is not None],
        )
        yield self._gauge(
            "watermark_timestamp_seconds",
            "Lowest event time reached over the partitions owned now.",
            _seconds(telemetry.watermark_ns),
        )
        yield self._gauge(
            "last_record_timestamp_seconds",
            "Latest event time read.",
            _seconds(telemetry.last_record_ns),
        )
        yield self._histogram("batch_records", "Rows of a batch.", telemetry.batch_rows)
        yield self._histogram(
            "processing_latency_seconds", "Poll to sinks.", telemetry.processing_s
        )
        yield self._histogram(
            "end_to_end_latency_seconds",
            "Event time of the newest row of a batch to sinks.",
            telemetry.end_to_end_s,
        )

    def _detectors(self) -> Iterator[Metric]:
        telemetry = self._telemetry
        yield self._counters(
            "windows_closed",
            "Windows that a detector was given and whose scores are final.",
            "detector",
            _filled(telemetry.scores, self._names.detectors),
        )
        yield self._counters(
            "detector_scores",
            "Rows with a score.",
            "detector",
            _filled(telemetry.judged, self._names.detectors),
        )
        ratios = {name: Buckets(RATIO_BOUNDS) for name in self._names.detectors}
        yield self._histograms(
            "detector_score_ratio",
            "Score divided by threshold: above 1 is anomalous.",
            "detector",
            {**ratios, **telemetry.ratios},
        )
        yield self._family(
            CounterMetricFamily,
            "detector_errors",
            "Exceptions of detectors.",
            ("detector", "type"),
            list(telemetry.detector_errors.items()),
        )
        yield self._gauge("series_active", "Series with state.", telemetry.series)
        yield self._counter("series_evicted", "Series whose state was dropped.", telemetry.evicted)
        yield self._gauge(
            "series_quarantined",
            "Series that a detector judges no more since it raised on them.",
            telemetry.quarantined,
        )

    def _alerts(self) -> Iterator[Metric]:
        telemetry = self._telemetry
        told = {(event, level): 0 for level in self._names.severities for event in EVENTS}
        yield self._family(
            CounterMetricFamily,
            "alerts",
            "Alert events.",
            ("event", "severity"),
            list({**told, **telemetry.alerts}.items()),
        )
        yield self._gauge("alerts_active", "Open episodes.", telemetry.open_alerts)
        yield self._counters(
            "alerts_suppressed",
            "Episodes that alert nobody.",
            "reason",
            _filled(telemetry.suppressed, SUPPRESSIONS),
        )

    def _sinks(self) -> Iterator[Metric]:
        sinks = (*self._telemetry.sinks, self._telemetry.dead_letter)
        yield self._counters(
            "sink_records",
            "Rows taken by a sink; rejected ones for dead_letter.",
            "sink",
            {sink.name: sink.rows for sink in sinks},
        )
        yield self._counters(
            "sink_alerts",
            "Alert events taken by a sink.",
            "sink",
            {sink.name: sink.alerts for sink in sinks},
        )
        yield self._counters(
            "sink_retries",
            "Writes and flushes that a sink put off.",
            "sink",
            {sink.name: sink.refusals for sink in sinks},
        )
        yield self._histograms(
            "sink_request_duration_seconds",
            "Time of a write or flush of a sink.",
            "sink",
            {sink.name: sink.seconds for sink in sinks},
        )
        yield self._gauges(
            "sink_last_success_timestamp_seconds",
            "Last write or flush that worked.",
            ("sink",),
            [((sink.name,), sink.last_success_s or 0) for sink in sinks],
        )

    def _checkpoints(self) -> Iterator[Metric]:
        telemetry = self._telemetry
        yield self._counters(
            "checkpoints",
            "Checkpoints by how they ended.",
            "status",
            _filled(telemetry.checkpoints, CHECKPOINTS),
        )
        yield self._histograms(
            "checkpoint_duration_seconds",
            "Time of a checkpoint, and of its parts.",
            "phase",
            telemetry.checkpoint_s,
        )
        yield self._gauge(
            "checkpoint_size_bytes", "State of the last checkpoint.", telemetry.checkpoint_bytes
        )
        yield self._gauge(
            "checkpoint_last_success_timestamp_seconds",
            "End of the last checkpoint that worked.",
            telemetry.last_checkpoint_s or 0,
        )

    def _counter(self, name: str, told: str, value: float) -> Metric:
        return self._family(CounterMetricFamily, name, told, (), [((), value)])

    def _counters(self, name: str, told: str, label: str, values: Mapping[str, int]) -> Metric:
        found = [((value,), n) for value, n in values.items()]
        return self._family(CounterMetricFamily, name, told, (label,), found)

    def _gauge(self, name: str, told: str, value: float) -> Metric:
        return self._gauges(name, told, (), [((), value)])

    def _gauges(
        self,
        name: str,
        told: str,
        labels: tuple[str, ...],
        values: Iterable[tuple[tuple[str, ...], float]],
    ) -> Metric:
        return self._family(GaugeMetricFamily, name, told, labels, values)

    def _family(
        self,
        kind: Callable[..., CounterMetricFamily | GaugeMetricFamily],
        name: str,
        told: str,
        labels: tuple[str, ...],
        values: Iterable[tuple[tuple[str, ...], float]],
    ) -> Metric:
        family = kind(f"streamad_{name}", told, labels=("pipeline", *labels))
        for given, value in values:
            family.add_metric((self._names.pipeline, *given), value)
        return family

    def _histogram(self, name: str, told: str, buckets: Buckets) -> Metric:
        return self._histograms(name, told, None, {"": buckets})

    def _histograms(
        self, name: str, told: str, label: str | None, found: Mapping[str, Buckets]
    ) -> Metric:
        labels = ("pipeline",) if label is None else ("pipeline", label)
        family = HistogramMetricFamily(f"streamad_{name}", told, labels=labels)
        for value, buckets in found.items():
            given = (self._names.pipeline, value)[: len(labels)]
            family.add_metric(given, list(_cumulated(buckets)), buckets.total)
        return family


def _cumulated(buckets: Buckets) -> Iterator[tuple[str, int]]:
    bounds = [*map(str, buckets.bounds), "+Inf"]
    return zip(bounds, accumulate(list(buckets.counts)), strict=True)


def _filled(counter: Mapping[str, int], known: Iterable[str]) -> dict[str, int]:
    """The counts, with a zero for everything that has not happened yet."""
    return {**dict.fromkeys(known, 0), **counter}


def _topic_and_number(partition: str) -> tuple[str, str]:
    topic, _, number = partition.rpartition("/")
    return topic, number


def _seconds(time_ns: int | None) -> float:
    return 0.0 if time_ns is None else time_ns / 1e9
