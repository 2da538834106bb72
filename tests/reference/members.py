"""Series for the members of the fusion, and their rows fed to a component in any cuts."""

from dataclasses import dataclass

import numpy as np

from streamad.detectors.recipe.component import BLOCK, Call
from streamad.detectors.recipe.prepare import CLIP, prepare


@dataclass
class Scored:
    """What a component gave for one series: scores, shares and forecasts of its rows."""

    scores: np.ndarray
    shares: np.ndarray
    expected: np.ndarray
    fitted: object


def prepared(values, split):
    """Prefix of a series, and all of its rows scaled by it: float32 (C, n)."""
    warm = prepare(values[:split])
    prefix = warm.prefix
    z = np.zeros(values.shape[::-1], np.float32)
    z[:, :split] = prefix.z
    for c, (center, unit, tiny, *_) in enumerate(warm.scale):
        deviation = values[split:, c] - center
        moved = np.flatnonzero(np.abs(deviation) > tiny)
        if prefix.constant[c]:
            unit = np.abs(deviation[moved[0]]) / 4 if len(moved) else 1.0
        z[c, split:] = np.clip(deviation / unit, -CLIP, CLIP)
    return prefix, z


def waves(n, n_channels, seed=0, quiet=0):
    """Noisy shifted sines with a level shift and a spike; ``quiet`` channels wake up late."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)[:, None]
    x = np.sin(t / 9 + rng.uniform(0, 6, n_channels)) + 0.2 * rng.normal(size=(n, n_channels))
    x[2 * n // 3 : 2 * n // 3 + 40] += 1.5
    x[n // 2, 0] += 6
    for c in range(quiet):
        x[: n // 2 + 100 * c, c] = 3.0
    return x


def cuts(rng, n):
    """Lengths of random pieces of ``n`` rows, single rows among them."""
    pieces = []
    while n:
        pieces.append(min(n, int(rng.choice([1, 2, 7, int(rng.integers(1, BLOCK + 1)), BLOCK]))))
        n -= pieces[-1]
    return pieces


def feed(component, series, pieces, explain=True):
    """Fit on the prefix of every series, then give it its rows in the pieces named.

    Parameters
    ----------
    component : Component
    series : list of (Prefix, float32 (C, n))
        As :func:`prepared` makes them.
    pieces : list of list of int
        Rows of each series in each call.
    explain : bool or list of bool
        Ask for shares, in all calls or in each.

    Returns
    -------
    list of Scored
    """
    n_channels = len(series[0][1])
    fitted = [component.fit(prefix) for prefix, _ in series]
    reach = [BLOCK + 2 * max(prefix.window, 64) for prefix, _ in series]
    capacity = np.array([r + 2 * BLOCK for r in reach])
    sizes = [
        [len(f.block), (n_channels * c + 1) // 2] for f, c in zip(fitted, capacity, strict=True)
    ]
    begin = np.cumsum([0, *np.ravel(sizes)])
    own, past = begin[:-1:2].copy(), 2 * begin[1::2]
    pool = np.full(begin[-1], np.nan)
    for f, start in zip(fitted, own, strict=True):
        pool[start : start + len(f.block)] = f.block
    seen = np.array([prefix.split for prefix, _ in series])
    parts = [[[f.scores], [], []] for f in fitted]
    for call_number in range(max(map(len, pieces))):
        counts = np.array([p[call_number] if call_number < len(p) else 0 for p in pieces])
        n = int(counts.sum())
        filled = np.array(reach) + counts + (37 * call_number) % BLOCK
        for g, (_, z) in enumerate(series):
            end = seen[g] + counts[g]
            buffer = pool.view(np.float32)[past[g] :][: n_channels * capacity[g]]
            buffer = buffer.reshape(n_channels, -1)
            buffer[:] = np.nan
            shown = reach[g] + counts[g]
            buffer[:, filled[g] - shown : filled[g]] = 0.0
            rows = z[:, max(0, end - shown) : end]
            buffer[:, filled[g] - rows.shape[1] : filled[g]] = rows
        first = np.cumsum(counts) - counts
        scores = np.full((len(component.outputs), n), np.nan)
        wanted = explain if isinstance(explain, bool) else explain[call_number]
        shares = np.full((n if wanted and n_channels > 1 else 0, n_channels), np.nan, np.float32)
        expected = np.full((n, n_channels), np.nan, np.float32)
        call = Call(
            pool,
            counts,
            first,
            seen,
            own,
            past,
            capacity,
            filled,
            n_channels,
            scores,
            np.empty((0, 0)),
            shares,
            expected,
        )
        middle = len(series) // 2
        component.step(call, middle, len(series))
        component.step(call, 0, middle)
        for g, part in enumerate(parts):
            new = slice(first[g], first[g] + counts[g])
            part[0].append(scores[:, new])
            part[1].append(shares[new] if wanted else shares)
            part[2].append(expected[new])
        seen = seen + counts
    return [
        Scored(np.concatenate(s, 1), np.concatenate(h), np.concatenate(e), f)
        for (s, h, e), f in zip(parts, fitted, strict=True)
    ]
