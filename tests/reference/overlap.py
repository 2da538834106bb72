"""Fixed-lag score from its definition."""

import numpy as np


def final_scores(causal, m):
    """Mean of the judged scores among ``causal[e : e + m]``; NaN where e is not judged."""
    final = np.full(len(causal), np.nan)
    for e in range(len(causal)):
        if not np.isnan(causal[e]):
            final[e] = np.nanmean(causal[e : e + m])
    return final
