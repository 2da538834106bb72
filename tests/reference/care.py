"""The CARE score and its counter, row by row from the equations."""

from __future__ import annotations


def counts(flags, normal, cap):
    """Algorithm 1 of arXiv:2404.10320 in its corrected reading, with a cap."""
    count, out = 0, []
    for flag, status in zip(flags, normal, strict=True):
        if status:
            count = min(count + 1, cap) if flag else max(count - 1, 0)
        out.append(count)
    return out


def weights(length, numerator, denominator):
    """Weights on a grid that is ``denominator`` times finer, thinned."""
    share, fine = numerator / denominator, length * denominator
    flat = int(fine * share)
    return [
        1.0 if at < flat or at == 0 else (1 - at / (fine - 1)) / (1 - share)
        for at in range(0, fine, denominator)
    ]


def care_parts(flags, normal, start, stop, anomaly, descent, threshold, cap):
    """What ``care_pass`` gives, with the counter ending at ``stop``."""
    truth = [anomaly and start <= i < stop for i in range(len(flags))]
    rows = [i for i in range(len(flags)) if normal[i]]
    confusion = [
        sum(bool(flags[i]) == predicted and truth[i] == true for i in rows)
        for predicted, true in ((True, True), (True, False), (False, True), (False, False))
    ]
    given = weights(stop - start, *descent) if anomaly else []
    hit = sum(w for w, flag in zip(given, flags[start:stop], strict=False) if flag)
    counter = counts(flags[:stop], normal[:stop], cap)
    first = next((i for i, count in enumerate(counter) if count >= threshold), -1)
    return (*confusion, hit, sum(given), max(counter, default=0), first)
