"""What an alert tells people: the channels that made it, and one plain sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence

from streamad.core.data import Contribution

MAX_CONTRIBUTIONS = 10

_NAMED_SHARE, _MAX_NAMED = 0.9, 3
_ENDINGS = {
    "recovered": "back to normal after {}",
    "timeout": "still strange after {}, closed",
    "no_data": "no data any more after {}",
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


def summary(
    series: str,
    ending: str | None,
    lasted_ns: int,
    parts: Sequence[Contribution],
    score: float,
    ratio: float,
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

    Examples
    --------
    >>> parts = [Contribution("temperature", 0.7, 84.2, 59.7), Contribution("flow", 0.3, 12.9)]
    >>> summary("pump-7", None, 0, parts, 0.9, 3.8)
    'pump-7: temperature 84.2 (expected 59.7), flow 12.9; 3.8 × threshold'
    >>> summary("pump-7", "recovered", 142 * 10**9, [], 0.9134, 6.1)
    'pump-7: back to normal after 2 min 22 s; at its peak score 0.9134; 6.1 × threshold'
    """
    told, named = 0.0, []
    for part in parts[:_MAX_NAMED]:
        if told >= _NAMED_SHARE:
            break
        told += part.share
        named.append(_channel(part))
    what = ", ".join(named) or f"score {_short(score)}"
    times = "over 1000" if ratio >= 1000 else f"{ratio:.1f}"
    if ending is not None:
        what = f"{_ENDINGS[ending].format(_duration(lasted_ns))}; at its peak {what}"
    return f"{series}: {what}; {times} × threshold"


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
