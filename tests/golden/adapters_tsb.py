"""The metrics of the TSB-AD benchmark for every golden case, oracle thresholds and given flags."""

from __future__ import annotations

import numpy as np

from streamad.evaluation import (
    affiliation,
    auc_pr,
    auc_roc,
    best_affiliation,
    best_event_f,
    best_f1,
    best_point_adjusted_f1,
    best_range_f1,
    event_f,
    fixed_f1,
    point_adjusted_f1,
    range_f1,
    vus,
)

TOLERANCE = 1e-9
ORACLE = {
    "AUC-PR": lambda case: auc_pr(labels(case), scores(case)),
    "AUC-ROC": lambda case: auc_roc(labels(case), scores(case)),
    "VUS-PR": lambda case: vus(labels(case), scores(case), case["sliding_window"]).pr,
    "VUS-ROC": lambda case: vus(labels(case), scores(case), case["sliding_window"]).roc,
    "Standard-F1": lambda case: best_f1(labels(case), scores(case)),
    "PA-F1": lambda case: best_point_adjusted_f1(labels(case), scores(case)),
    "Event-based-F1": lambda case: best_event_f(labels(case), scores(case)),
    "R-based-F1": lambda case: best_range_f1(labels(case), scores(case)),
    "Affiliation-F": lambda case: best_affiliation(labels(case), scores(case)),
}
FIXED = {
    "Standard-F1": lambda case: fixed_f1(labels(case), flags(case)),
    "PA-F1": lambda case: point_adjusted_f1(labels(case), flags(case)),
    "Event-based-F1": lambda case: event_f(labels(case), flags(case)),
    "R-based-F1": lambda case: range_f1(labels(case), flags(case)),
    "Affiliation-F": lambda case: affiliation(labels(case), flags(case)).f,
    "Affiliation-Precision": lambda case: affiliation(labels(case), flags(case)).precision,
    "Affiliation-Recall": lambda case: affiliation(labels(case), flags(case)).recall,
}
"""VUS of given flags is left out: the reference widens labels that it has widened before."""


def matches(document):
    """Whether this adapter reads the document."""
    return document["schema"]["name"].startswith("tsb")


def cases(document):
    """(id, function giving expected and actual, tolerance) of every case and metric."""
    listed = []
    for case in document["cases"]:
        values = case["expected_oracle_threshold"]
        listed += pairs(f"{case['id']}-oracle", case, values, ORACLE)
        listed += pairs(f"{case['id']}-fixed", case, case["expected_pred"] or {}, FIXED)
    return listed


def pairs(name, case, values, metrics):
    return [
        (
            f"{name}-{metric}",
            lambda c=case, m=metric: (expected(c, m, values[m]), metrics[m](c)),
            TOLERANCE,
        )
        for metric in metrics
        if metric in values and not (metrics is FIXED and raises(metric, values[metric]))
    ]


def raises(metric, value):
    """The reference's F1 of given flags fails where labels and flags are of one class only."""
    return metric == "Standard-F1" and value is None


def expected(case, metric, value):
    """The reference's value, NaN for null; where nothing is flagged, affiliation F is 0 here."""
    if value is None:
        return 0.0 if metric == "Affiliation-F" and labels(case).any() else np.nan
    return value


def bits(text):
    return np.frombuffer(text.encode(), np.uint8) == ord("1")


def labels(case):
    return bits(case["labels"])


def flags(case):
    return bits(case["pred"])


def scores(case):
    return np.array(case["score"], np.float64)
