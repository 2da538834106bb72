"""The NAB score of every golden case and profile."""

from __future__ import annotations

import numpy as np

from streamad.core.errors import ConfigError
from streamad.evaluation.nab import NabFile, Profile, nab_score, row_weights

TOLERANCE = 1e-9
COUNTS = ("tp", "tn", "fp", "fn")


def matches(document):
    """Whether this adapter reads the document."""
    return document["schema"]["name"].startswith("nab")


def cases(document):
    """(id, function giving expected and actual, tolerance) of every case and profile."""
    listed = []
    for case in document["cases"]:
        for name, weights in document["schema"]["profiles"].items():
            profile = Profile(weights["tpWeight"], weights["fnWeight"], weights["fpWeight"])
            listed.append(
                (
                    f"{case['id']}-{name}",
                    lambda c=case, n=name, p=profile: compare(c, c["expected"][n], p),
                    TOLERANCE,
                )
            )
    return listed


def compare(case, expected, profile):
    files = [make_file(file) for file in case["files"]]
    probation = case["probation_percent"]
    try:
        best = nab_score(files, profile, probation=probation)
    except ConfigError:
        # the reference divides by zero where ours explains
        return expected, {"error": "ZeroDivisionError"}
    actual = {
        "error": None,
        "null_baseline": best.null,
        "perfect": best.perfect,
        "optimized": {
            "threshold": best.threshold,
            "raw_score": best.raw,
            "normalized": best.normalised,
            **{name: getattr(best, name) for name in COUNTS},
        },
        "fixed": [at_fixed(files, profile, probation, best, one) for one in expected["fixed"]],
    }
    if expected.get("row_weights") is not None:
        actual["row_weights"] = [
            None
            if listed is None
            else row_weights(len(file.scores), file.windows, profile).tolist()
            for file, listed in zip(files, expected["row_weights"], strict=True)
        ]
    return {name: expected[name] for name in actual}, actual


def make_file(file):
    scores = np.array(file["score"], np.float64)
    return NabFile(scores, np.array(file["windows"], np.int64).reshape(-1, 2))


def at_fixed(files, profile, probation, best, expected):
    """A fixed threshold, per file; None where the reference has no row for it."""
    threshold = expected["threshold"]
    scored = [nab_score([file], profile, threshold, probation=probation) for file in files]
    per_file = [
        None
        if listed is None
        else {"score": one.raw, **{name: getattr(one, name) for name in COUNTS}}
        for one, listed in zip(scored, expected["per_file"], strict=True)
    ]
    raw = normalised = None
    if expected["raw_score"] is not None:
        raw = sum(one["score"] for one in per_file if one is not None)
        normalised = 100 * (raw - best.null) / (best.perfect - best.null)
    return {
        "threshold": threshold,
        "per_file": per_file,
        "raw_score": raw,
        "normalized": normalised,
    }
