"""What an alert tells people: channels and members that made it, and one plain sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence

from streamad.core.data import Contribution, MemberPart, Members

MAX_CONTRIBUTIONS = 10
MAX_MEMBERS = 5

_NAMED_SHARE, _MAX_NAMED = 0.9, 3
_ENDINGS = {
    "recovered": "back to normal after {}",
    "timeout": "still strange after {}, closed",
    "no_data": "no data any more after {}",
    "detector_failing": "its detector failed, closed after {}",
    "end_of_stream": "still open at the end of the data after {}",
}
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def contributions(
    channels: Sequence[str],
    shares: Sequence[float],
    actual: Sequence[float],
    expected: Sequence[float],
) -> tuple[Contribution, ...]:
    """Channels with a part in the score, largest first, at most ``MAX_CONTRIBUTIONS``.

    Parameters
    ----------
    channels : sequence of str
    shares : sequence of float
        NaN = the detector does not attribute; a single channel then has all of it.
    actual, expected : sequence of float
        NaN = none.

    Returns
    -------
    tuple of Contribution
    """
    if len(channels) == 1 and math.isnan(shares[0]):
        shares = [1.0]
    order = sorted((c for c in range(len(channels)) if shares[c] > 0), key=lambda c: -shares[c])
    return tuple(
        Contribution(
            channels[c],
            min(float(shares[c]), 1.0),
            _known(actual[c]),
            _known(expected[c]),
            _direction(actual[c], expected[c]),
        )
        for c in order[:MAX_CONTRIBUTIONS]
    )


def member_parts(members: Members, scores: Sequence[float]) -> tuple[MemberPart, ...]:
    """Members with a part in the fused score, largest first, at most ``MAX_MEMBERS``.

    Parameters
    ----------
    members : Members
    scores : sequence of float
        Standardised, one a member; NaN = did not judge.

    Returns
    -------
    tuple of MemberPart
        The share of a member is its part in the weighted sum of squares, as in the channel shares.

    Examples
    --------
    >>> members = Members(("level", "shape"), {"shape": "like nothing before"}, (1.5, 1.0))
    >>> for part in member_parts(members, [2.0, 6.0]):
    ...     print(part.name, part.score, f"{part.share:.2f}", part.reason)
    shape 6.0 0.86 like nothing before
    level 2.0 0.14
    """
    weights = members.weights or (1.0,) * len(members)
    parts = {
        k: weight * score * score
        for k, (weight, score) in enumerate(zip(weights, scores, strict=True))
        if 0 < score < math.inf
    }
    whole = sum(parts.values())
    return tuple(
        MemberPart(
            members.names[k],
            float(scores[k]),
            parts[k] / whole,
            members.reasons.get(members.names[k], ""),
        )
        for k in sorted(parts, key=lambda k: -parts[k])[:MAX_MEMBERS]
    )


def summary(
    series: str,
    ending: str | None,
    lasted_ns: int,
    parts: Sequence[Contribution],
    score: float,
    ratio: float,
    members: Sequence[MemberPart] = (),
) -> str:
    """One sentence: the series, how it ended if it has, the channels and the ratio at the peak.

    Parameters
    ----------
    series : str
    ending : str or None
        Reason of the resolve, None while open.
    lasted_ns : int
        From the first to the last row over the line.
    parts : sequence of Contribution
        Largest first; those that make up most of the score are named.
    score, ratio : float
        At the peak.
    members : sequence of MemberPart
        Largest first; the first one's reason is told.

    Examples
    --------
    >>> parts = [Contribution("temperature", 0.7, 84.2, 59.7), Contribution("flow", 0.3, 12.9)]
    >>> summary("pump-7", None, 0, parts, 0.9, 3.8)
    'pump-7: temperature 84.2 (expected 59.7), flow 12.9; 3.8 × threshold'
    >>> summary("pump-7", "recovered", 142 * 10**9, [], 0.9134, 6.1)
    'pump-7: back to normal after 2 min 22 s; at its peak score 0.9134; 6.1 × threshold'
    >>> shape = MemberPart("shape", 6.0, 0.9, "like nothing in the last 4 096 rows")
    >>> summary("pump-7", None, 180 * 10**9, parts, 0.9, 2.4, [shape])
    'pump-7: 2.4 × the line for 3 min, like nothing in the last 4 096 rows; temperature 70 %,
    expected 59.7, was 84.2; flow 30 %, was 12.9'
    """
    named = _named(parts)
    times = "over 1000" if ratio >= 1000 else f"{ratio:.1f}"
    end = "" if ending is None else f"{_ENDINGS[ending].format(_duration(lasted_ns))}; at its peak "
    if not members:
        what = ", ".join(_channel(part) for part in named) or f"score {_short(score)}"
        return f"{series}: {end}{what}; {times} × threshold"
    lasting = f" for {_duration(lasted_ns)}" if ending is None and lasted_ns else ""
    first = members[0]
    clauses = [f"{times} × the line{lasting}, {first.reason or first.name}"]
    clauses += [_blamed(part, alone=len(parts) == 1) for part in named]
    return f"{series}: {end}{'; '.join(clauses)}"


def _named(parts: Sequence[Contribution]) -> list[Contribution]:
    """The channels that make up most of the score, three at most."""
    told, named = 0.0, []
    for part in parts[:_MAX_NAMED]:
        if told >= _NAMED_SHARE:
            break
        told += part.share
        named.append(part)
    return named


def _blamed(part: Contribution, *, alone: bool) -> str:
    """A channel with its share, what was expected of it and what came."""
    told = [part.channel if alone else f"{part.channel} {100 * part.share:.0f} %"]
    if part.expected is not None:
        told.append(f"expected {_short(part.expected)}")
    told.append("missing" if part.actual is None else f"was {_short(part.actual)}")
    return ", ".join(told)


def _channel(part: Contribution) -> str:
    came = "missing" if part.actual is None else _short(part.actual)
    wanted = "" if part.expected is None else f" (expected {_short(part.expected)})"
    return f"{part.channel} {came}{wanted}"


def _known(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def _direction(actual: float, expected: float) -> str | None:
    if actual > expected:
        return "above"
    return "below" if actual < expected else None


def _short(number: float) -> str:
    """Four significant digits, without an exponent where one can do without."""
    size = abs(number)
    if size != 0 and not 1e-3 <= size < 1e7:
        return f"{number:.4g}"
    decimals = 0 if size == 0 else max(0, 3 - math.floor(math.log10(size)))
    text = f"{number:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _duration(time_ns: int) -> str:
    """The two largest units of a duration; nothing at all is one row."""
    if time_ns == 0:
        return "one row"
    seconds = time_ns / 1e9
    if seconds < 60:
        return f"{seconds:.3g} s"
    left = round(seconds)
    parts: list[str] = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join(part for part in parts[:2] if not part.startswith("0 "))
