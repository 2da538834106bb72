"""A detector as river's users know one: ``learn_one`` and ``score_one`` on dictionaries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from river.base import AnomalyDetector
from river.base.typing import FeatureName

from streamad.core.data import Floats
from streamad.detectors.registry import make_detector
from streamad.faces.one_series import OneSeries


class RiverFace(AnomalyDetector):
    """Any installed detector as an anomaly detector of river, for one series.

    Parameters
    ----------
    detector
        Name of an installed detector.
    params
        Its parameters, in rows where they could be durations: rows have no times here.
    features
        Names of the features. None: those of the first row that is learned.

    Raises
    ------
    ConfigError
        Unknown detector or parameter, or a value out of range.

    Notes
    -----
    Features are sorted by name, so the order in a dictionary does not matter. One that a row lacks
    (or that is None, NaN or infinite) is missing; one that is not among ``features`` is ignored.
    Rows come at equal steps: a time step without data is an empty dictionary.

    River has no word for "not judged": during the warm-up, for a row without any value, and, for a
    detector with a hop, for a row that ends no window, the score is 0.0, as for the most ordinary
    row. Scores are the causal ones of :func:`streamad.score`, bit for bit.

    Cost: about 40 us a call beside what the detector takes for a single row, which is 1 to 400 us;
    where there are arrays, :func:`streamad.score` is far faster. Thread rule: one thread at
    a time.

    Examples
    --------
    >>> import math
    >>> from streamad.faces import RiverFace
    >>> model = RiverFace("ewma", {"warm_up": 20})
    >>> for t in range(200):
    ...     x = {"flow": math.sin(t * 0.3), "level": math.cos(t * 0.3)}
    ...     score = model.score_one(x)
    ...     model.learn_one(x)
    >>> model.score_one({"flow": 0.0, "level": 8.0}) > 5 * score
    True

    In a pipeline, here with the threshold of river that keeps the top share of scores:

    >>> from river import anomaly, preprocessing
    >>> model = preprocessing.StandardScaler() | anomaly.QuantileFilter(
    ...     RiverFace("ewma", {"warm_up": 20}), q=0.99)
    >>> for t in range(200):
    ...     model.learn_one({"flow": math.sin(t * 0.3)})
    >>> model["QuantileFilter"].classify(model.score_one({"flow": 8.0}))
    True

    """

    def __init__(
        self,
        detector: str = "fusion",
        params: Mapping[str, Any] | None = None,
        features: Sequence[FeatureName] | None = None,
    ) -> None:
        make_detector(detector, params)
        self.detector = detector
        self.params = params
        self.features = features
        self._features: list[FeatureName] = []
        self._series: OneSeries | None = None

    def learn_one(self, x: Mapping[FeatureName, Any]) -> None:
        """Take the row that comes next.

        Parameters
        ----------
        x
            Values by feature.

        """
        if self._series is None:
            features = sorted(x if self.features is None else self.features, key=str)
            self._series = OneSeries(self.detector, self.params, [str(name) for name in features])
            self._features = features
        self._series.step(self._row(x))

    def score_one(self, x: Mapping[FeatureName, Any]) -> float:
        """How strange a row would be if it came next; the model does not change.

        Parameters
        ----------
        x
            Values by feature.

        Returns
        -------
        Higher is stranger; 0.0 if it is not judged.

        """
        if self._series is None:
            return 0.0
        score = float(self._series.score(self._row(x))[0])
        return 0.0 if math.isnan(score) else score

    def _row(self, x: Mapping[FeatureName, Any]) -> Floats:
        given = (x.get(name) for name in self._features)
        return np.array([[math.nan if value is None else float(value) for value in given]])
