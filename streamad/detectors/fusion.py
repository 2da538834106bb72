"""Fusion: the default detector, nine members on one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from streamad.detectors.base import DetectorInfo, require
from streamad.detectors.recipe.component import Component
from streamad.detectors.recipe.detector import MemberDetector
from streamad.detectors.recipe.series import Use

Preset = Literal["default", "fast", "small"]
PRESETS: tuple[Preset, ...] = get_args(Preset)


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a preset spends.

    Attributes
    ----------
    kernels, short_kernels : int
        Random convolutions at the window and at a quarter of it; 0 = member left out.
    memory : int
        Samples that the neighbour members search; 0 = left out.
    dims : int
        Numbers of a window that the subspace looks at, about.
    least_hop : int
        Rows between two windows of convolutions and subspace, at least.
    """

    kernels: int
    short_kernels: int
    memory: int
    dims: int
    least_hop: int = 1


SIZES: Mapping[str, Sizes] = {
    "default": Sizes(kernels=96, short_kernels=48, memory=4096, dims=512),
    "small": Sizes(kernels=32, short_kernels=24, memory=1024, dims=128, least_hop=2),
    "fast": Sizes(kernels=48, short_kernels=0, memory=0, dims=128, least_hop=2),
}

USES: Mapping[str, Use] = {
    "convolutions_short": Use(final=False),
    "neighbor_half": Use(final=False),
    "forecast": Use(weight=1.5),
    "level": Use(weight=1.5),
    "waking": Use(plain=True),
}
"""Outputs that differ from the plain member: weight 1, causal and final."""


class Fusion(MemberDetector):
    """Nine label-free views of a series as one score; the default detector.

    Parameters
    ----------
    preset : str
        ``default``; ``small`` for very many series (a quarter of the memory); ``fast`` (without
        neighbours: a tenth of the time, weaker on shapes).
    warm_up : int or str
        First rows of a series that fit scales, windows and normalisers and are not judged: a count
        (32 or more; 1 000 or more is advised, below 500 expect a quarter less accuracy), or a
        duration in event time (``"7d"``; at least 32 and at most 100 000 rows).
    keep_prefix : bool
        Keep the in-sample scores of the warm-up rows, see :meth:`prefix_scores` (for evaluation).

    Notes
    -----
    Members: random convolutions with a Mahalanobis distance at two windows, residual outside the
    principal subspace of a window, ridge forecast, level, channels that wake up, and for one
    channel left nearest neighbours at half, one and four windows. The window follows the period
    found in the warm-up. Each score is standardised by its own running mean and deviation,
    negative ones count as 0, large ones logarithmically. Causal score: mean of power 1.5; final
    score: root mean square of the members' scores averaged over the windows that cover a row, so
    its lag is at most 257 rows and differs by series. 0 = ordinary.

    A missing value stands for the last one; a row without any value is not judged. A gap longer
    than a window looks like a flat line. Shares: those of the members, weighted by their squared
    standardised scores. State at one channel: about 450 kB (``small`` 130, ``fast`` 55). Series are
    worked on in parallel, as many threads as numba would use; results do not depend on it.

    References
    ----------
    Dempster, Petitjean and Webb (2020), "ROCKET" (random convolutions); Yeh et al. (2016), "Matrix
    profile I" (left neighbours); Aggarwal and Sathe (2015), "Theoretical foundations and
    algorithms for outlier ensembles" (standardise, then combine). The combination is our own.

    Examples
    --------
    >>> import numpy as np, streamad
    >>> wave = np.sin(np.arange(3000) * 0.25)
    >>> wave[2000:2020] = wave[2000]
    >>> scored = streamad.score(wave, warm_up=1000)
    >>> 1990 < int(np.nanargmax(scored.final)) < 2030
    True
    """

    info: ClassVar[DetectorInfo] = DetectorInfo(
        kind="fusion",
        summary="whatever its nine members find strange, each on its own scale",
        cost_us=13.0,
        explains=True,
    )

    def __init__(
        self,
        preset: Preset = "default",
        warm_up: int | str = 1000,
        keep_prefix: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        require(
            preset in PRESETS, f"fusion: preset must be one of {', '.join(PRESETS)}, got {preset!r}"
        )
        self.preset = preset
        self.warm_up = warm_up
        self.keep_prefix = keep_prefix
        self._set_warm_up(warm_up)

    def components(self, n_channels: int) -> Sequence[Component]:
        """Members for so many channels."""
        return recipe(n_channels, SIZES[self.preset])

    def use(self, output: str) -> Use:
        """Weight of a member, and which score it takes part in."""
        return USES.get(output, Use())


def recipe(n_channels: int, sizes: Sizes) -> list[Component]:
    """Components of the fusion."""
    from streamad.detectors.recipe.convolutions import Convolutions
    from streamad.detectors.recipe.level import Level
    from streamad.detectors.recipe.neighbor import Neighbor
    from streamad.detectors.recipe.ridge import Ridge
    from streamad.detectors.recipe.subspace import Subspace
    from streamad.detectors.recipe.waking import Waking

    hop = sizes.least_hop
    made: list[Component] = [
        Convolutions("convolutions", kernels=sizes.kernels, seed=6, least_hop=hop)
    ]
    if sizes.short_kernels:
        n = sizes.short_kernels
        made.append(
            Convolutions("convolutions_short", kernels=n, seed=5, short=True, least_hop=hop)
        )
    made.append(Subspace(dims=sizes.dims, least_hop=hop))
    if sizes.memory and n_channels == 1:
        m = sizes.memory
        made += [
            Neighbor(("neighbor_shape", "neighbor"), 1.0, m, spread=True),
            Neighbor(("neighbor_shape_half", "neighbor_half"), 0.5, m),
            Neighbor(("neighbor_long",), 4.0, m, spread=True),
        ]
    return [*made, Waking(), Ridge(), Level()]
