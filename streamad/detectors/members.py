"""The members of the fusion, each as a detector of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, get_args

from streamad.detectors.base import DetectorInfo, require
from streamad.detectors.recipe.component import Component
from streamad.detectors.recipe.detector import MemberDetector
from streamad.detectors.recipe.series import Use

Form = Literal["level", "shape"]
FORMS: tuple[Form, ...] = get_args(Form)


class _WarmUpAlone(MemberDetector):
    """A member that has no parameter of its own."""

    def __init__(self, warm_up: int | str = 1000) -> None:
        self.warm_up = warm_up
        self._set_warm_up(warm_up)


class Convolutions(MemberDetector):
    """How unusual the answers of random convolutions to the last window are.

    Parameters
    ----------
    kernels : int
        Random convolutions, of 3, 5 and 9 taps.
    short : bool
        Look at a quarter of the series' window.
    seed : int
        Of the convolutions, the same for every series.
    warm_up : int or str
        Rows of a series, or their duration, that fit scale and window and are not judged.

    Notes
    -----
    Two features a convolution (positive part, log-energy) over the window; Mahalanobis distance
    from what was learned, standardised by its own running mean and deviation: 0 = ordinary. The
    final score is its mean over the windows that cover a row.

    References
    ----------
    Dempster, Petitjean and Webb (2020), "ROCKET". The distance is our own.

    Examples
    --------
    >>> Convolutions(kernels=32).part_names
    ('convolutions',)
    """

    info: ClassVar[DetectorInfo] = DetectorInfo(
        kind="convolutions",
        summary="a window to which random convolutions answer in an unusual way",
        cost_us=3.6,
        explains=True,
    )

    def __init__(
        self,
        kernels: int = 96,
        short: bool = False,  # noqa: FBT001, FBT002
        seed: int = 6,
        warm_up: int | str = 1000,
    ) -> None:
        require(1 <= kernels <= 1024, f"convolutions: kernels must lie in 1..1024, got {kernels!r}")
        self.kernels = kernels
        self.short = short
        self.seed = seed
        self.warm_up = warm_up
        self._set_warm_up(warm_up)

    def components(self, n_channels: int) -> Sequence[Component]:  # noqa: ARG002
        """One member."""
        from streamad.detectors.recipe import convolutions

        return [
            convolutions.Convolutions(
                "convolutions", kernels=self.kernels, seed=self.seed, short=self.short
            )
        ]


class Subspace(MemberDetector):
    """How far the last window lies outside the principal subspace of the warm-up's windows.

    Parameters
    ----------
    dims : int
        Numbers, about, that stand for a window over all channels; longer ones are thinned out.
    warm_up : int or str
        Rows of a series, or their duration, that fit scale, window and subspace and are not judged.

    Notes
    -----
    The subspace holds 95 % of the variance and is frozen, the mean goes on learning. Score and
    final score as in :class:`Convolutions`.

    References
    ----------
    Jackson and Mudholkar (1979), "Control procedures for residuals associated with principal
    component analysis", on flattened windows.

    Examples
    --------
    >>> Subspace(dims=128).part_names
    ('subspace',)
    """

    info: ClassVar[DetectorInfo] = DetectorInfo(
        kind="subspace",
        summary="a window outside the space that ordinary windows span",
        cost_us=0.4,
        explains=True,
    )

    def __init__(self, dims: int = 512, warm_up: int | str = 1000) -> None:
        require(8 <= dims <= 4096, f"subspace: dims must lie in 8..4096, got {dims!r}")
        self.dims = dims
        self.warm_up = warm_up
        self._set_warm_up(warm_up)

    def components(self, n_channels: int) -> Sequence[Component]:  # noqa: ARG002
        """One member."""
        from streamad.detectors.recipe import subspace

        return [subspace.Subspace(dims=self.dims)]


class Ridge(_WarmUpAlone):
    """How far a row lies from its forecast out of the last four rows of all channels.

    Parameters
    ----------
    warm_up : int or str
        Rows of a series, or their duration, that fit scale and forecast and are not judged.

    Notes
    -----
    Root mean square over the channels of the residual in deviations, each at most 10, standardised
    by its own running mean and deviation. The forecast is fitted anew every 512 rows. The final
    score is the causal one. Gives the expected values.

    References
    ----------
    Hoerl and Kennard (1970), "Ridge regression", on a vector autoregression of order 4.

    Examples
    --------
    >>> Ridge().part_names
    ('forecast',)
    """

    info: ClassVar[DetectorInfo] = DetectorInfo(
        kind="forecast",
        summary="a row far from its forecast out of the last four",
        cost_us=0.3,
        explains=True,
    )

    def components(self, n_channels: int) -> Sequence[Component]:  # noqa: ARG002
        """One member."""
        from streamad.detectors.recipe import ridge

        return [ridge.Ridge()]


class Level(_WarmUpAlone):
    """How far the most unusual channel lies from its mean so far.

    Parameters
    ----------
    warm_up : int or str
        Rows of a series, or their duration, that fit scale and level and are not judged.

    Notes
    -----
    Distance from the running mean in running deviations, of the worst channel, standardised. The
    final score is the causal one.

    References
    ----------
    Shewhart (1931), with the running moments of Welford (1962).

    Examples
    --------
    >>> Level().part_names
    ('level',)
    """

    info: ClassVar[DetectorInfo] = DetectorInfo(
        kind="level",
        summary="a value far from its mean so far",
        cost_us=0.25,
        explains=True,
    )

    def components(self, n_channels: int) -> Sequence[Component]:  # noqa: ARG002
        """One member."""
        from streamad.detectors.recipe import level

        return [level.Level()]


class Waking(_WarmUpAlone):
    """How new the movement of a channel is that stood still during the warm-up.

    Parameters
    ----------
    warm_up : int or str
        Rows of a series, or their duration, in which a channel has to stand still.

    Notes
    -----
    Distance of (mean, log-spread) of the last 64 rows to the two nearest among 8 windows of the
    warm-up and the latest 256; a movement seen before is no news. Always 0 where every channel
    moves in the warm-up. The final score is its mean over the windows that cover a row.

    References
    ----------
    Our own; the distance is that of Ramaswamy, Rastogi and Shim (2000), "Efficient algorithms for
    mining outliers from large data sets".

    Examples
    --------
    >>> Waking().part_names
    ('waking',)
    """

    info: ClassVar[DetectorInfo] = DetectorInfo(
        kind="waking",
        summary="a channel that stood still moves in a new way",
        cost_us=0.25,
        explains=True,
    )

    def components(self, n_channels: int) -> Sequence[Component]:  # noqa: ARG002
        """One member."""
        from streamad.detectors.recipe import waking

        return [waking.Waking()]

    def use(self, output: str) -> Use:  # noqa: ARG002
        """Its score counts as it is: 0 = nothing new."""
        return Use(plain=True)


class Neighbor(MemberDetector):
    """How far the last window lies from the most similar one of the recent past.

    Parameters
    ----------
    form : str
        ``level``: windows are compared after removing their mean; ``shape``: after removing,
        softly, their spread, too.
    span : float
        Window in units of the series' window.
    memory : int
        Samples that are searched.
    warm_up : int or str
        Rows of a series, or their duration, that fit scale and window, fill the memory, and are
        not judged.

    Notes
    -----
    A neighbour that was itself odd counts as far. With several channels each is searched by
    itself, and their standardised scores are joined like those of members. Final score: ``level``:
    attributed to the rows that make the distance up; ``shape``: mean over the windows that cover a
    row. Cost: about 0.7 us per 1 000 samples and channel.

    References
    ----------
    Yeh et al. (2016), "Matrix profile I"; Lu et al. (2022), "Matrix profile XXIV" (left
    neighbours on a stream).

    Examples
    --------
    >>> import numpy as np, streamad
    >>> wave = np.sin(np.arange(3000) * 0.25)
    >>> wave[2000:2020] = wave[2000]
    >>> scored = streamad.score(wave, detector="neighbor")
    >>> 1990 < int(np.nanargmax(scored.final)) < 2030
    True
    """

    info: ClassVar[DetectorInfo] = DetectorInfo(
        kind="neighbours",
        summary="a window like nothing in the recent past",
        cost_us=2.5,
        explains=True,
    )

    def __init__(
        self,
        form: Form = "level",
        span: float = 1.0,
        memory: int = 4096,
        warm_up: int | str = 1000,
    ) -> None:
        require(form in FORMS, f"neighbor: form must be one of {', '.join(FORMS)}, got {form!r}")
        require(0.25 <= span <= 4, f"neighbor: span must lie in 0.25..4, got {span!r}")
        require(64 <= memory <= 65_536, f"neighbor: memory must lie in 64..65536, got {memory!r}")
        self.form = form
        self.span = span
        self.memory = memory
        self.warm_up = warm_up
        self._set_warm_up(warm_up)

    def components(self, n_channels: int) -> Sequence[Component]:
        """One member a channel."""
        from streamad.detectors.recipe import neighbor

        names = ["neighbor"] if n_channels == 1 else [f"neighbor_{c}" for c in range(n_channels)]
        return [
            neighbor.Neighbor(
                (f"{name}_shape", name) if self.form == "shape" else (name,),
                self.span,
                self.memory,
                spread=self.form == "level",
                channel=c,
            )
            for c, name in enumerate(names)
        ]

    def use(self, output: str) -> Use:
        """The normalised distance counts where it is asked for, else the centred one."""
        used = self.form == "level" or "shape" in output
        return Use(causal=used, final=used)
