"""The scorecards of an evaluation in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from streamad.reporting.words import count, delay, percent, score

_CARE = ("coverage", "accuracy", "reliability", "earliness")
_DETECTORS_TOLD = 3


def card_view(detector: str, card: Mapping[str, Any]) -> dict[str, Any]:
    """One detector's numbers, ready for the template.

    Parameters
    ----------
    detector : str
    card : mapping
        As :func:`streamad.evaluation.scorecard.scorecard` gives it.

    Returns
    -------
    dict
        ``figures`` as pairs of value and label; ``alerts``, ``care`` and ``legacy`` as pairs of
        label and value; ``budget`` in a sentence; ``ranking`` as rows of a
        table, empty with the reason in ``unranked``.
    """
    events, care = card.get("events") or {}, card.get("care") or {}
    ranking = card.get("ranking") or {}
    return {
        "detector": detector,
        "figures": list(_figures(events, care)),
        "alerts": list(_alerts(events, card.get("at_budget") or {})),
        "budget": _budget(card.get("at_budget") or {}),
        "care": list(_care(care)),
        "care_why": care.get("why"),
        "ranking": list(_ranking(ranking)),
        "positive_share": percent(ranking.get("positive_share")),
        "unranked": ranking.get("why"),
        "legacy": list(_legacy(card.get("legacy") or {})),
        "outside": int((card.get("data") or {}).get("n_labels_outside") or 0),
    }


def told_by(cards: Mapping[str, Mapping[str, Any]]) -> str:
    """Found, missed and false as a sentence; empty without scorecards.

    Examples
    --------
    >>> told_by({"knn": {"events": {"n_events": 4, "n_found": 3, "n_false": 1}}})
    'Against the labels: 3 of 4 events found, 1 missed, 1 false alarm.'
    """
    parts = []
    for detector, card in list(cards.items())[:_DETECTORS_TOLD]:
        events = card.get("events") or {}
        n, found, false = (int(events.get(k) or 0) for k in ("n_events", "n_found", "n_false"))
        told = f"{found:,} of {count(n, 'event')} found, {n - found:,} missed" if n else "no event"
        name = f"{detector} – " if len(cards) > 1 else ""
        parts.append(f"{name}{told}, {count(false, 'false alarm')}")
    if len(cards) > _DETECTORS_TOLD:
        parts.append(f"{count(len(cards) - _DETECTORS_TOLD, 'more detector')} below")
    return f"Against the labels: {'; '.join(parts)}." if parts else ""


def _figures(events: Mapping[str, Any], care: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if care.get("score") is not None:
        yield score(care["score"]), "CARE"
    yield _found(events), "events found"
    yield f"{events.get('n_false') or 0:,}", "false alarms"
    yield score(events.get("f05")), "event F0.5"
    yield percent(events.get("precision")), "alert precision"
    if events.get("delay_median_s") is not None:
        yield delay(events["delay_median_s"]), "median delay"


def _alerts(events: Mapping[str, Any], budget: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Missed", percent(events.get("missed_share"))
    yield "Median delay", delay(events.get("delay_median_s"))
    yield "Delay of nine in ten", _at_most(delay(events.get("delay_p90_s")))
    yield "False alarms", f"{_rate(events.get('false_per_day'))} a series-day"
    yield "Alarm duty", f"{percent(events.get('alarm_duty'))} of normal time"
    inner = budget.get("events") or {}
    told = percent(inner.get("recall"))
    if inner.get("n_events"):
        told += f", {_found(inner)}"
    yield "Recall at the budget", told


def _budget(budget: Mapping[str, Any]) -> str:
    allowed = budget.get("budget_per_day")
    return f"The budget is 1 false alarm in {1 / allowed:.3g} series-days." if allowed else ""


def _care(care: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "score" not in care:
        return
    yield "CARE", score(care["score"])
    for name in _CARE:
        yield name.capitalize(), score(care.get(name))
    yield "Detected", f"{care.get('n_detected') or 0:,}"
    yield "Missed", f"{care.get('n_missed') or 0:,}"
    yield "False", f"{care.get('n_false_alarms') or 0:,}"


def _ranking(ranking: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Measure, then causal, final and random score."""
    if "why" in ranking:
        return
    outputs = [ranking.get(output) or {} for output in ("causal", "final", "random")]
    for name, key in (("VUS-PR", "vus_pr"), ("AUC-PR", "auc_pr")):
        yield name, [score(output.get(key)) for output in outputs]


def _legacy(legacy: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    nab, adjusted = legacy.get("nab") or {}, legacy.get("point_adjusted_f1") or {}
    if "why" in nab:
        yield "NAB", f"not defined: {nab['why']}"
    else:
        for profile, part in nab.items():
            value = (part or {}).get("normalised")
            told = "–" if value is None else f"{value:.1f} of 100"
            yield f"NAB, {profile.replace('_', ' ')}", told
    if "why" in adjusted:
        yield "Point-adjusted F1", f"not defined: {adjusted['why']}"
    elif adjusted:
        random = score(adjusted.get("oracle_random"))
        yield "Point-adjusted F1", f"{score(adjusted.get('fixed'))}, noise at best {random}"


def _found(events: Mapping[str, Any]) -> str:
    return f"{events.get('n_found') or 0:,} of {events.get('n_events') or 0:,}"


def _at_most(told: str) -> str:
    return told if told in ("–", "at once") else f"at most {told}"


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
