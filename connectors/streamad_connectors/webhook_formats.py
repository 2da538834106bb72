"""An alert document as the body that a receiver of webhooks expects."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from streamad_connectors.prometheus_alert import annotations_of, labels_of

NOT_ENDED = "0001-01-01T00:00:00Z"
"""What Alertmanager writes where there is no end."""
_GROUP = frozenset({"alertname", "pipeline", "series", "detector"})
_LONGEST_SUMMARY = 1024
_PAGERDUTY_SEVERITIES = frozenset({"critical", "error", "warning", "info"})
_MARKUP = re.compile(r"[@*_~`|\[\]]|(?<=:)/(?=/)")
_INVISIBLE = "\u200b"


def streamad(document: Mapping[str, Any], token: str | None) -> dict[str, Any]:  # noqa: ARG001
    """The document itself."""
    return dict(document)


def alertmanager_v4(document: Mapping[str, Any], token: str | None) -> dict[str, Any]:  # noqa: ARG001
    """As the webhook of Alertmanager, version 4, a group of one alert."""
    labels, annotations = labels_of(document), annotations_of(document)
    status = "resolved" if document["event"] == "resolve" else "firing"
    group = {name: value for name, value in labels.items() if name in _GROUP}
    key = ",".join(f"{name}={orjson.dumps(value).decode()}" for name, value in group.items())
    stable = {name: value for name, value in labels.items() if name != "severity"}
    alert = {
        "status": status,
        "labels": labels,
        "annotations": annotations,
        "startsAt": document["start"],
        "endsAt": document["end"] or NOT_ENDED,
        "generatorURL": "",
        "fingerprint": hashlib.sha256(orjson.dumps(stable)).hexdigest()[:16],
    }
    return {
        "version": "4",
        "groupKey": f"{{}}:{{{key}}}",
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "streamad",
        "groupLabels": group,
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "",
        "alerts": [alert],
    }


def slack(document: Mapping[str, Any], token: str | None) -> dict[str, Any]:  # noqa: ARG001
    """For Slack and what reads its messages: ``text`` is all that Mattermost and bridges show."""
    state = "resolved" if document["event"] == "resolve" else document["severity"]
    title = f"{document['pipeline']} / {document['series']}: {state}"
    times = f"since {document['start']}" + (f", until {document['end']}" if document["end"] else "")
    return {
        "text": f"{plain(title)}\n{plain(document['summary'])}",
        "blocks": [
            {"type": "header", "text": _text(title, 150)},
            {"type": "section", "text": _text(document["summary"] or title, 3000)},
            {"type": "context", "elements": [_text(f"{times}, {document['id']}", 2000)]},
        ],
    }


def pagerduty(document: Mapping[str, Any], token: str | None) -> dict[str, Any]:
    """As an event of PagerDuty's Events API, version 2; the token is the routing key."""
    severity = document["severity"]
    return {
        "routing_key": token or "",
        "event_action": "resolve" if document["event"] == "resolve" else "trigger",
        "dedup_key": document["id"],
        "payload": {
            "summary": document["summary"][:_LONGEST_SUMMARY],
            "source": document["series"],
            "severity": severity if severity in _PAGERDUTY_SEVERITIES else "warning",
            "timestamp": document["detected_at"],
            "component": document["pipeline"],
            "custom_details": dict(document),
        },
    }


FORMATS: dict[str, Callable[[Mapping[str, Any], str | None], dict[str, Any]]] = {
    "streamad": streamad,
    "alertmanager-v4": alertmanager_v4,
    "slack": slack,
    "pagerduty": pagerduty,
}
"""By the name in the configuration."""


def plain(text: str) -> str:
    r"""Text that reads the same and does nothing: no mention, no link, no emphasis.

    Names of series come from the data. What marks up a message is followed by a character without
    width, and the three characters that Slack gives a meaning are escaped as it asks for.

    Examples
    --------
    >>> plain("<!channel> a&b")
    '&lt;!channel&gt; a&amp;b'
    >>> plain("@all").encode()
    b'@\xe2\x80\x8ball'
    """
    marked = _MARKUP.sub(lambda found: found.group() + _INVISIBLE, text)
    return marked.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _text(text: str, longest: int) -> dict[str, Any]:
    """As much of a text as fits when it is marked up."""
    while len(marked := plain(text)) > longest:
        text = text[: len(text) * longest // len(marked)]
    return {"type": "plain_text", "text": marked, "emoji": False}
