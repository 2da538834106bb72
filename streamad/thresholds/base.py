"""What thresholds with state share, and the check of their parameters."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np

from streamad.core.data import Arrays, Codes, Floats
from streamad.core.errors import ConfigError, NotFittedError, ShapeError
from streamad.core.slab import Layout, Slab


class SlabThreshold(ABC):
    """A threshold that learns from each series' own scores, row by row; its state is one slab.

    A score that is NaN is neither judged nor learned; its line is that of the series at the time.
    """

    def admit(self, slots: Codes) -> None:
        """Start these series with fresh state."""
        self._slab.admit(slots)

    def step(self, slots: Codes, scores: Floats) -> Floats:
        """Alarm line valid for each row, then learn the row; NaN while there is none.

        Raises
        ------
        ShapeError
            If there is not one score a slot.
        NotFittedError
            For a slot that was never admitted.
        """
        if slots.shape != scores.shape or slots.ndim != 1:
            raise ShapeError(
                f"a threshold takes one score a slot, got {scores.shape} scores and {slots.shape} "
                "slots"
            )
        if len(slots) and int(slots.max()) >= len(self._slab):
            raise NotFittedError(
                f"slot {int(slots.max())} was never admitted ({len(self._slab)} are): call "
                "admit(slots) first"
            )
        lines = np.empty(len(scores))
        self._pass(np.ascontiguousarray(slots), np.ascontiguousarray(scores), lines)
        return lines

    def snapshot(self) -> Arrays:
        """Owned arrays that hold the whole state."""
        return self._slab.snapshot()

    def restore(self, snapshot: Arrays) -> None:
        """Behave as if never stopped since the snapshot."""
        self._slab.restore(snapshot)

    @property
    def bytes_per_series(self) -> int:
        """Bytes of state of one series."""
        return self._slab.bytes_per_slot

    @cached_property
    def _slab(self) -> Slab:
        return Slab(self._layout())

    @abstractmethod
    def _layout(self) -> Layout:
        """State of one series."""

    @abstractmethod
    def _pass(self, slots: Codes, scores: Floats, lines: Floats) -> None:
        """Write the line of each row, learning row by row."""


def require(
    owner: str,
    name: str,
    value: Any,
    wanted: str,
    *,
    above: float = -math.inf,
    below: float = math.inf,
) -> None:
    """Raise ConfigError unless ``above < value < below``."""
    if not _is_number(value) or not above < value < below:
        raise ConfigError(f"{owner}: {name} must be {wanted}, got {value!r}")


def require_count(owner: str, name: str, value: Any, least: int, why: str = "") -> None:
    """Raise ConfigError unless the value is a whole number of at least ``least``."""
    if not _is_number(value) or value != int(value):
        raise ConfigError(f"{owner}: {name} must be a whole number, got {value!r}")
    if value < least:
        raise ConfigError(f"{owner}: {name} must be at least {least}{why}, got {value!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
