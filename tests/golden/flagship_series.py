"""The eight seeded series that the golden scores of the fusion belong to.

Numbers are drawn in the order that the seeds fix; ``checksum`` in the golden file is the sum of the
finite values of each series.
"""

import numpy as np
from numpy.random import default_rng

T = np.arange(3000)


def golden_series():
    """Name -> (values (n, C), rows of the warm-up)."""
    return {
        "sine": (_sine(), 1000),
        "walk": (_walk(), 800),
        "beat": (_beat(), 900),
        "noise_gap": (_noise_gap(), 600),
        "three": (_three(), 1000),
        "ten": (_ten(), 1000),
        "servers": (_servers(), 700),
        "short_warmup": (_short_warmup(), 200),
    }


def _sine():
    values = np.sin(2 * np.pi * T / 50) + 0.1 * default_rng(1).normal(size=3000)
    values[2000:2060] *= 0.2
    values[2500] += 4
    return values[:, None]


def _walk():
    rng = default_rng(2)
    steps, noise = rng.normal(size=3000), rng.normal(size=3000)
    values = (0.05 * steps).cumsum() + 0.3 * noise
    values[1800:1900] += 4
    return values[:, None]


def _beat():
    phase = T % 90
    pulse = np.exp(-0.5 * ((phase - 40) / 3) ** 2) + 0.1 * np.sin(2 * np.pi * phase / 90)
    values = pulse + 0.03 * default_rng(3).normal(size=3000)
    values[2160:2250] = values[2160:2250][::-1].copy()
    return values[:, None]


def _noise_gap():
    values = default_rng(4).standard_t(3, 3000)
    values[1500::400] += 12
    values[2200:2230] = np.nan
    return values[:, None]


def _three():
    rng = default_rng(5)
    wave = np.sin(2 * np.pi * T / 64)
    values = np.stack((wave, 0.7 * wave, np.roll(wave, 8)), axis=1)
    values += 0.1 * rng.normal(size=(3000, 3))
    values[2000:2100, 1] = 0.1 * rng.normal(size=100)
    return values


def _ten():
    rng = default_rng(6)
    sources, mixing = rng.normal(size=(3000, 10)), rng.normal(size=(10, 10))
    values = sources @ mixing * 0.3 + np.sin(T / 30)[:, None]
    values[:, 7] = 0
    values[1900:1920, 7] = 1
    values[2400:2480, 2] += 3
    return values


def _servers():
    load = 0.8 * np.sin(T[:2000] / 40)[:, None]
    values = np.abs(default_rng(7).normal(size=(2000, 38)) + load)
    values[:, 30:] = 1
    values[1500:1560, :4] += 3
    return values


def _short_warmup():
    square = np.where(T % 24 < 12, 1.0, 0.0)
    square[2100:2200] = 1
    return np.stack((square, default_rng(8).normal(size=3000)), axis=1)[:1500]
