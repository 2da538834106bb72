"""Why the ordering stage refuses a row, in words."""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np

from streamad.core.data import Batch, Reject


class Refusal(IntEnum):
    """Verdicts of the ordering kernels; 0 would be accepted."""

    LATE = 1
    DUPLICATE = 2
    TIME = 3


_DETAIL = {
    Refusal.LATE: (
        "expected a time not before {bound}, got {time} ({apart} s earlier): sort the records, or "
        "raise lateness_ns so that rows wait to be sorted"
    ),
    Refusal.DUPLICATE: (
        "expected a time after {bound}, the last of this series, got the same: set "
        "duplicates='keep' if several rows of one time are meant"
    ),
    Refusal.TIME: (
        "expected a time up to {bound} (the partition's latest time and max_jump_ns), got {time} "
        "({apart} s later): check the unit and clock of the records, or raise max_jump_ns"
    ),
}


def refuse(batch: Batch, row: int, why: Refusal, bound_ns: int) -> Reject:
    """Record of a refused row, with its values and what it was measured against.

    Parameters
    ----------
    batch : Batch
    row : int
        Position in the batch.
    why : Refusal
    bound_ns : int
        The time that the row was compared with.

    Returns
    -------
    Reject
        ``row`` holds ``series``, ``time`` (nanoseconds) and ``values`` by channel, missing ones as
        None.
    """
    time_ns = int(batch.times[row])
    values = batch.values[row].tolist()
    return Reject(
        partition=batch.partition,
        offset=batch.offset(row),
        reason=why.name.lower(),
        detail=_DETAIL[why].format(
            bound=_iso(bound_ns), time=_iso(time_ns), apart=abs(time_ns - bound_ns) / 1e9
        ),
        row={
            "series": batch.schema.series[batch.codes[row]],
            "time": time_ns,
            "values": {
                channel: value if math.isfinite(value) else None
                for channel, value in zip(batch.schema.channels, values, strict=True)
            },
        },
    )


def _iso(time_ns: int) -> str:
    """ISO 8601 in UTC, with a fraction only where there is one."""
    text = str(np.datetime64(time_ns, "ns"))
    return text.rstrip("0").rstrip(".") + "Z" if "." in text else text + "Z"
