"""What all built-in detectors share: parameters, state in a slab, the fixed-lag score."""

from __future__ import annotations

import hashlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntFlag
from typing import Any, ClassVar, Self

import numpy as np

from streamad.core.data import Arrays, Codes, Floats, Scores, Windows, WindowSpec
from streamad.core.errors import ConfigError, NotFittedError, ShapeError
from streamad.core.slab import Layout, Slab

SCALINGS = ("none", "robust", "ew")
"""What a window may be scaled by, see :class:`streamad.core.data.WindowSpec`."""


@dataclass(frozen=True, slots=True)
class DetectorInfo:
    """What a user wants to know before choosing a detector.

    Attributes
    ----------
    kind : str
        Family, one or two words.
    summary : str
        One plain sentence: what it finds strange.
    cost_us : float
        Microseconds of one core per row at one channel and default parameters, measured.
    explains : bool
        True if it gives channel shares.
    extra : str or None
        The extra it needs.
    """

    kind: str
    summary: str
    cost_us: float
    explains: bool = False
    extra: str | None = None


class Work(IntFlag):
    """What a pass over windows does."""

    SCORE = 1
    LEARN = 2
    STEP = 3


class Parametrised(ABC):
    """Constructor arguments kept as attributes of the same name, as scikit-learn wants them.

    Everything a detector is before it has seen data: parameters, the windows it wants, a
    description.
    """

    info: ClassVar[DetectorInfo]
    window: WindowSpec
    channels_: tuple[str, ...] = ()

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002
        """Constructor arguments by name (``deep`` is accepted for scikit-learn's sake)."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def clone(self) -> Self:
        """A new detector with the same parameters and no state."""
        return type(self)(**self.get_params())

    def __repr__(self) -> str:
        given = inspect.signature(type(self)).parameters
        shown = ", ".join(
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if value != given[name].default
        )
        return f"{type(self).__name__}({shown})"

    @property
    def n_channels(self) -> int:
        """Channels it was opened for.

        Raises
        ------
        NotFittedError
            Before ``open``.
        """
        if not self.channels_:
            raise NotFittedError(
                f"{type(self).__name__} has no state yet: call open(channels) and admit(codes, "
                "names) first, or use streamad.score"
            )
        return len(self.channels_)

    @property
    def explains(self) -> bool:
        """True if scores of several channels come with shares."""
        return self.info.explains

    @property
    def part_names(self) -> tuple[str, ...]:
        """Members of its causal score, the columns of ``Scores.parts``; () = it has none."""
        return ()

    @property
    def part_weights(self) -> tuple[float, ...]:
        """Weights of the members' squares in the score; () = all the same."""
        return ()

    @property
    def reasons(self) -> Mapping[str, str]:
        """By member, what it finds strange in one plain clause."""
        return {}

    @property
    @abstractmethod
    def n_series(self) -> int:
        """Slots in use."""

    def _open(self, channels: Sequence[str]) -> None:
        if not channels:
            raise ConfigError(f"{type(self).__name__} needs at least one channel, got none")
        self.channels_ = tuple(channels)

    def _check(self, windows: Windows) -> None:
        expected = (len(windows.codes), self.window.length, self.n_channels)
        if windows.values.shape != expected:
            raise ShapeError(
                f"{type(self).__name__} takes windows of shape {expected} (windows, length, "
                f"channels), got {windows.values.shape}"
            )
        if len(windows) and int(windows.codes.max()) >= self.n_series:
            raise NotFittedError(
                f"code {int(windows.codes.max())} was never admitted ({self.n_series} series "
                "are): call admit(codes, names) first"
            )


class SlabDetector(Parametrised):
    """A detector whose state is one slab.

    Subclasses keep constructor arguments as attributes of the same name, set ``window``, and
    implement :meth:`_layout` and :meth:`_pass`.

    Notes
    -----
    The final score of a window end is the mean of the causal scores of all windows that cover its
    last row: ``ceil(length / hop)`` of them, so the lag is one window end less.
    """

    @property
    def lag(self) -> int:
        """Lag of the final score in window ends."""
        return -(-self.window.length // self.window.hop) - 1

    @property
    def n_series(self) -> int:
        """Slots in use."""
        return len(self.slab)

    @property
    def slab(self) -> Slab:
        """The live state.

        Raises
        ------
        NotFittedError
            Before :meth:`open`.
        """
        _ = self.n_channels
        return self._slab

    def open(self, channels: Sequence[str]) -> None:
        """Allocate for windows with these channels."""
        self._open(channels)
        self._slab = Slab({**self._layout(len(channels)), **self._overlap_layout()})

    def admit(self, codes: Codes, names: Sequence[str]) -> None:
        """Start these series with fresh state."""
        one_name_each(codes, names)
        self.slab.admit(codes)
        self._seed(codes, names)

    def score(self, windows: Windows) -> Scores:
        """Causal scores against the present state; changes nothing."""
        self._check(windows)
        return self._pass(windows, Work.SCORE, np.empty(len(windows)))

    def learn(self, windows: Windows, scores: Scores) -> None:
        """Take windows, with the causal scores they got, into the state."""
        self._check(windows)
        causal = scores.causal.copy()
        self._pass(windows, Work.LEARN, causal)
        self._overlap(windows.codes, causal)

    def step(self, windows: Windows) -> Scores:
        """Score then learn, window by window."""
        self._check(windows)
        scores = self._pass(windows, Work.STEP, np.empty(len(windows)))
        final = self._overlap(windows.codes, scores.causal)
        return replace(scores, final=final)

    def close(self, codes: Codes) -> tuple[Codes, Floats]:
        """Final scores still owed to these series, oldest first."""
        if self.lag == 0:
            return np.empty(0, np.int32), np.empty(0)
        from streamad.kernels.overlap import overlap_tail

        recent, count = self.slab["overlap_recent"], self.slab["overlap_count"]
        out = np.empty(self.lag)
        owed: list[Floats] = []
        for code in codes:
            n = overlap_tail(recent[code], int(count[code]), out)
            owed.append(out[:n].copy())
        repeated = np.repeat(codes, [len(part) for part in owed]).astype(np.int32)
        return repeated, np.concatenate(owed) if owed else np.empty(0)

    def snapshot(self) -> Arrays:
        """Owned arrays that hold the whole state."""
        return self.slab.snapshot()

    def restore(self, snapshot: Arrays) -> None:
        """Behave as if never stopped since the snapshot."""
        self.slab.restore(snapshot)

    def state_bytes(self, n_channels: int = 1) -> int:
        """Bytes of state per series."""
        return Slab({**self._layout(n_channels), **self._overlap_layout()}).bytes_per_slot

    @abstractmethod
    def _layout(self, n_channels: int) -> Layout:
        """State of one series."""

    @abstractmethod
    def _pass(self, windows: Windows, work: Work, causal: Floats) -> Scores:
        """One pass over the windows in order.

        With ``Work.SCORE`` write ``causal`` and leave the state alone; with ``Work.LEARN`` read
        ``causal`` and update the state; with ``Work.STEP`` do both, window by window.
        """

    def _seed(self, codes: Codes, names: Sequence[str]) -> None:
        """Give chance its seed by series name; nothing to do by default."""

    def _overlap_layout(self) -> Layout:
        if self.lag == 0:
            return {}
        return {
            "overlap_recent": ((self.lag + 1,), np.float64, np.nan),
            "overlap_count": ((), np.int64, 0),
        }

    def _overlap(self, codes: Codes, causal: Floats) -> Floats:
        if self.lag == 0:
            return causal.copy()
        from streamad.kernels.overlap import overlap_mean

        final = np.empty(len(codes))
        overlap_mean(codes, causal, self.slab["overlap_recent"], self.slab["overlap_count"], final)
        return final


def series_rng(seed: int, name: str) -> np.random.Generator:
    """Generator that depends on the seed and the name of a series, and on nothing else."""
    digest = np.frombuffer(hashlib.sha256(name.encode()).digest(), np.uint32)
    return np.random.default_rng(np.random.SeedSequence([seed, *digest.tolist()]))


def one_name_each(codes: Codes, names: Sequence[str]) -> None:
    """Raise ShapeError unless there are as many names as codes."""
    if len(codes) != len(names):
        raise ShapeError(f"{len(codes)} codes came with {len(names)} names: give one name each")


def require(ok: bool, message: str) -> None:  # noqa: FBT001
    """Raise ConfigError with the message unless ok."""
    if not ok:
        raise ConfigError(message)
