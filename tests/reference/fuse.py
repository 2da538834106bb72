"""Fusion of member scores from its formula, one series, plain numpy."""

import numpy as np


class Standard:
    """Mean, sd and third largest score of one member."""

    def __init__(self, full):
        self.full = full
        self.first, self.count, self.mean, self.variance = [], 0, 0.0, 0.0

    def of(self, score):
        if np.isnan(score) or self.count < 32:
            return np.nan
        third = np.sort([0, 0, 0, *self.first])[-3]
        sd = np.sqrt(self.variance) + 1e-9 + 0.001 * abs(self.mean)
        z = max((score - self.mean) / max(sd, (third - self.mean) / 3), 0)
        return z if z <= 5 else 5 * (1 + np.log(z / 5))

    def learn(self, score):
        if np.isnan(score):
            return
        self.count += 1
        sd = np.sqrt(self.variance)
        if self.count <= self.full:
            weight = self.count
            if self.count > 32:
                score = min(score, self.mean + 8 * sd)
            self.first.append(score)
        else:
            weight = self.count + 7 * self.full
            score = min(score, self.mean + 2 * sd)
        old = self.mean
        self.mean += (score - old) / weight
        self.variance += ((score - old) * (score - self.mean) - self.variance) / weight


def standardised(scores, full):
    """Each score of one member against the scores before it."""
    about, out = Standard(full), []
    for score in scores:
        out.append(about.of(score))
        about.learn(score)
    return np.array(out)


def fused(members, warm_up, first=0):
    """Root mean square over the members (n, m) of their standardised scores."""
    z = np.stack([standardised(column, warm_up // 2) for column in members.T], axis=1)
    out = np.full(len(z), np.nan)
    for i in range(first + warm_up, len(z)):
        known = z[i][~np.isnan(z[i])]
        if len(known):
            out[i] = np.sqrt(np.mean(known**2))
    return out
