"""An alert as the JSON document ``streamad.alert/1`` that every sink writes."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

from streamad.core.data import Alert, Contribution, MemberPart

ALERT_SCHEMA = "streamad.alert/1"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000_000


def alert_document(alert: Alert) -> dict[str, Any]:
    """One event as JSON types, without the delivery fields that a sink may add.

    Parameters
    ----------
    alert : Alert

    Returns
    -------
    dict
        Valid against :func:`alert_schema`. Times are ISO 8601 in UTC; a number that is not finite
        is None; ``members`` is there only if there are some.

    Examples
    --------
    >>> alert = Alert("open", "alt_5c0f2f6d1c9e4b7a", 1, "plant", "pump-7", "fast", "ewma",
    ...               "warning", 0, None, 60_000_000_000, 7.6, 2.0, 3.8, 0, 7.6, 3.8)
    >>> document = alert_document(alert)
    >>> document["detected_at"], document["score_ratio"]
    ('1970-01-01T00:01:00.000Z', 3.8)
    """
    members = {"members": [_member(part) for part in alert.members]} if alert.members else {}
    return {
        "schema": ALERT_SCHEMA,
        "event": alert.event,
        "id": alert.id,
        "seq": alert.seq,
        "pipeline": alert.pipeline,
        "series": alert.series,
        "labels": dict(alert.labels),
        "detector": alert.detector,
        "detector_type": alert.detector_type,
        "severity": alert.severity,
        "start": iso_time(alert.start_ns),
        "end": None if alert.end_ns is None else iso_time(alert.end_ns),
        "detected_at": iso_time(alert.detected_ns),
        "score": _finite(alert.score),
        "threshold": _finite(alert.threshold),
        "score_ratio": _finite(alert.ratio),
        "peak": {
            "time": iso_time(alert.peak_ns),
            "score": _finite(alert.peak_score),
            "score_ratio": _finite(alert.peak_ratio),
        },
        "contributions": [_contribution(part) for part in alert.contributions],
        **members,
        "reason": alert.reason,
        "suppressed": alert.suppressed,
        "summary": alert.summary,
    }


def alert_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of an alert document, delivery fields included."""
    text = files("streamad.core").joinpath("alert.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def iso_time(time_ns: int) -> str:
    """Nanoseconds since 1970 as ISO 8601 in UTC, the fraction in 3, 6 or 9 digits as needed.

    Examples
    --------
    >>> iso_time(1_500_000_000), iso_time(-1)
    ('1970-01-01T00:00:01.500Z', '1969-12-31T23:59:59.999999999Z')
    """
    seconds, rest = divmod(int(time_ns), _SECOND)
    if rest % 1_000_000 == 0:
        fraction = f"{rest // 1_000_000:03d}"
    elif rest % 1_000 == 0:
        fraction = f"{rest // 1_000:06d}"
    else:
        fraction = f"{rest:09d}"
    whole = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None)
    return f"{whole.isoformat()}.{fraction}Z"


def _contribution(part: Contribution) -> dict[str, Any]:
    return {
        "channel": part.channel,
        "share": _finite(part.share),
        "actual": _finite(part.actual),
        "expected": _finite(part.expected),
        "direction": part.direction,
    }


def _member(part: MemberPart) -> dict[str, Any]:
    return {
        "name": part.name,
        "score": _finite(part.score),
        "share": _finite(part.share),
        "reason": part.reason,
    }


def _finite(number: float | None) -> float | None:
    return float(number) if number is not None and math.isfinite(number) else None
