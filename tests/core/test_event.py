"""The alert document and its schema."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace

import jsonschema
import pytest

from streamad.core.data import Alert, Contribution, MemberPart
from streamad.core.event import alert_document, alert_schema, iso_time

ALERT = Alert(
    event="resolve",
    id="alt_5c0f2f6d1c9e4b7a",
    seq=3,
    pipeline="plant-a",
    series="pump-7",
    detector="fast",
    detector_type="ewma",
    severity="critical",
    start_ns=1_795_442_640_000_000_000,
    end_ns=1_795_442_760_000_000_000,
    detected_ns=1_795_442_760_000_500_000,
    score=0.1,
    threshold=0.25,
    ratio=0.4,
    peak_ns=1_795_442_700_000_000_001,
    peak_score=0.95,
    peak_ratio=3.8,
    contributions=(
        Contribution("temperature", 0.75, 84.2, 59.7, "above"),
        Contribution("flow", 0.25),
    ),
    reason="recovered",
    labels={"team": "plant-ops"},
    summary="pump-7: back to normal",
)

VALIDATOR = jsonschema.Draft202012Validator(alert_schema())


def test_the_schema_is_a_valid_schema():
    jsonschema.Draft202012Validator.check_schema(alert_schema())


def test_the_document_holds_every_field():
    assert alert_document(ALERT) == {
        "schema": "streamad.alert/1",
        "event": "resolve",
        "id": "alt_5c0f2f6d1c9e4b7a",
        "seq": 3,
        "pipeline": "plant-a",
        "series": "pump-7",
        "labels": {"team": "plant-ops"},
        "detector": "fast",
        "detector_type": "ewma",
        "severity": "critical",
        "start": "2026-11-23T14:04:00.000Z",
        "end": "2026-11-23T14:06:00.000Z",
        "detected_at": "2026-11-23T14:06:00.000500Z",
        "score": 0.1,
        "threshold": 0.25,
        "score_ratio": 0.4,
        "peak": {
            "time": "2026-11-23T14:05:00.000000001Z",
            "score": 0.95,
            "score_ratio": 3.8,
        },
        "contributions": [
            {
                "channel": "temperature",
                "share": 0.75,
                "actual": 84.2,
                "expected": 59.7,
                "direction": "above",
            },
            {
                "channel": "flow",
                "share": 0.25,
                "actual": None,
                "expected": None,
                "direction": None,
            },
        ],
        "reason": "recovered",
        "suppressed": None,
        "summary": "pump-7: back to normal",
    }


def test_the_document_is_valid_and_survives_json():
    document = alert_document(ALERT)
    VALIDATOR.validate(json.loads(json.dumps(document, allow_nan=False)))


def test_numbers_that_are_not_finite_are_null():
    alert = replace(ALERT, score=math.nan, threshold=math.inf, ratio=-math.inf, peak_score=math.nan)
    document = alert_document(alert)
    VALIDATOR.validate(document)
    assert document["score"] is None
    assert document["threshold"] is None
    assert document["score_ratio"] is None
    assert document["peak"]["score"] is None


def test_members_are_there_when_the_detector_has_some():
    alert = replace(ALERT, members=(MemberPart("shape", 6.5, 0.75, "like nothing before"),))
    document = alert_document(alert)
    VALIDATOR.validate(document)
    assert document == alert_document(ALERT) | {
        "members": [{"name": "shape", "score": 6.5, "share": 0.75, "reason": "like nothing before"}]
    }
    assert "members" not in alert_document(ALERT)


@pytest.mark.parametrize("n", [0, 6])
def test_the_schema_wants_one_to_five_members(n):
    member = {"name": "shape", "score": 6.5, "share": 0.75, "reason": ""}
    assert not VALIDATOR.is_valid(alert_document(ALERT) | {"members": [member] * n})


def test_delivery_fields_are_allowed():
    VALIDATOR.validate(
        alert_document(ALERT)
        | {
            "emitted_at": "2026-11-23T14:06:00.412Z",
            "source": {"type": "kafka", "topic": "sensors", "partition": 3, "offset": [1, 2]},
            "url": "http://127.0.0.1:8765/#/alerts/alt_5c0f2f6d1c9e4b7a",
        }
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema", "streamad.alert/2"),
        ("event", "closed"),
        ("id", "5c0f2f6d1c9e4b7a"),
        ("seq", 0),
        ("end", None),
        ("start", "2026-11-23 14:04:00"),
        ("score", "high"),
        ("reason", "open"),
        ("labels", {"team": 7}),
        ("suppressed", "sometimes"),
        ("contributions", [{"channel": "x", "share": 1.0}]),
        ("extra", 1),
    ],
)
def test_the_schema_refuses(field, value):
    document = alert_document(ALERT)
    document[field] = value
    assert not VALIDATOR.is_valid(document)


def test_more_than_ten_contributions_are_refused():
    document = alert_document(ALERT)
    document["contributions"] = [copy.deepcopy(document["contributions"][0]) for _ in range(11)]
    assert not VALIDATOR.is_valid(document)


def test_an_open_event_has_no_end():
    document = alert_document(replace(ALERT, event="open", seq=1, reason="open"))
    assert not VALIDATOR.is_valid(document)
    VALIDATOR.validate(document | {"end": None})


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_000_000, "1970-01-01T00:00:00.001Z"),
        (1_000, "1970-01-01T00:00:00.000001Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (-1_000_000_000, "1969-12-31T23:59:59.000Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
    ],
)
def test_times_carry_as_many_digits_as_they_need(time_ns, text):
    assert iso_time(time_ns) == text
