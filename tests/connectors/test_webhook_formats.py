from __future__ import annotations

from dataclasses import replace

import pytest
from streamad_connectors.webhook_formats import FORMATS, plain

from streamad.core.event import alert_document
from streamad.testing.sinks import example_output

ALERT = replace(
    example_output(1)[1][0],
    event="open",
    severity="critical",
    end_ns=None,
    labels={"site": "north"},
)
RESOLVED = replace(ALERT, event="resolve", seq=3, end_ns=ALERT.start_ns, reason="recovered")


def made(name, alert=ALERT, token=None):
    return FORMATS[name](alert_document(alert), token)


def texts(value):
    """Every text in a document."""
    if isinstance(value, dict):
        return [text for entry in value.values() for text in texts(entry)]
    if isinstance(value, list):
        return [text for entry in value for text in texts(entry)]
    return [value] if isinstance(value, str) else []


def test_streamad_is_the_document():
    assert made("streamad") == alert_document(ALERT)


def test_an_open_alert_looks_like_one_of_alertmanager():
    body = made("alertmanager-v4")
    assert body.keys() == {
        "version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels",
        "commonLabels", "commonAnnotations", "externalURL", "alerts",
    }  # fmt: skip
    (alert,) = body["alerts"]
    assert alert.keys() == {
        "status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint",
    }  # fmt: skip
    assert (body["version"], body["status"], alert["status"]) == ("4", "firing", "firing")
    assert alert["labels"]["site"] == "north"
    assert alert["endsAt"] == "0001-01-01T00:00:00Z"
    assert body["groupLabels"]["series"] == ALERT.series


def test_a_resolved_alert_has_its_end_and_the_fingerprint_of_the_open_one():
    opened, resolved = made("alertmanager-v4"), made("alertmanager-v4", RESOLVED)
    assert resolved["status"] == "resolved"
    assert resolved["alerts"][0]["endsAt"] == alert_document(RESOLVED)["end"]
    assert resolved["alerts"][0]["fingerprint"] == opened["alerts"][0]["fingerprint"]
    assert resolved["groupKey"] == opened["groupKey"]
    warning = made("alertmanager-v4", replace(ALERT, severity="warning"))
    assert warning["alerts"][0]["fingerprint"] == opened["alerts"][0]["fingerprint"]
    other = made("alertmanager-v4", replace(ALERT, series="other"))
    assert other["alerts"][0]["fingerprint"] != opened["alerts"][0]["fingerprint"]


def test_slack_has_plain_text_beside_its_blocks():
    body = made("slack")
    assert ALERT.summary.replace("_", "_\u200b") in body["text"]
    assert "critical" in body["text"]
    assert "resolved" in made("slack", RESOLVED)["text"]
    assert [block["type"] for block in body["blocks"]] == ["header", "section", "context"]


@pytest.mark.parametrize(
    "hostile",
    [
        "<!channel>", "<https://evil|click>", "@channel", "@here", "*bold*", "_it_", "`code`",
        "~no~", "[click](https://evil)", "https://evil", "&lt;", "![x](y)",
    ],
)  # fmt: skip
def test_names_in_a_message_do_nothing(hostile):
    body = made("slack", replace(ALERT, series=hostile, summary=f"{hostile}: 84"))
    for text in texts(body):
        assert hostile not in text
        assert "<" not in text
        assert "](" not in text
        assert "://" not in text
    assert (
        plain(hostile)
        .replace("\u200b", "")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
        == hostile
    )


def test_a_long_message_fits_what_slack_takes():
    body = made("slack", replace(ALERT, series="&" * 5000, summary="<" * 50_000))
    header, section, context = body["blocks"]
    assert len(header["text"]["text"]) <= 150
    assert len(section["text"]["text"]) <= 3000
    assert all(len(element["text"]) <= 2000 for element in context["elements"])


def test_an_empty_summary_gives_no_empty_block():
    assert made("slack", replace(ALERT, summary=""))["blocks"][1]["text"]["text"]


@pytest.mark.parametrize(
    ("alert", "action"), [(ALERT, "trigger"), (RESOLVED, "resolve")], ids=["open", "resolve"]
)
def test_pagerduty_triggers_and_resolves_by_the_id(alert, action):
    body = made("pagerduty", alert, "routing")
    assert (body["routing_key"], body["event_action"]) == ("routing", action)
    assert body["dedup_key"] == ALERT.id
    assert body["payload"]["severity"] == "critical"
    assert body["payload"]["custom_details"] == alert_document(alert)


def test_pagerduty_knows_four_severities():
    assert (
        made("pagerduty", replace(ALERT, severity="meltdown"))["payload"]["severity"] == "warning"
    )


def test_pagerduty_takes_a_short_summary():
    assert len(made("pagerduty", replace(ALERT, summary="x" * 5000))["payload"]["summary"]) == 1024
