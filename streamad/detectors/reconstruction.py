"""Reconstruction: windows that a masked autoencoder of the series cannot restore."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from streamad.core.data import Arrays, Codes, Flags, Floats, Ints, Scores, Windows, WindowSpec
from streamad.core.errors import ConfigError, NotFittedError, StateError
from streamad.core.slab import Layout
from streamad.detectors.base import DetectorInfo, SlabDetector, Work, require, series_rng
from streamad.detectors.deep import mapped, needs_torch

if TYPE_CHECKING:
    from streamad.models.config import AutoencoderConfig

PATCH = 8
"""Rows that are hidden together."""
KIND = "masked autoencoder"
_CLIP, _FAR = 3.0, 1e6


class Reconstruction(SlabDetector):
    """Error of a dense masked-patch autoencoder, each patch against its own ordinary error.

    Parameters
    ----------
    length : int
        Rows of a window; a multiple of 8, at least 32.
    hop : int
        Rows between two windows; the cost per row falls with it.
    warm_up : int
        Windows of a series that are learned but not judged. The network is fitted to them, or, with
        ``model``, only the ordinary errors are.
    hidden : int
        Width of the hidden layers; the bottleneck is an eighth of the window or a quarter of this.
    steps : int
        Optimiser steps of the fit.
    rate : float
        Weight of the newest error in the ordinary one.
    seed : int
        Together with the name of a series it decides weights and batches.
    model : str or None
        Folder of a model written by :meth:`save_model`; its frozen weights serve all series.
    device : str
        ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    MissingExtraError
        On ``open``, without torch.
    ConfigError
        A parameter out of range, or a device that is not there.
    StateError
        A model folder that is damaged or made for other windows.

    Notes
    -----
    Every patch of 8 rows is restored while it is hidden, in 4 passes with complementary masks.
    Causal score: root mean square over the patches of error / ordinary error. Final score: the
    ratios of the patches that hold a row, averaged over all windows that cover it; lag
    ``length / hop - 1`` window ends. State: the weights, the warm-up windows and the ordinary
    errors. Windows of all series run in one padded batch of fixed size; on a CPU the scores do not
    depend on how the stream is cut or on other series. Thread rule: one thread at a time.

    References
    ----------
    Masked patches: He et al. (2022), "Masked autoencoders are scalable vision learners"; averaging
    over windows: Malhotra et al. (2016). The ordinary error per patch position is our own.
    """

    info: ClassVar[DetectorInfo] = DetectorInfo(
        kind="autoencoder",
        summary="a window that its own past does not teach to restore",
        cost_us=1.0,
        explains=True,
        extra="deep",
    )

    def __init__(
        self,
        length: int = 64,
        hop: int = 4,
        warm_up: int = 192,
        hidden: int = 32,
        steps: int = 300,
        rate: float = 0.002,
        seed: int = 0,
        model: str | None = None,
        device: Literal["auto", "cpu", "cuda"] = "auto",
    ) -> None:
        require(
            length >= 32 and length % PATCH == 0,
            f"reconstruction: length should be a multiple of {PATCH}, at least 32, got {length!r}",
        )
        require(1 <= hop <= length, f"reconstruction: hop must lie in 1..{length}, got {hop!r}")
        require(warm_up >= 16, f"reconstruction: warm_up needs at least 16 windows, got {warm_up}")
        require(hidden >= 4, f"reconstruction: hidden needs at least 4 units, got {hidden!r}")
        require(steps >= 0, f"reconstruction: steps must not be negative, got {steps!r}")
        require(0 < rate <= 1, f"reconstruction: rate must lie in (0, 1], got {rate!r}")
        self.length = length
        self.hop = hop
        self.warm_up = warm_up
        self.hidden = hidden
        self.steps = steps
        self.rate = rate
        self.seed = seed
        self.model = model
        self.device = device
        self.window = WindowSpec(length=length, hop=hop, scaling="robust")

    def open(self, channels: Sequence[str]) -> None:
        """Allocate for windows with these channels; load the model, choose the device."""
        with needs_torch("the detector 'reconstruction'"):
            from streamad.models.autoencoder import errors
            from streamad.models.runner import BatchRunner
        config = self._network(len(channels))
        self._shared, self._digest = self._load(config)
        with mapped(ConfigError, "reconstruction"):
            self._runner = BatchRunner(partial(errors, config), device=self.device)
        super().open(channels)

    def learn(self, windows: Windows, scores: Scores) -> None:  # noqa: ARG002
        """Take windows into the state; the errors of their patches are computed anew."""
        self._check(windows)
        self._run(windows, Work.LEARN)

    def step(self, windows: Windows) -> Scores:
        """Score then learn, window by window."""
        self._check(windows)
        return self._run(windows, Work.STEP)

    def close(self, codes: Codes) -> tuple[Codes, Floats]:
        """Final scores still owed to these series, oldest first."""
        from streamad.kernels.restoration import covering_mean

        recent, count = self.slab["recent"], self.slab["count"]
        owed: list[float] = []
        repeated: list[int] = []
        for code in codes.tolist():
            now = int(count[code])
            for start in range(max(0, now - self.lag), now):
                owed.append(covering_mean(recent[code], now, start, PATCH, self.hop))
                repeated.append(code)
        return np.array(repeated, np.int32), np.array(owed)

    def snapshot(self) -> Arrays:
        """Owned arrays that hold the whole state, and the digest of a shared model."""
        return super().snapshot() | {"model": self._digest.copy()}

    def restore(self, snapshot: Arrays) -> None:
        """Behave as if never stopped since the snapshot.

        Raises
        ------
        StateError
            If it does not fit, or was made with another model.
        """
        if not np.array_equal(snapshot.get("model", np.empty(0)), self._digest):
            raise StateError(
                "reconstruction: the snapshot was made with another model; give that one, or "
                "start in an empty state folder"
            )
        super().restore(snapshot)

    def save_model(self, code: int, folder: str | os.PathLike[str]) -> None:
        """Write the weights of one fitted series as a model folder.

        Parameters
        ----------
        code : int
            Its slot.
        folder : path
            New or empty.

        Raises
        ------
        NotFittedError
            If the series is still warming up.
        StateError
            If the folder holds something already.
        """
        from streamad.models.store import save_model

        if self.model is not None or self.slab["learned"][code] < self.warm_up:
            raise NotFittedError(
                f"series {code} has no weights of its own: it needs {self.warm_up} windows first"
            )
        config = asdict(self._network(self.n_channels))
        with mapped(StateError, "reconstruction"):
            save_model(Path(folder), KIND, config, {"weights": self.slab["weights"][code]})

    def _layout(self, n_channels: int) -> Layout:
        config = self._network(n_channels)
        return {
            "learned": ((), np.int64, 0),
            "seed": ((4,), np.uint32, 0),
            "weights": ((0 if self.model else config.n_weights,), np.float32, 0.0),
            "kept": ((self.warm_up, config.size), np.float32, 0.0),
            "typical": ((config.patches, n_channels), np.float64, 0.0),
        }

    def _overlap_layout(self) -> Layout:
        return {
            "recent": ((self.lag + 1, self.length // PATCH), np.float64, np.nan),
            "count": ((), np.int64, 0),
        }

    def _seed(self, codes: Codes, names: Sequence[str]) -> None:
        for code, name in zip(codes.tolist(), names, strict=True):
            rng = series_rng(self.seed, name)
            self.slab["seed"][code] = rng.integers(0, 1 << 32, 4, dtype=np.uint32)

    def _pass(self, windows: Windows, work: Work, causal: Floats) -> Scores:
        scores = self._run(windows, work)
        causal[:] = scores.causal
        return scores

    def _run(self, windows: Windows, work: Work) -> Scores:
        """Keep what belongs to a warm-up, fit where one is complete, then judge the rest."""
        from streamad.kernels.restoration import restoration_pass

        config = self._network(self.n_channels)
        blank = np.asarray(np.isnan(windows.values).all(axis=(1, 2)))
        number = self.slab["learned"][windows.codes] + _occurrence(windows.codes, ~blank)
        early = ~blank & (number < self.warm_up)
        ready = ~blank & (number >= self.warm_up)
        if Work.LEARN in work:
            self._keep(windows, number, early)
            np.add.at(self.slab["learned"], windows.codes[~blank], 1)
        elif ready.any():
            ready &= self.slab["learned"][windows.codes] >= self.warm_up
        n, c = len(windows), self.n_channels
        error = np.zeros((n, config.patches, c), np.float32)
        if ready.any():
            error[ready] = self._errors(windows.values[ready], windows.codes[ready])
        explain = c > 1 and Work.SCORE in work
        shares = np.full((n, c) if explain else (0, c), 1.0 / c, np.float32)
        causal, final = np.full(n, np.nan), np.full(n, np.nan)
        restoration_pass(
            windows.codes,
            ready,
            error,
            self.slab["typical"],
            self.slab["recent"],
            self.slab["count"],
            PATCH,
            self.hop,
            self.rate,
            _CLIP,
            int(work),
            causal,
            final,
            shares,
        )
        learned = Work.LEARN in work
        return Scores(causal, final if learned else None, None, shares if explain else None)

    def _keep(self, windows: Windows, number: Ints, early: Flags) -> None:
        """Store warm-up windows; fit every series whose warm-up is complete with them."""
        at = np.flatnonzero(early)
        kept = self.slab["kept"]
        flat = windows.values[at].reshape(len(at), kept.shape[2])
        kept[windows.codes[at], number[at]] = np.clip(flat, -_FAR, _FAR)
        for code in np.unique(windows.codes[at[number[at] == self.warm_up - 1]]).tolist():
            self._fit(code)

    def _fit(self, code: int) -> None:
        """Weights and ordinary errors of one series from its warm-up windows."""
        from streamad.models.config import TrainingConfig
        from streamad.models.training import fit

        kept = self.slab["kept"][code]
        if self._shared is None:
            rng = np.random.default_rng(np.random.SeedSequence(self.slab["seed"][code].tolist()))
            config, training = self._network(self.n_channels), TrainingConfig(steps=self.steps)
            self.slab["weights"][code] = fit(config, training, kept, rng)
        windows = kept.astype(np.float64).reshape(self.warm_up, self.length, self.n_channels)
        found = self._errors(windows, np.full(self.warm_up, code, np.int32))
        self.slab["typical"][code] = np.median(found, axis=0)

    def _errors(self, values: Floats, codes: Codes) -> NDArray[np.float32]:
        """Error of every patch and channel: (n, P, C)."""
        if self._shared is not None:
            return self._runner.run(values, np.zeros(len(codes), np.int64), self._shared[None])
        return self._runner.run(values, codes.astype(np.int64), self.slab["weights"])

    def _network(self, n_channels: int) -> AutoencoderConfig:
        from streamad.models.config import AutoencoderConfig

        return AutoencoderConfig(
            length=self.length,
            channels=n_channels,
            patch=PATCH,
            hidden=self.hidden,
            code=max(2, min(self.length * n_channels // 8, self.hidden // 4)),
        )

    def _load(
        self, wanted: AutoencoderConfig
    ) -> tuple[NDArray[np.float32] | None, NDArray[np.uint8]]:
        """Shared weights and the digest of their file; nothing where series have their own."""
        if self.model is None:
            return None, np.zeros(32, np.uint8)
        with needs_torch("a saved model"), mapped(StateError, "reconstruction"):
            from streamad.models.store import load_model

            found = load_model(Path(self.model))
        weights = found.tensors.get("weights", np.empty(0))
        if (found.kind, found.config) != (KIND, asdict(wanted)) or weights.shape != (
            wanted.n_weights,
        ):
            raise StateError(
                f"the model in {self.model} is a {found.kind} of {found.config} with "
                f"{weights.size} weights, wanted is a {KIND} of {asdict(wanted)} with "
                f"{wanted.n_weights}: give the folder of a model for these windows"
            )
        return weights.astype(np.float32), np.frombuffer(found.sha256, np.uint8).copy()


def _occurrence(codes: Codes, counted: Flags) -> Ints:
    """How many counted windows of the same series come before each window."""
    order = np.argsort(codes, kind="stable")
    running: Ints = np.cumsum(counted[order]) - counted[order]
    starts = np.flatnonzero(np.r_[True, np.diff(codes[order]) != 0][: len(codes)])
    before: Ints = np.repeat(running[starts], np.diff(np.r_[starts, len(codes)]))
    out = np.empty(len(codes), np.int64)
    out[order] = running - before
    return out
