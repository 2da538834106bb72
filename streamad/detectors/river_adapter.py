"""Any anomaly detector of river as a detector of streamad: one river object a series."""

from __future__ import annotations

import copy
import difflib
import inspect
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from streamad.core.data import Arrays, Codes, Floats, Scores, Windows, WindowSpec
from streamad.core.errors import ConfigError, StateError
from streamad.core.slab import pack_names, unpack_names
from streamad.detectors.base import DetectorInfo, Parametrised, one_name_each, series_rng
from streamad.detectors.river_state import dump, load, parts

Prepare = Literal["auto", "none", "minmax", "standard"]

_PREPARED: Mapping[str, Prepare] = {
    "HalfSpaceTrees": "minmax",
    "LODA": "standard",
    "LocalOutlierFactor": "standard",
    "OneClassSVM": "standard",
}
_LAGS = {"PredictiveAnomalyDetection": 4}
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    # with river's own default, 0, the first forecast is NaN and so is every later score
    "PredictiveAnomalyDetection": {"warmup_period": 100},
}
_SCORING_LEARNS = frozenset({"PredictiveAnomalyDetection"})


class RiverDetector(Parametrised):
    """A detector of ``river.anomaly``, learning one row after the other.

    Parameters
    ----------
    name : str
        Class in ``river.anomaly``, such as ``HalfSpaceTrees``.
    params : mapping
        Its constructor arguments. A ``seed`` it knows is combined with the name of the series.
    prepare : str
        River transformer in front of it: ``minmax`` (to 0..1), ``standard`` (mean 0, variance 1),
        ``none``, or ``auto``: what the class's own documentation asks for.

    Notes
    -----
    Detectors of features get a row as a dictionary of channels; a row with a missing channel is
    neither judged nor learned. Detectors of one target (``GaussianScorer``,
    ``StandardAbsoluteDeviation``, ``PredictiveAnomalyDetection``) are kept once a channel, take
    its value as target, and the highest score counts; the last one gets the four values before it
    as features. A score that river cannot compute (division by zero) is not judged.

    State: the river objects themselves, saved as JSON without pickle (see
    :mod:`streamad.detectors.river_state`). Cost: a Python loop over the rows, typically 5 to 500 us
    a row. Lag of the final score: 0. Thread rule: one thread at a time.

    Examples
    --------
    >>> RiverDetector("GaussianScorer", {"grace_period": 50})
    RiverDetector(name='GaussianScorer', params={'grace_period': 50})
    """

    info: ClassVar[DetectorInfo] = DetectorInfo(
        kind="river", summary="whatever the river detector finds strange", cost_us=100.0
    )

    def __init__(
        self, name: str, params: Mapping[str, Any] | None = None, prepare: Prepare = "auto"
    ) -> None:
        self.name = name
        self.params = dict(params or {})
        self.prepare = prepare
        self._class = _river_class(name)
        _check_params(name, self._class, self.params)
        if prepare not in ("auto", "none", "minmax", "standard"):
            raise ConfigError(
                f"river:{name}: prepare must be auto, none, minmax or standard, got {prepare!r}"
            )
        self._by_channel = _takes_target(self._class)
        self._lags = _LAGS.get(name, 0)
        self.window = WindowSpec(length=1 + self._lags)
        self._models: dict[int, list[Any]] = {}

    @property
    def lag(self) -> int:
        """Lag of the final score: none."""
        return 0

    @property
    def explains(self) -> bool:
        """True for detectors of one target, which are kept once a channel."""
        return self._by_channel

    @property
    def n_series(self) -> int:
        """Slots in use."""
        return max(self._models, default=-1) + 1

    def open(self, channels: Sequence[str]) -> None:
        """Take the channels, and make sure that the state can be saved.

        Raises
        ------
        StateError
            If the river object holds something that cannot be saved without pickle.
        """
        self._open(channels)
        self._models = {}
        _bytes_after(self, 3)
        self._models = {}

    def admit(self, codes: Codes, names: Sequence[str]) -> None:
        """Start these series with fresh state."""
        _ = self.n_channels
        one_name_each(codes, names)
        for code, name in zip(codes.tolist(), names, strict=True):
            self._models[code] = self._new_models(name)

    def score(self, windows: Windows) -> Scores:
        """Causal scores against the present state; changes nothing."""
        self._check(windows)
        return self._walk(windows, score=True, learn=False)

    def learn(self, windows: Windows, scores: Scores) -> None:  # noqa: ARG002
        """Take windows into the state; river needs no scores for it."""
        self._check(windows)
        self._walk(windows, score=self.name in _SCORING_LEARNS, learn=True)

    def step(self, windows: Windows) -> Scores:
        """Score then learn, window by window."""
        self._check(windows)
        scores = self._walk(windows, score=True, learn=True)
        return Scores(scores.causal, scores.causal.copy(), None, scores.shares)

    def close(self, codes: Codes) -> tuple[Codes, Floats]:  # noqa: ARG002
        """Final scores still owed to these series: none."""
        return np.empty(0, np.int32), np.empty(0)

    def snapshot(self) -> Arrays:
        """Owned arrays that hold the whole state."""
        codes = sorted(self._models)
        return {
            "codes": np.array(codes, np.int32),
            **pack_names([dump(self._models[code]) for code in codes]),
        }

    def restore(self, snapshot: Arrays) -> None:
        """Behave as if never stopped since the snapshot."""
        _ = self.n_channels
        if missing := {"codes", "bytes", "lengths"} - snapshot.keys():
            raise StateError(f"the state of river:{self.name} lacks {', '.join(sorted(missing))}")
        models = {}
        for code, text in zip(snapshot["codes"].tolist(), unpack_names(snapshot), strict=True):
            models[code] = load(text)
        self._models = models

    def state_bytes(self, n_channels: int = 1) -> int:
        """Bytes of saved state of one series after 300 rows of noise."""
        other = self.clone()
        other.open([str(c) for c in range(n_channels)])
        return _bytes_after(other, 300)

    def _new_models(self, series: str) -> list[Any]:
        """The river objects of a series: one, or one a channel."""
        params = {**_DEFAULTS.get(self.name, {}), **self.params}
        seed = int(series_rng(int(params.get("seed") or 0), series).integers(2**31))
        takes_seed = "seed" in inspect.signature(self._class).parameters
        if takes_seed:
            params["seed"] = seed
        models = []
        for _ in range(self.n_channels if self._by_channel else 1):
            model = self._class(**copy.deepcopy(params))
            if not takes_seed:  # chance hidden inside would make two equal streams differ
                for rng in parts(model, random.Random):
                    rng.seed(seed)
            models.append(self._prepared(model))
        return models

    def _prepared(self, model: Any) -> Any:
        from river import preprocessing

        how = _PREPARED.get(self.name, "none") if self.prepare == "auto" else self.prepare
        if how == "none" or self._by_channel:
            return model
        scaler = preprocessing.MinMaxScaler if how == "minmax" else preprocessing.StandardScaler
        return scaler() | model

    def _arguments(
        self, models: list[Any], window: list[list[float]]
    ) -> Iterator[tuple[Any, tuple[Any, ...]]]:
        """River objects with what they are given for one window; missing values are left out."""
        if not self._by_channel:
            if all(map(math.isfinite, window[-1])):
                yield models[0], (dict(zip(self.channels_, window[-1], strict=True)),)
            return
        for c, model in enumerate(models):
            if math.isfinite(window[-1][c]):
                before = {str(k): window[-1 - k][c] for k in range(1, 1 + self._lags)}
                features = {k: v for k, v in before.items() if math.isfinite(v)}
                yield model, (features, window[-1][c])

    def _walk(self, windows: Windows, *, score: bool, learn: bool) -> Scores:
        n, c = len(windows), self.n_channels
        causal = np.full(n, np.nan)
        explain = self._by_channel and c > 1
        shares = np.full((n, c), 1.0 / c, np.float32) if explain else None
        copies: dict[int, list[Any]] = {}
        for i, (code, window) in enumerate(
            zip(windows.codes.tolist(), windows.values.tolist(), strict=True)
        ):
            models = self._models[code]
            if not learn:  # scalers note what they see when asked, some detectors learn from it
                if code not in copies or self.name in _SCORING_LEARNS:
                    copies[code] = copy.deepcopy(models)
                models = copies[code]
            found: dict[int, float] = {}
            for model, args in self._arguments(models, window):
                if score:
                    found[id(model)] = _score(model, args)
                if learn:
                    model.learn_one(*args)
            parts = np.array([found.get(id(model), np.nan) for model in models])
            if not np.isnan(parts).all():
                causal[i] = np.nanmax(parts)
                total = np.nansum(parts)
                if shares is not None and total > 0:
                    shares[i] = np.nan_to_num(parts) / total
        return Scores(causal, None, None, shares)


def _bytes_after(detector: RiverDetector, rows: int) -> int:
    """Bytes of saved state of a new series after some rows of noise."""
    shape = (rows, detector.window.length, detector.n_channels)
    codes, noise = np.zeros(rows, np.int32), np.random.default_rng(0).normal(size=shape)
    windows = Windows(noise, codes, np.zeros(rows, np.int64))
    detector.admit(codes[:1], ["probe"])
    detector.learn(windows, Scores(np.full(rows, np.nan)))
    return len(detector.snapshot()["bytes"])


def river_names() -> list[str]:
    """Classes of ``river.anomaly`` that the adapter takes, sorted."""
    from river import anomaly, base

    return sorted(
        name
        for name, cls in vars(anomaly).items()
        if inspect.isclass(cls)
        and issubclass(cls, base.AnomalyDetector | base.SupervisedAnomalyDetector)
        and not issubclass(cls, base.AnomalyFilter)
    )


def _river_class(name: str) -> type[Any]:
    from river import anomaly

    known = river_names()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean 'river:{near[0]}'? " if near else ""
        raise ConfigError(
            f"unknown detector 'river:{name}': {hint}river.anomaly has {', '.join(known)}"
        )
    found: type[Any] = getattr(anomaly, name)
    return found


def _takes_target(cls: type[Any]) -> bool:
    from river import base

    return issubclass(cls, base.SupervisedAnomalyDetector)


def _check_params(name: str, cls: type[Any], params: Mapping[str, Any]) -> None:
    known = list(inspect.signature(cls).parameters)
    for key in params:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(
                f"detector 'river:{name}' has no parameter {key!r}: {hint}it has {', '.join(known)}"
            )


def _score(model: Any, args: tuple[Any, ...]) -> float:
    """River's score, NaN where it cannot be computed."""
    try:
        return float(model.score_one(*args))
    except ArithmeticError:
        return math.nan
