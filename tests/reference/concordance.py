"""Pairs, counted one by one."""

from __future__ import annotations

import math
from itertools import combinations, pairwise


def inversions(values):
    return sum(a > b for a, b in combinations(values, 2))


def agreement(levels, scores):
    """Kendall's tau-b and the C-index."""
    concordant = discordant = only_level = only_score = 0
    for (a, x), (b, y) in combinations(list(zip(levels, scores, strict=True)), 2):
        if a == b:
            only_level += x != y
        elif x == y:
            only_score += 1
        elif (a < b) == (x < y):
            concordant += 1
        else:
            discordant += 1
    both = concordant + discordant
    scale = math.sqrt((both + only_level) * (both + only_score))
    comparable = both + only_score
    return (
        (concordant - discordant) / scale if scale else math.nan,
        (concordant + 0.5 * only_score) / comparable if comparable else math.nan,
    )


def alarms_at(scores, threshold, merge_rows):
    """Number of runs at or above a threshold, pauses of up to ``merge_rows`` bridged."""
    rows = [i for i, score in enumerate(scores) if score >= threshold]
    return bool(rows) + sum(b - a - 1 > merge_rows for a, b in pairwise(rows))
