"""Criticality, the leaky counter of the CARE score: over a data set at once, and row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from streamad.core.data import Codes, Flags, Floats, Ints


@kernel
def care_pass(
    flags: Flags,
    normal: Flags,
    start: int,
    stop: int,
    counted: int,
    anomaly: bool,
    numerator: int,
    denominator: int,
    threshold: int,
    cap: int,
) -> tuple[int, int, int, int, float, float, int, int]:
    """Everything that the CARE score needs of one data set, in one pass.

    Parameters
    ----------
    flags : bool (n,)
        Predictions.
    normal : bool (n,) or (0,)
        Rows of normal status; empty = all.
    start, stop : int
        Rows of the event window, half open.
    counted : int
        The counter runs over the rows before this one.
    anomaly : bool
        Whether the rows of the window are anomalous.
    numerator, denominator : int
        Share of the window after which the weights descend (arXiv:2404.10320, eq. 3).
    threshold, cap : int
        Alarm line of the counter, and its highest value.

    Returns
    -------
    tp, fp, fn, tn : int
        Over the rows of normal status.
    hit, total : float
        Sum of the weights of the predicted rows of the window, and of all of them; 0 where not
        ``anomaly``.
    top, first : int
        Highest count, and the first row at or over the line (-1 = none).
    """
    tp = fp = fn = tn = count = top = 0
    first = -1
    hit = total = 0.0
    fine = (stop - start) * denominator
    descent = numerator / denominator
    flat = int(fine * descent)
    masked = normal.shape[0] > 0
    for i in range(flags.shape[0]):
        flag = flags[i]
        inside = anomaly and start <= i < stop
        if inside:
            at = (i - start) * denominator
            weight = 1.0 if at < flat or at == 0 else (1.0 - at / (fine - 1)) / (1.0 - descent)
            total += weight
            if flag:
                hit += weight
        if masked and not normal[i]:
            continue
        if flag:
            tp += inside
            fp += not inside
        else:
            fn += inside
            tn += not inside
        if i < counted:
            count = min(count + 1, cap) if flag else max(count - 1, 0)
            if count > top:
                top = count
            if first < 0 and count >= threshold:
                first = i
    return tp, fp, fn, tn, hit, total, top, first


@kernel
def criticality_pass(slots: Codes, ratio: Floats, cap: int, counts: Ints, out: Ints) -> None:
    """Count each row up where it is at or over the line, down where it is below.

    Parameters
    ----------
    slots : int32 (n,)
    ratio : float64 (n,)
        1.0 is the line; NaN leaves the count alone.
    cap : int
        Highest count.
    counts : int64 (slots,)
        State; updated.
    out : int64 (n,)
        Out: count after each row.
    """
    for i in range(slots.shape[0]):
        s = slots[i]
        if ratio[i] >= 1.0:
            counts[s] = min(counts[s] + 1, cap)
        elif ratio[i] < 1.0:
            counts[s] = max(counts[s] - 1, 0)
        out[i] = counts[s]
