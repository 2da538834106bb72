"""The metrics: complete before anything happens, right after it did, and well named."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from reference.servers import program

from streamad.core.data import Batch, Reject, Schema, ScoreRows
from streamad.core.standing import SourceStanding
from streamad.pipeline import Output
from streamad.runtime.health import PartitionHealth
from streamad.runtime.telemetry import Telemetry

SECOND_NS = 1_000_000_000
AT_NS = 1_699_999_999 * SECOND_NS


@pytest.fixture
def scrape(get):
    """All samples, by name and labels other than the pipeline's."""

    def read():
        found = {}
        for family in text_string_to_metric_families(get("/metrics").text):
            for sample in family.samples:
                labels = dict(sample.labels)
                if sample.name.startswith("streamad_"):
                    assert labels.pop("pipeline") == "plant"
                found[sample.name, *sorted(labels.items())] = sample.value
        return found

    return read


@pytest.fixture
def busy(telemetry: Telemetry):
    """Everything that the telemetry takes, once."""
    schema = Schema(["flow"])
    code = schema.code("pump")
    times = np.array([AT_NS - SECOND_NS, AT_NS])
    batch = Batch(schema, np.full(2, code, np.int32), times, np.ones((2, 1)), "t/1", 2)
    telemetry.saw_batch(batch, 0.02)
    telemetry.saw_rejects([Reject("t/1", 5, reason, "") for reason in ("late", "size")])
    telemetry.partitions["t/1"] = PartitionHealth(lag=7, watermark_ns=AT_NS)
    telemetry.partitions["files"] = PartitionHealth()
    telemetry.saved(0.2, 4096)
    telemetry.worked(telemetry.sinks[0], rows=2, alerts=1)
    telemetry.refused(telemetry.sinks[1], "no")
    telemetry.detector_errors["knn", "ValueError"] += 1
    telemetry.alerts["open", "critical"] += 1
    telemetry.judged["ewma"] += 2
    telemetry.scores["ewma"] += 3
    telemetry.evicted += 4
    telemetry.partitions["files"].held_since_s = 0.0
    telemetry.sinks[0].seconds.add(0.2)
    telemetry.checkpoint_s["write"].add(0.125)
    telemetry.source_stands(SourceStanding(512, {"inf": 6}))
    telemetry.reloaded(ok=True)
    return telemetry


def test_every_label_set_is_there_before_anything_has_happened(scrape):
    found = scrape()
    for sample in (
        ("streamad_source_records_total", ("source", "kafka")),
        ("streamad_records_rejected_total", ("reason", "decode")),
        ("streamad_source_bytes_total", ("source", "kafka")),
        ("streamad_values_invalid_total", ("kind", "range")),
        ("streamad_records_late_total", ("action", "dead_letter")),
        ("streamad_records_duplicate_total",),
        ("streamad_partitions_paused",),
        ("streamad_windows_closed_total", ("detector", "knn")),
        ("streamad_series_evicted_total",),
        ("streamad_sink_request_duration_seconds_count", ("sink", "webhook")),
        ("streamad_checkpoint_duration_seconds_count", ("phase", "flush")),
        ("streamad_detector_scores_total", ("detector", "knn")),
        ("streamad_detector_score_ratio_count", ("detector", "ewma")),
        ("streamad_alerts_total", ("event", "resolve"), ("severity", "warning")),
        ("streamad_alerts_suppressed_total", ("reason", "cool_down")),
        ("streamad_sink_records_total", ("sink", "dead_letter")),
        ("streamad_sink_retries_total", ("sink", "webhook")),
        ("streamad_checkpoints_total", ("status", "failed")),
        ("streamad_rebalances_total", ("event", "lost")),
        ("streamad_config_reloads_total", ("status", "ok")),
        ("streamad_log_messages_total", ("level", "error")),
        ("streamad_checkpoint_last_success_timestamp_seconds",),
    ):
        assert found[sample] == 0, sample


def test_what_happened_is_counted(busy, scrape):
    found = scrape()
    for sample, value in {
        ("streamad_source_records_total", ("source", "kafka")): 2,
        ("streamad_source_bytes_total", ("source", "kafka")): 512,
        ("streamad_values_invalid_total", ("kind", "inf")): 6,
        ("streamad_values_invalid_total", ("kind", "nan")): 0,
        ("streamad_windows_closed_total", ("detector", "ewma")): 3,
        ("streamad_series_evicted_total",): 4,
        ("streamad_partitions_paused",): 1,
        ("streamad_sink_request_duration_seconds_count", ("sink", "kafka")): 1,
        ("streamad_checkpoint_duration_seconds_sum", ("phase", "write")): 0.125,
        ("streamad_checkpoint_duration_seconds_sum", ("phase", "whole")): 0.2,
        ("streamad_config_last_reload_successful",): 1,
        ("streamad_records_rejected_total", ("reason", "size")): 1,
        ("streamad_records_late_total", ("action", "dead_letter")): 1,
        ("streamad_source_lag_records", ("partition", "1"), ("topic", "t")): 7,
        ("streamad_partitions_assigned",): 2,
        ("streamad_watermark_timestamp_seconds",): AT_NS / 1e9,
        ("streamad_last_record_timestamp_seconds",): AT_NS / 1e9,
        ("streamad_end_to_end_latency_seconds_sum",): 1.0,
        ("streamad_end_to_end_latency_seconds_bucket", ("le", "0.5")): 0,
        ("streamad_end_to_end_latency_seconds_bucket", ("le", "1.0")): 1,
        ("streamad_batch_records_bucket", ("le", "+Inf")): 1,
        ("streamad_detector_scores_total", ("detector", "ewma")): 2,
        ("streamad_detector_errors_total", ("detector", "knn"), ("type", "ValueError")): 1,
        ("streamad_alerts_total", ("event", "open"), ("severity", "critical")): 1,
        ("streamad_sink_records_total", ("sink", "kafka")): 2,
        ("streamad_sink_alerts_total", ("sink", "kafka")): 1,
        ("streamad_sink_retries_total", ("sink", "webhook")): 1,
        ("streamad_checkpoint_size_bytes",): 4096,
        ("streamad_checkpoint_last_success_timestamp_seconds",): 1_700_000_000,
        ("streamad_config_reloads_total", ("status", "ok")): 1,
        ("streamad_ready",): 1,
    }.items():
        assert found[sample] == value, sample
    unknown_lag = ("streamad_source_lag_records", ("partition", "files"), ("topic", ""))
    assert unknown_lag not in found


def test_score_ratios_fall_into_cumulated_buckets(telemetry, scrape):
    ratios = np.array([0.2, 0.9, 1.05, 20.0, np.nan])
    codes, times, ones = np.zeros(5, np.int32), np.arange(5), np.ones(5)
    rows = ScoreRows("knn", ["pump"], codes, times, ratios, ratios, ones, ratios, None, ("flow",))
    telemetry.saw_output(Output(scores=[rows]))
    found = scrape()
    for bound, n_below in (
        ("0.1", 0),
        ("0.25", 1),
        ("1.0", 2),
        ("1.1", 3),
        ("10.0", 3),
        ("+Inf", 4),
    ):
        key = ("streamad_detector_score_ratio_bucket", ("detector", "knn"), ("le", bound))
        assert found[key] == n_below
    assert found["streamad_detector_score_ratio_sum", ("detector", "knn")] == pytest.approx(22.15)


def test_a_configuration_that_could_not_be_read_again_is_told(telemetry, scrape):
    telemetry.reloaded(ok=False)
    assert scrape()["streamad_config_last_reload_successful",] == 0
    telemetry.reloaded(ok=True)
    assert scrape()["streamad_config_last_reload_successful",] == 1


def test_the_process_itself_is_measured(get):
    text = get("/metrics").text
    assert "process_resident_memory_bytes " in text
    assert "python_gc_collections_total{" in text


def test_nobody_can_smuggle_lines_in_through_a_label(telemetry, get):
    telemetry.detector_errors["knn", 'x"} 1\nevil_total 7\n'] += 1
    lines = get("/metrics").text.splitlines()
    assert not [line for line in lines if line.startswith("evil_total")]


def test_a_scrape_that_asks_for_openmetrics_gets_it(busy, get):
    answer = get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


@pytest.mark.parametrize("state", ["at the start", "busy"])
def test_the_linter_of_prometheus_has_nothing_to_say(state, get, request):
    if state == "busy":
        request.getfixturevalue("busy")
    text = get("/metrics").text
    done = subprocess.run(
        [program("prometheus", "promtool"), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert text.count("# TYPE streamad_") > 30
