"""An alert document as labels and annotations, the way Prometheus and Alertmanager speak."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

ALERT_NAME = "StreamadAnomaly"
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_]")


def labels_of(document: Mapping[str, Any], alert_name: str = ALERT_NAME) -> dict[str, str]:
    """Identity of an alert: what says where it is and how severe, never what was measured.

    Parameters
    ----------
    document : mapping
        ``streamad.alert/1``.
    alert_name : str

    Returns
    -------
    dict of str to str
        Names fit ``[a-zA-Z_][a-zA-Z0-9_]*``. Empty values are left out, since Alertmanager drops
        them, which would change the identity. Ours win over labels of the configuration.
    """
    own = {
        "alertname": alert_name,
        "pipeline": document["pipeline"],
        "series": document["series"],
        "detector": document["detector"],
        "severity": document["severity"],
    }
    found = {label_name(name): str(value) for name, value in document["labels"].items()}
    return {name: value for name, value in sorted({**found, **own}.items()) if value}


def annotations_of(document: Mapping[str, Any]) -> dict[str, str]:
    """What a person wants to read; no empty ones."""
    found = {
        "summary": document["summary"],
        "alert_id": document["id"],
        "score_ratio": _number(document["score_ratio"]),
        "peak_ratio": _number(document["peak"]["score_ratio"]),
        "channels": ",".join(part["channel"] for part in document["contributions"]),
        "reason": document["reason"],
    }
    return {name: value for name, value in found.items() if value}


def label_name(name: str) -> str:
    """A name that every version of Alertmanager takes.

    Examples
    --------
    >>> label_name("host.name"), label_name("my-label"), label_name("7th"), label_name("")
    ('host_name', 'my_label', '_7th', '_')
    """
    found = _NOT_IN_NAMES.sub("_", name)
    return f"_{found}" if not found or found[0].isdigit() else found


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
