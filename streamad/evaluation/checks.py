"""Labels and scores as every metric here takes them: checked once, NaN resolved once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamad.core.data import Flags, Floats, Ints
from streamad.core.errors import ConfigError, ShapeError

_REMEDY = "pass one number a row, as a flat array"


def checked_labels(labels: ArrayLike, *, name: str = "labels") -> Flags:
    """Labels as a flat bool array.

    Parameters
    ----------
    labels : array_like (n,)
        0 or 1 (or bool) a row.
    name : str
        What the message calls them.

    Returns
    -------
    bool (n,)

    Raises
    ------
    ShapeError
        Not flat, empty, or a value other than 0 and 1.
    """
    given = _flat(labels, name)
    if given.dtype == np.bool_:
        return given
    flags = given == 1
    if not np.all(flags | (given == 0)):
        strange = given[~(flags | (given == 0))][0]
        raise ShapeError(
            f"{name} must be 0 or 1 in every row, got {strange!r}: map the classes to 0 and 1"
        )
    return np.asarray(flags, np.bool_)


def checked(labels: ArrayLike, scores: ArrayLike) -> tuple[Flags, Floats]:
    """Labels as bool and scores as float64 of the same length, without NaN.

    Parameters
    ----------
    labels : array_like (n,)
        0 or 1 a row.
    scores : array_like (n,)
        Higher is stranger; NaN (not judged) gets the lowest score of the series.

    Returns
    -------
    labels : bool (n,)
    scores : float64 (n,)
        The argument itself where it needed no change; never written to.

    Raises
    ------
    ShapeError
        Not flat, empty, not numbers, of different lengths, or labels other than 0 and 1.
    """
    flags, given = checked_labels(labels), _flat(scores, "scores")
    _same_length(flags, given, "scores")
    numbers = np.asarray(given, np.float64)
    missing = np.isnan(numbers)
    if missing.any():
        judged = numbers[~missing]
        numbers = np.where(missing, judged.min() if judged.size else 0.0, numbers)
    return flags, numbers


def checked_flags(labels: ArrayLike, flags: ArrayLike) -> tuple[Flags, Flags]:
    """Labels and flags (alarm rows) as bool arrays of the same length.

    Parameters
    ----------
    labels, flags : array_like (n,)
        0 or 1 a row.

    Returns
    -------
    labels, flags : bool (n,)

    Raises
    ------
    ShapeError
        Not flat, empty, of different lengths, or values other than 0 and 1.
    """
    truth, alarms = checked_labels(labels), checked_labels(flags, name="flags")
    _same_length(truth, alarms, "flags")
    return truth, alarms


def check_n_thresholds(n_thresholds: int) -> None:
    """Whether there are as many thresholds as the kernels can count.

    Parameters
    ----------
    n_thresholds : int

    Raises
    ------
    ConfigError
        Fewer than 2 or more than 30 000.
    """
    if not 2 <= n_thresholds <= 30_000:
        raise ConfigError(
            f"n_thresholds must lie in 2..30000, got {n_thresholds!r}: "
            "leave it out for that of the TSB-AD benchmark"
        )


def segments(labels: Flags) -> tuple[Ints, Ints]:
    """Maximal runs of True as half-open ranges.

    Parameters
    ----------
    labels : bool (n,)

    Returns
    -------
    starts, stops : int64 (A,)
        ``labels[start:stop]`` is all True.

    Examples
    --------
    >>> segments(np.array([True, False, True, True]))
    (array([0, 2]), array([1, 4]))
    """
    steps = np.diff(labels, prepend=False, append=False)
    edges = np.flatnonzero(steps)
    return edges[::2].copy(), edges[1::2].copy()


def _flat(values: ArrayLike, name: str) -> NDArray[Any]:
    array = np.asarray(values, order="C")
    if array.ndim != 1 or array.size == 0:
        raise ShapeError(
            f"{name} must have the shape (n,) with n >= 1, got {array.shape}: {_REMEDY}"
        )
    if array.dtype.kind not in "biuf":
        raise ShapeError(f"{name} must be numbers, got dtype {array.dtype}: {_REMEDY}")
    return array


def _same_length(labels: Flags, other: NDArray[Any], name: str) -> None:
    if len(labels) != len(other):
        raise ShapeError(
            f"{name} must have one value a label, got {len(other)} for {len(labels)} labels: "
            "score all rows of the series (NaN where not judged)"
        )
