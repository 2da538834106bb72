"""Health, readiness, versions and configuration, asked over a real connection."""

from __future__ import annotations

import pytest

from streamad import __version__
from streamad.runtime.health import PartitionHealth


def test_a_loop_that_turns_is_alive(get, clock, telemetry):
    clock.advance(3600.0)
    telemetry.tick()
    clock.advance(29.0)
    assert get("/healthz").code == 200


def test_a_loop_that_stalls_is_not_and_is_again_when_it_turns(get, clock, telemetry):
    clock.advance(31.0)
    answer = get("/healthz")
    assert answer.code == 503
    assert answer.document == {"alive": False, "stuck": "the loop has not turned for 31 s"}
    telemetry.tick()
    assert get("/healthz").code == 200


def test_a_source_that_is_gone_leaves_the_process_alive_but_not_ready(get, telemetry):
    telemetry.partitions["t/0"] = PartitionHealth()
    assert get("/readyz").document == {"ready": True, "failing": []}
    telemetry.source_failed()
    answer = get("/readyz")
    assert answer.code == 503
    assert answer.document["failing"] == ["the source cannot be reached for 0 s"]
    assert get("/healthz").code == 200
    telemetry.source_worked()
    assert get("/readyz").code == 200


def test_every_check_that_fails_is_listed(get, telemetry, clock):
    telemetry.refused(telemetry.sinks[1], "refused by 10.0.0.1")
    clock.advance(61.0)
    telemetry.draining = True
    answer = get("/readyz")
    assert answer.code == 503
    assert answer.document["failing"] == [
        "draining",
        "no partition is assigned",
        "webhook refuses for 61 s: refused by 10.0.0.1",
    ]


def test_a_sink_that_fails_for_less_than_a_minute_does_not_count(get, telemetry, clock):
    telemetry.partitions["t/0"] = PartitionHealth()
    telemetry.refused(telemetry.sinks[0], "busy")
    clock.advance(60.0)
    assert get("/readyz").code == 200


def test_what_a_check_says_is_without_secrets(serve, telemetry):
    get = serve(conceal=lambda text: text.replace("hunter2-canary", "***"))
    telemetry.partitions["t/0"] = PartitionHealth()
    telemetry.refused(telemetry.sinks[0], "no access with hunter2-canary")
    telemetry.clock.advance(100.0)
    assert "no access with ***" in get("/readyz").text


def test_versions_are_told(get):
    answer = get("/version")
    assert answer.document["pipeline"] == "plant"
    assert answer.document["versions"]["streamad-engine"] == __version__


def test_the_configuration_is_told_as_yaml(serve):
    answer = serve(config="pipeline: plant\npassword: x\n")("/config")
    assert answer.headers["content-type"] == "application/yaml"
    assert answer.text.startswith("pipeline: plant\n")


@pytest.mark.parametrize("path", ["/healthz", "/nothing", "/metrics"])
def test_every_answer_has_the_headers_that_bind_a_browser(get, path):
    headers = get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert not [name for name in headers if name.startswith("access-control")]
    assert "server" not in headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(get, method):
    assert get("/config", method=method).code == 405
