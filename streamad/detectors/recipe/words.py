"""What a member finds, as a clause of an alert's sentence."""

from __future__ import annotations

REASONS = {
    "convolutions": "a shape that was not seen before",
    "convolutions_short": "a short shape that was not seen before",
    "subspace": "a window outside the space of the ordinary ones",
    "forecast": "far from the forecast out of the last 4 rows",
    "level": "far from the mean so far",
    "waking": "a channel that stood still moves",
    "neighbor_shape": "like nothing in the recent past, in shape",
    "neighbor": "like nothing in the recent past",
    "neighbor_shape_half": "like nothing in the recent past, in shape, over half a window",
    "neighbor_half": "like nothing in the recent past, over half a window",
    "neighbor_long": "like nothing in the recent past, over four windows",
}


def reason_of(output: str) -> str:
    """Clause of a member; those that watch single channels share one."""
    stem = output.rstrip("0123456789").removesuffix("_")
    return REASONS.get(output) or REASONS.get(stem, output)
