"""The section ``tracing`` of a configuration."""

from __future__ import annotations

import subprocess
import sys

import pytest

from streamad.cli.tracing import traces
from streamad.config import config_from, fingerprint
from streamad.core.errors import ConfigError, MissingExtraError
from streamad.runtime.telemetry import Telemetry

ENDPOINT = "http://127.0.0.1:4318"


def config_with(**tracing):
    source = {"type": "parquet", "path": "x"}
    return config_from({"version": 1, "pipeline": "p", "source": source, "tracing": tracing})


def test_without_an_endpoint_opentelemetry_is_not_even_imported():
    code = (
        "import sys, streamad.runtime.engine, streamad.cli.live, streamad.cli.tracing;"
        "sys.exit('opentelemetry' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with traces(config_with(), Telemetry()) as spans:
        assert spans is None


def test_a_missing_package_is_named_by_its_extra(monkeypatch):
    monkeypatch.delitem(sys.modules, "streamad.runtime.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with (
        pytest.raises(MissingExtraError, match=r"tracing\.otlp_endpoint needs .*engine\[otel\]"),
        traces(config_with(otlp_endpoint=ENDPOINT), Telemetry()),
    ):
        pass


@pytest.mark.parametrize(
    ("tracing", "told"),
    [
        ({"otlp_endpoint": "collector:4318"}, "the URL of a collector"),
        ({"otlp_endpoint": "grpc://collector:4317"}, "the URL of a collector"),
        ({"otlp_endpoint": "http://me:pw@collector:4318"}, "OTEL_EXPORTER_OTLP_HEADERS"),
        ({"sample": 0}, "greater than 0"),
        ({"endpoint": ENDPOINT}, "endpoint"),
    ],
)
def test_what_cannot_work_is_said(tracing, told):
    with pytest.raises(ConfigError, match=told):
        config_with(**tracing)


def test_tracing_leaves_the_state_as_it_is():
    assert fingerprint(config_with(otlp_endpoint=ENDPOINT)) == fingerprint(config_with())
