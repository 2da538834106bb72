"""Means of accuracy results: over files, over data sets, and among published values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

METRICS = ("vus_pr", "vus_roc", "auc_pr", "f1_best")
SCOPES = ("all", "univariate", "multivariate")
Result = Mapping[str, Any]


def in_scope(result: Result, scope: str) -> bool:
    """True if a series with that many channels belongs to the scope."""
    return scope == "all" or (result["dims"] == 1) == (scope == "univariate")


def ordered(values: Iterable[str]) -> list[str]:
    """Distinct values in the order they first come."""
    return list(dict.fromkeys(values))


def rated(results: Iterable[Result]) -> list[Result]:
    """Results that have a value: series without, or with only, positive rows have none."""
    return [result for result in results if result["vus_pr"] is not None]


def mean(results: Iterable[Result], field: str) -> float | None:
    """Mean of a field over results that have one; None if none has."""
    values = [result[field] for result in results if result[field] is not None]
    return float(np.mean(values)) if values else None


def dataset_mean(results: Iterable[Result], field: str) -> float | None:
    """Mean over data sets of the mean of a field over their files; None if none has one."""
    kept = list(results)
    means = [
        mean((result for result in kept if result["dataset"] == dataset), field)
        for dataset in ordered(result["dataset"] for result in kept)
    ]
    known = [value for value in means if value is not None]
    return float(np.mean(known)) if known else None


def overall(results: list[Result]) -> list[dict[str, Any]]:
    """Means of every detector and output over files and over data sets.

    Returns
    -------
    list of dict
        ``scope`` (all, univariate, multivariate), ``mean`` (files, datasets), ``detector``,
        ``output``, ``series`` and ``datasets`` counted, the metrics, ``random_vus_pr``,
        ``positive_share``, ``judged_share``; ``seconds`` is a sum and ``rows_per_s`` all rows over
        it. Series without labelled anomalies count in none of them.
    """
    lines: list[dict[str, Any]] = []
    kept = rated(results)
    for scope in SCOPES:
        for detector in ordered(result["detector"] for result in kept):
            for output in ("causal", "final"):
                chosen = [
                    result
                    for result in kept
                    if in_scope(result, scope)
                    and (result["detector"], result["output"]) == (detector, output)
                ]
                if chosen:
                    lines += _means(chosen, scope, detector, output)
    return lines


def _means(chosen: list[Result], scope: str, detector: str, output: str) -> list[dict[str, Any]]:
    seconds = sum(result["seconds"] for result in chosen)
    rows = sum(result["rows"] for result in chosen)
    fields = (*METRICS, "random_vus_pr", "positive_share", "judged_share")
    return [
        {
            "scope": scope,
            "mean": kind,
            "detector": detector,
            "output": output,
            "series": len(chosen),
            "datasets": len({result["dataset"] for result in chosen}),
            **{field: take(chosen, field) for field in fields},
            "seconds": round(seconds, 3),
            "rows_per_s": round(rows / max(seconds, 1e-9), 1),
        }
        for kind, take in (("files", mean), ("datasets", dataset_mean))
    ]


def by_dataset(
    results: list[Result], output: str, field: str = "vus_pr"
) -> dict[str, dict[str, float | None]]:
    """Mean of a field by data set and detector, for one output, over files that are rated."""
    table: dict[str, dict[str, float | None]] = {}
    chosen = [result for result in rated(results) if result["output"] == output]
    for dataset in ordered(result["dataset"] for result in chosen):
        files = [result for result in chosen if result["dataset"] == dataset]
        table[dataset] = {
            detector: mean((r for r in files if r["detector"] == detector), field)
            for detector in ordered(result["detector"] for result in files)
        }
    return table


def ranking(
    published: Mapping[str, float], ours: Mapping[str, float]
) -> list[tuple[int, str, float, bool]]:
    """Published values with ours inserted, best first: rank, name, value, whether it is ours.

    Notes
    -----
    The rank of ours is one more than the number of published values above it, so that inserting
    several of ours moves none of the published ranks.
    """
    rows = [
        (1 + sum(other > value for other in published.values()), name, value, mine)
        for values, mine in ((published, False), (ours, True))
        for name, value in values.items()
    ]
    return sorted(rows, key=lambda row: (-row[2], row[3], row[1]))
