"""Streaming detectors of other packages, row by row: score, then learn.

PySAD is optional (``pip install --no-deps pysad``); a rival whose package is missing is left out.
"""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SEED = 42


@dataclass(frozen=True, slots=True)
class Rival:
    """A detector of another package.

    Attributes
    ----------
    name, package : str
    make : callable
        Takes the range of every channel, float64 (C, 2); gives a model in its default
        configuration.
    step : callable
        Takes a model and a row; gives the score of the row, and has learned it afterwards.
    as_dict : bool
        Rows are dictionaries, else arrays.
    """

    name: str
    package: str
    make: Callable[[Floats], Any]
    step: Callable[[Any, Any], float]
    as_dict: bool = False

    @property
    def installed(self) -> bool:
        """True if its package is there."""
        return importlib.util.find_spec(self.package) is not None

    def rows(self, values: Floats) -> list[Any]:
        """The rows of ``values`` (n, C) as the model takes them."""
        if not self.as_dict:
            return list(values)
        names = [f"v{c:02d}" for c in range(values.shape[1])]
        return [dict(zip(names, row, strict=True)) for row in values.tolist()]

    def scores(self, values: Floats, n_first: int) -> Floats:
        """Score of every row of ``values`` (n, C); the first rows give the ranges."""
        model = self.make(ranges(values[:n_first]))
        return np.array([self.step(model, row) for row in self.rows(values)])


def rivals() -> tuple[list[Rival], list[str]]:
    """Those whose package is installed, and a line about each of the others."""
    wanted = [
        Rival("river HalfSpaceTrees", "river", _half_space_trees, _river_step, as_dict=True),
        Rival("river LODA", "river", _river_loda, _river_step, as_dict=True),
        Rival("PySAD LODA", "pysad", _pysad_loda, _pysad_step),
    ]
    missing = [
        f"{rival.name} left out: {rival.package} is not installed (pip install --no-deps "
        f"{rival.package})"
        for rival in wanted
        if not rival.installed
    ]
    return [rival for rival in wanted if rival.installed], missing


def running_z(values: Floats) -> Floats:
    """Distance from the mean of the rows before, in their standard deviations; most of a channel.

    Parameters
    ----------
    values : float64 (n, C)

    Returns
    -------
    float64 (n,)
        0 in the first two rows, and where nothing has varied yet.
    """
    n = np.arange(1, len(values))[:, None]
    mean = np.cumsum(values, axis=0)[:-1] / n
    centred = values - values[0]
    variance = np.cumsum(centred**2, axis=0)[:-1] / n - (mean - values[0]) ** 2
    deviation = np.sqrt(np.maximum(variance, 0.0))
    out = np.zeros(values.shape)
    np.divide(np.abs(values[1:] - mean), deviation, out=out[1:], where=deviation > 0)
    return out.max(axis=1)


def lagged(values: Floats, n_lags: int) -> Floats:
    """The last ``n_lags`` values of a channel as a row; the first value is repeated before it."""
    padded = np.concatenate([np.full(n_lags - 1, values[0]), values])
    return np.lib.stride_tricks.sliding_window_view(padded, n_lags).copy()


def ranges(values: Floats) -> Floats:
    """Least and largest value of every channel, float64 (C, 2), a little apart."""
    least, most = values.min(axis=0), values.max(axis=0)
    return np.stack([least, np.maximum(most, least + 1e-9)], axis=1)


def pickle_bytes(model: Any) -> int:
    """What a model weighs as a pickle: none of these packages has another way to keep it."""
    return len(pickle.dumps(model))


def _half_space_trees(limits: Floats) -> Any:
    from river import anomaly

    return anomaly.HalfSpaceTrees(
        limits={f"v{c:02d}": (low, high) for c, (low, high) in enumerate(limits.tolist())},
        seed=SEED,
    )


def _river_loda(limits: Floats) -> Any:  # noqa: ARG001 - finds its ranges itself
    from river import anomaly

    return anomaly.LODA(seed=SEED)


def _pysad_loda(limits: Floats) -> Any:  # noqa: ARG001 - finds its ranges itself
    from pysad.models import LODA

    return LODA(random_state=SEED)


def _river_step(model: Any, row: dict[str, float]) -> float:
    score = model.score_one(row)
    model.learn_one(row)
    return float(score)


def _pysad_step(model: Any, row: Floats) -> float:
    return float(model.fit_score_partial(row))
