"""Sizes of networks and lengths of fits, known without torch."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class AutoencoderConfig:
    """Sizes of the network.

    Attributes
    ----------
    length : int
        Rows of a window, L.
    channels : int
        C; the network sees D = L C numbers, row by row.
    patch : int
        Rows that are masked together; divides ``length``.
    passes : int
        Complementary masks: patch p is hidden in pass ``p % passes``.
    hidden : int
        Width H of the two hidden layers.
    code : int
        Width K of the bottleneck.
    """

    length: int = 64
    channels: int = 1
    patch: int = 8
    passes: int = 4
    hidden: int = 32
    code: int = 8

    @property
    def size(self) -> int:
        """Numbers of a window, D."""
        return self.length * self.channels

    @property
    def patches(self) -> int:
        """Patches of a window, P."""
        return self.length // self.patch

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Weights and biases in the order of the flat vector."""
        widths = (self.size, self.hidden, self.code, self.hidden, self.size)
        return tuple(
            shape
            for fan_in, fan_out in pairwise(widths)
            for shape in ((fan_in, fan_out), (1, fan_out))
        )

    @property
    def n_weights(self) -> int:
        """Length of the flat vector."""
        return sum(a * b for a, b in self.shapes)


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How long and how fast.

    Attributes
    ----------
    steps, batch : int
        Optimiser steps, and windows in each.
    rate : float
        Largest learning rate; it falls to 0 along half a cosine.
    trim : float
        Share of the windows that fit worst and are left out of the second half of the steps.
    """

    steps: int = 200
    batch: int = 32
    rate: float = 3e-3
    trim: float = 0.05
