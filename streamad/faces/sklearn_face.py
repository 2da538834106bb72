"""A detector as scikit-learn's users know one: an outlier detector on the rows of a table."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, Literal, Self
from warnings import warn

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from streamad.core.data import Floats, Ints
from streamad.core.errors import ConfigError
from streamad.faces.one_series import OneSeries

LATEST = 10_000
"""Scores kept for the threshold of the next ``partial_fit``."""
FENCE = 3.0
"""Tukey's outer fence: so many interquartile ranges above the upper quartile."""


class SklearnFace(OutlierMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """Any installed detector as an outlier detector of scikit-learn, for one series.

    Parameters
    ----------
    detector : str
        Name of an installed detector.
    params : mapping or None
        Its parameters, in rows where they could be durations: rows have no times here.
    contamination : "auto" or float in (0, 0.5]
        Share of the fitted rows that lie over the threshold. ``auto``: the threshold is Tukey's
        outer fence of their scores above 0, which hardly any ordinary row reaches.

    Attributes
    ----------
    series_ : OneSeries
        The detector and its state.
    offset_ : float
        Threshold: ``decision_function`` is ``score_samples`` minus this.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only where the fitted rows had names.

    Raises
    ------
    ConfigError
        On fitting: unknown detector or parameter, or a value out of range.

    Notes
    -----
    Rows are the time steps of one series, in order. ``fit`` starts anew, ``partial_fit`` goes on;
    ``score_samples``, ``decision_function`` and ``predict`` take their rows as those that come
    next, each scored before it is learned, and forget them again. So a split into train and test
    must keep the order (``TimeSeriesSplit``), and a row's score depends on the rows before it.
    ``fit_predict`` labels the fitted rows themselves, each as it was scored when it came; as with
    scikit-learn's LocalOutlierFactor that is not ``fit(X).predict(X)``, in which the same rows come
    a second time.

    The threshold is taken from the fitted rows as they were scored when they came, so it fits rows
    that were not seen before: the rows of the last call, and after ``partial_fit`` up to 10 000
    before them. Scores are minus the causal ones of :func:`streamad.score`, bit for bit; a row that
    is not judged (warm-up, no value at all, no end of a window) counts as the most ordinary one,
    0.0.

    NaN = missing. Thread rule: one thread at a time.

    References
    ----------
    Tukey (1977), "Exploratory data analysis", section 2D (outer fences).

    Examples
    --------
    >>> import numpy as np
    >>> from streamad.faces import SklearnFace
    >>> flow = np.sin(np.arange(1200) * 0.2)[:, None]
    >>> flow[1100] = 8.0
    >>> model = SklearnFace("ewma").fit(flow[:1000])
    >>> np.flatnonzero(model.predict(flow[1000:]) == -1)
    array([100])

    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> model = make_pipeline(StandardScaler(), SklearnFace("knn", {"memory": 256}))
    >>> labels = model.fit_predict(flow)
    >>> 1100 in np.flatnonzero(labels == -1)
    True
    """

    def __init__(
        self,
        detector: str = "fusion",
        params: Mapping[str, Any] | None = None,
        contamination: float | Literal["auto"] = "auto",
    ) -> None:
        self.detector = detector
        self.params = params
        self.contamination = contamination

    def fit(self, X: ArrayLike, y: None = None) -> Self:  # noqa: ARG002, N803
        """Take the rows as a new series.

        Parameters
        ----------
        X : float (n, C)
            Oldest row first; NaN = missing.
        y : None
            Not used, as in scikit-learn.

        Warns
        -----
        UserWarning
            If the warm-up of the detector is longer than the series.
        """
        self._begin(X)
        return self

    def partial_fit(self, X: ArrayLike, y: None = None) -> Self:  # noqa: ARG002, N803
        """Take the rows as those that come next, see :meth:`fit`."""
        self._take(X, fresh=not hasattr(self, "series_"))
        return self

    def fit_predict(self, X: ArrayLike, y: None = None) -> Ints:  # noqa: ARG002, N803
        """Take the rows as a new series: +1 for ordinary rows, -1 for strange ones.

        Returns
        -------
        int64 (n,)
            By the scores that the rows had when they came.
        """
        return _labels(self._begin(X) - self.offset_)

    def score_samples(self, X: ArrayLike) -> Floats:  # noqa: N803
        """How ordinary the rows would be if they came next; the model does not change.

        Parameters
        ----------
        X : float (n, C)
            As in :meth:`fit`.

        Returns
        -------
        float64 (n,)
            Higher is more ordinary: minus the score of the detector, 0.0 if it does not judge.
        """
        check_is_fitted(self)
        return _ordinary(self.series_.score(self._rows(X, fresh=False)))

    def decision_function(self, X: ArrayLike) -> Floats:  # noqa: N803
        """As :meth:`score_samples`, with the threshold at 0; negative is strange."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> Ints:  # noqa: N803
        """+1 for rows that would be ordinary if they came next, -1 for strange ones."""
        return _labels(self.decision_function(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _rows(self, X: ArrayLike, *, fresh: bool) -> Floats:  # noqa: N803
        rows: Floats = validate_data(
            self, X, reset=fresh, dtype=np.float64, ensure_all_finite="allow-nan"
        )
        return rows

    def _begin(self, X: ArrayLike) -> Floats:  # noqa: N803
        """As :meth:`_take`, for a new series."""
        ordinary = self._take(X, fresh=True)
        if self.offset_ == -np.inf:
            warn(
                f"none of the {len(ordinary)} fitted rows was judged, so there is no threshold and "
                f"every row counts as ordinary: fit more rows, or shorten the warm-up of "
                f"{self.detector!r}",
                UserWarning,
                stacklevel=3,
            )
        return ordinary

    def _take(self, X: ArrayLike, *, fresh: bool) -> Floats:  # noqa: N803
        """Learn the rows and set the threshold; minus the scores that they had when they came."""
        share = _share(self.contamination)
        rows = self._rows(X, fresh=fresh)
        if fresh:
            unnamed = [f"x{i}" for i in range(self.n_features_in_)]
            names = [str(name) for name in getattr(self, "feature_names_in_", unnamed)]
            self.series_ = OneSeries(self.detector, self.params, names)
            self._latest = np.empty(0)
        scores = self.series_.step(rows)
        known = np.concatenate([self._latest, scores])
        self.offset_ = _offset(known, share)
        self._latest = known[-LATEST:].copy()
        return _ordinary(scores)


def _share(contamination: object) -> float | None:
    """Share of rows over the threshold; None = by the fence."""
    if contamination == "auto":
        return None
    if isinstance(contamination, Real) and 0.0 < float(contamination) <= 0.5:
        return float(contamination)
    raise ConfigError(f"contamination must be 'auto' or lie in (0, 0.5], got {contamination!r}")


def _ordinary(scores: Floats) -> Floats:
    return 0.0 - np.nan_to_num(scores)


def _labels(decision: Floats) -> Ints:
    return np.where(decision < 0, -1, 1)


def _offset(scores: Floats, share: float | None) -> float:
    """Threshold on minus the scores; minus infinity where none was judged."""
    if np.isnan(scores).all():
        return -np.inf
    if share is not None:
        return float(np.percentile(_ordinary(scores), 100.0 * share))
    positive = scores[scores > 0.0]
    lower, upper = np.percentile(positive, [25, 75]) if len(positive) else (0.0, 0.0)
    return float(0.0 - upper - FENCE * (upper - lower))
