"""The CARE score of every golden case."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streamad.core.errors import ConfigError
from streamad.evaluation.care import CareDataset, combine, score_dataset
from streamad.evaluation.care_rules import CareRules

TOLERANCE = 1e-12
CUTS = {
    False: "never",
    True: "always",
    "False": "never",
    "True": "always",
    "anomaly_only": "anomaly",
    "normal_only": "normal",
}
NAMES = {
    "coverage_beta": "coverage_beta",
    "reliability_beta": "reliability_beta",
    "coverage_w": "coverage_weight",
    "accuracy_w": "accuracy_weight",
    "earliness_w": "earliness_weight",
    "reliability_w": "reliability_weight",
    "criticality_threshold": "criticality_rows",
    "min_fraction_anomalous": "min_fraction",
    "anomaly_detection_method": "method",
    "ws_start_of_descend": "descent",
    "max_criticality_cap": "criticality_cap",
}


def matches(document):
    """Whether this adapter reads the document."""
    return document["schema"]["name"].startswith("care")


def cases(document):
    """(id, function giving expected and actual, tolerance) of every case."""
    listed = []
    defaults = document["schema"].get("defaults", {})
    for case in document["cases"]:
        rules = make_rules({**defaults, **case["config"]})
        listed.append((case["id"], lambda c=case, r=rules: current(c, r), TOLERANCE))
        if case.get("expected_paper_earliness"):
            half = replace(rules, descent=(1, 2))
            listed.append((f"{case['id']}-half", lambda c=case, r=half: halved(c, r), TOLERANCE))
        if case.get("expected_efd_0_1_0") and rules.method == "criticality":
            old = replace(
                rules, count_whole_frame=True, criticality_rows=rules.criticality_rows + 1
            )
            listed.append((f"{case['id']}-0.1.0", lambda c=case, r=old: first(c, r), TOLERANCE))
    return listed


def make_rules(config):
    options = {NAMES[name]: value for name, value in config.items()}
    return CareRules(**{**options, "descent": tuple(options.get("descent", (1, 4)))})


def position(index, value):
    """An index value as an integer: itself, or nanoseconds."""
    return int(value) if index["kind"] == "range" else int(np.datetime64(value, "ns").astype(int))


def bits(text):
    return np.frombuffer(text.encode(), np.uint8) == ord("1")


def dataset(event):
    index, flags = event["index"], bits(event["prediction"])
    if index["kind"] == "range":
        times = index["start"] + index["step"] * np.arange(len(flags), dtype=np.int64)
    else:
        times = np.array(index["values"], "datetime64[ns]").astype(np.int64)
    use_status = event["normal"] is not None and not event["ignore_normal_index"]
    return CareDataset(
        str(event["event_id"]),
        event["event_label"] == "anomaly",
        times,
        flags,
        position(index, event["event_start"]),
        position(index, event["event_end"]),
        bits(event["normal"]) if use_status else None,
        CUTS[event["evaluate_until_event_end"]],
    )


def score(case, rules):
    """Every data set, and the score of the selected ones (None = refused)."""
    events = [score_dataset(dataset(event), rules) for event in case["events"]]
    chosen = case["event_selection"]
    selected = [
        one
        for one, event in zip(events, case["events"], strict=True)
        if chosen is None or event["event_id"] in chosen
    ]
    try:
        return events, combine(selected, rules)
    except ConfigError:
        return events, None


def nothing(value):
    """NaN and None are the same: not defined."""
    return None if value is None or value != value else value


def current(case, rules):
    expected = dict(case["expected"])
    events, total = score(case, rules)
    per_event = []
    for one, event in zip(events, case["events"], strict=True):
        unit = 1 if event["index"]["kind"] == "range" else 10**9
        at = one.first
        if at is not None and unit != 1:
            at = str(np.datetime64(at, "ns").astype("datetime64[s]")).replace("T", " ")
        per_event.append(
            {
                "event_id": event["event_id"],
                "coverage_f": nothing(one.coverage),
                "accuracy": nothing(one.accuracy),
                "earliness_ws": nothing(one.earliness),
                "max_criticality": one.criticality,
                "tp": one.tp,
                "fp": one.fp,
                "fn": one.fn,
                "tn": one.tn,
                "first_time_detected": at,
                "early_detection_time": None if one.lead is None else one.lead / unit,
                "event_detected": one.detected,
            }
        )
    actual = {"per_event": per_event, "care_score": None, "error": "ValueError"}
    if total is not None:
        actual.update(
            avg_coverage=nothing(total.coverage),
            avg_accuracy=nothing(total.accuracy),
            avg_earliness=nothing(total.earliness),
            reliability=total.reliability,
            care_score=total.score,
            error=None,
        )
    return {name: expected[name] for name in actual}, actual


def halved(case, rules):
    expected = case["expected_paper_earliness"]
    events, total = score(case, rules)
    actual = {
        "care_score": None if total is None else total.score,
        "per_event_earliness_ws": [nothing(one.earliness) for one in events],
    }
    return {name: expected[name] for name in actual}, actual


def first(case, rules):
    """The first release counted to the end of the frame and wanted more than the line."""
    expected = case["expected_efd_0_1_0"]
    events, total = score(case, rules)
    actual = {
        "max_criticality": [one.criticality for one in events],
        "event_detected": [one.detected for one in events],
    }
    if total is not None:
        actual["care_score"] = total.score
    return {name: expected[name] for name in actual}, actual
