"""Volume under the surface from its definition: one threshold and one width at a time."""

import numpy as np


def soft_labels(labels, width):
    """Labels that fade over ``width // 2`` rows on both sides of each anomaly."""
    soft = labels.astype(float)
    for start, stop in ranges(labels):
        for distance in range(1, width // 2 + 1):
            for row in (start - distance, stop - 1 + distance):
                if 0 <= row < len(labels):
                    soft[row] += np.sqrt(1 - distance / width)
    return np.minimum(soft, 1)


def ranges(labels):
    edges = np.flatnonzero(np.diff(np.concatenate(([0], np.asarray(labels, int), [0]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def groups_of(labels, half):
    """Anomalies widened by ``half`` rows, merged where they share a row."""
    groups = []
    for start, stop in ranges(labels):
        if groups and start - half < groups[-1][1]:
            groups[-1][1] = stop + half
        else:
            groups.append([start - half, stop + half])
    return [(max(start, 0), stop) for start, stop in groups]


def vus(labels, scores, window, n_thresholds):
    """(VUS-PR, VUS-ROC)."""
    labels, n = np.asarray(labels, bool), len(labels)
    ranks = np.linspace(0, n - 1, n_thresholds).astype(int)
    thresholds = np.sort(scores)[::-1][ranks]
    areas = [_areas(labels, scores, width, thresholds) for width in range(window + 1)]
    return tuple(np.mean(areas, axis=0))


def _areas(labels, scores, width, thresholds):
    n, soft = len(labels), soft_labels(labels, width)
    groups = groups_of(labels, width // 2)
    recalls, fall_outs, precisions = [0.0], [0.0], []
    for threshold in thresholds:
        flagged = scores >= threshold
        mass = soft[flagged & ~labels].sum()
        hits = (flagged & labels).sum() + mass
        positives = labels.sum() + mass / 2
        found = np.mean([flagged[start:stop].any() for start, stop in groups])
        recalls.append(min(hits / positives, 1) * found)
        fall_outs.append((flagged.sum() - hits) / (n - positives))
        precisions.append(hits / flagged.sum())
    area_pr = np.dot(np.diff(recalls), precisions)
    return area_pr, np.trapezoid([*recalls, 1.0], [*fall_outs, 1.0])
