"""Fusion: several detectors as one, each score first brought to its own ordinary scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from streamad.core.data import Arrays, Codes, Floats, Scores, Windows, WindowSpec
from streamad.core.errors import ConfigError
from streamad.core.protocols import Detector
from streamad.core.slab import Layout, Slab, nest, unnest
from streamad.detectors.base import DetectorInfo, Parametrised, Work, one_name_each, require
from streamad.detectors.registry import make_detector


class Fusion(Parametrised):
    """Root mean square of the member scores, each in standard deviations above its own mean.

    Parameters
    ----------
    members : sequence of str, or mapping of str to parameters
        Detectors by name, with their constructor arguments if a mapping is given. The same
        detector may take part twice under two names: ``{"slow": {"type": "knn", "length": 256}}``.
    warm_up : int
        Windows of a series that are learned but not judged. The first half of as many scores of a
        member says what is ordinary for it; members need a shorter warm-up of their own.

    Notes
    -----
    Standardised score of a member: ``max(0, (score - mean) / sd)``, logarithmic above 5, and
    divided further where the third largest score of the warm-up lies beyond 3 sd, so that a member
    that often cries is believed less. Mean and sd go on learning afterwards, slowly, from scores
    clipped at 2 sd. Members that did not judge a
    window (NaN) are left out. Fused score: 0 = ordinary for every member.

    The final score fuses the members' final scores of the same row, so its lag is the largest lag
    of a member; each form has its own mean and sd. The window is the longest that a member wants,
    and members are given the end of it. Shares: those of the members, weighted by their squared
    standardised scores. State and cost: those of the members, plus ``8 (13 + lag)`` bytes and
    about 0.1 us a member. Thread rule: one thread at a time.

    A new member needs nothing but a name in the entry point group ``streamad.detectors``, a hop
    equal to that of the others, and ``scaling`` none or equal to that of the others.

    References
    ----------
    Aggarwal and Sathe (2015), "Theoretical foundations and algorithms for outlier ensembles"
    (standardise, then combine); the root mean square and the clipped running statistics are our
    own measurements.

    Examples
    --------
    >>> Fusion(["ewma", "mahalanobis"]).lag
    2
    """

    info: ClassVar[DetectorInfo] = DetectorInfo(
        kind="fusion",
        summary="whatever its members find strange, each on its own scale",
        cost_us=2.3,
        explains=True,
    )

    def __init__(
        self,
        members: Sequence[str] | Mapping[str, Mapping[str, Any]] = ("ewma", "knn", "mahalanobis"),
        warm_up: int = 512,
    ) -> None:
        require(warm_up >= 64, f"fusion: warm_up needs at least 64 windows, got {warm_up!r}")
        self.members = members
        self.warm_up = warm_up
        self.detectors = _make_members(members)
        self.window = _common_window(self.detectors)
        self._lags = np.array([member.lag for member in self.detectors.values()], np.int64)

    @property
    def lag(self) -> int:
        """Lag of the final score in window ends: the largest of a member."""
        return int(self._lags.max())

    @property
    def n_series(self) -> int:
        """Slots in use."""
        return len(self._slab)

    def open(self, channels: Sequence[str]) -> None:
        """Allocate for windows with these channels."""
        self._open(channels)
        self._slab = Slab(self._layout())
        for member in self.detectors.values():
            member.open(channels)

    def admit(self, codes: Codes, names: Sequence[str]) -> None:
        """Start these series with fresh state."""
        _ = self.n_channels
        one_name_each(codes, names)
        self._slab.admit(codes)
        for member in self.detectors.values():
            member.admit(codes, names)

    def score(self, windows: Windows) -> Scores:
        """Causal scores against the present state; changes nothing."""
        return self._judge(windows, Work.SCORE)[0]

    def contributions(self, windows: Windows) -> Floats:
        """Standardised score of every member against the present state; changes nothing.

        Returns
        -------
        float64 (n, m)
            In the order of ``detectors``, 0 or more, NaN = not judged. The causal score is the
            root mean square of a row.
        """
        return self._judge(windows, Work.SCORE)[1]

    def learn(self, windows: Windows, scores: Scores) -> None:  # noqa: ARG002
        """Take windows into the state; the members score them anew, their own scores are needed."""
        self._judge(windows, Work.STEP)

    def step(self, windows: Windows) -> Scores:
        """Score then learn, window by window."""
        return self._judge(windows, Work.STEP)[0]

    def close(self, codes: Codes) -> tuple[Codes, Floats]:
        """Final scores still owed to these series, oldest first."""
        from streamad.kernels.fuse import fuse_tail

        slab = self._slab
        parts: list[Floats] = []
        for code in codes:
            now = int(slab["rows"][code])
            n_owed = min(self.lag, now)
            owed = np.full((len(self.detectors), n_owed), np.nan)
            for j, member in enumerate(self.detectors.values()):
                finals = member.close(np.array([code], np.int32))[1]
                owed[j, n_owed - len(finals) :] = finals
            part = np.empty(n_owed)
            fuse_tail(
                owed,
                self._lags,
                now,
                int(slab["first"][code]),
                slab["stats"][code],
                slab["waiting"][code],
                self.warm_up,
                part,
            )
            parts.append(part)
        repeated = np.repeat(codes, [len(part) for part in parts]).astype(np.int32)
        return repeated, np.concatenate(parts) if parts else np.empty(0)

    def snapshot(self) -> Arrays:
        """Owned arrays that hold the whole state."""
        arrays = nest("fusion", self._slab.snapshot())
        for name, member in self.detectors.items():
            arrays |= nest(f"member/{name}", member.snapshot())
        return arrays

    def restore(self, snapshot: Arrays) -> None:
        """Behave as if never stopped since the snapshot."""
        _ = self.n_channels
        self._slab.restore(unnest("fusion", snapshot))
        for name, member in self.detectors.items():
            member.restore(unnest(f"member/{name}", snapshot))

    def state_bytes(self, n_channels: int = 1) -> int:
        """Bytes of state per series."""
        own = Slab(self._layout()).bytes_per_slot
        return own + sum(
            member.state_bytes(n_channels)  # type: ignore[attr-defined]
            for member in self.detectors.values()
        )

    def _layout(self) -> Layout:
        m = len(self.detectors)
        return {
            "rows": ((), np.int64, 0),
            "first": ((), np.int64, -1),
            "stats": ((2, m, 6), np.float64, 0.0),
            "waiting": ((m, self.lag + 1), np.float64, np.nan),
        }

    def _judge(self, windows: Windows, work: Work) -> tuple[Scores, Floats]:
        """Scores, and the standardised causal scores of the members (n, m)."""
        from streamad.kernels.fuse import fuse_pass

        self._check(windows)
        n, m = len(windows), len(self.detectors)
        causal, final = np.empty((n, m)), np.empty((n, m))
        given: list[Scores] = []
        for j, member in enumerate(self.detectors.values()):
            view = _end_of(windows, self.window, member.window)
            scores = member.step(view) if Work.LEARN in work else member.score(view)
            causal[:, j] = scores.causal
            if scores.final is not None:
                final[:, j] = scores.final
            given.append(scores)
        standard, fused, fused_final = np.empty((n, m)), np.empty(n), np.empty(n)
        fuse_pass(
            windows.codes,
            np.ascontiguousarray(windows.values),
            causal,
            final,
            self._lags,
            self._slab["rows"],
            self._slab["first"],
            self._slab["stats"],
            self._slab["waiting"],
            self.warm_up,
            int(work),
            standard,
            fused,
            fused_final,
        )
        shares = _join_shares(standard, given) if self.n_channels > 1 else None
        expected = next((s.expected for s in given if s.expected is not None), None)
        made = Scores(fused, fused_final if Work.LEARN in work else None, None, shares, expected)
        return made, standard


def _make_members(
    members: Sequence[str] | Mapping[str, Mapping[str, Any]],
) -> dict[str, Detector]:
    """The detectors by name."""
    if isinstance(members, str) or not members:
        raise ConfigError(
            f"fusion: members should be a list of detector names or a mapping of names to "
            f"parameters, got {members!r}"
        )
    wanted = members if isinstance(members, Mapping) else {name: {} for name in members}
    if len(wanted) < len(members):
        raise ConfigError(
            f"fusion: a name occurs twice in {list(members)}; give a mapping, with 'type' for the "
            "second one"
        )
    made = {}
    for name, params in wanted.items():
        given = dict(params or {})
        made[name] = make_detector(given.pop("type", name), given)
    return made


def _common_window(detectors: Mapping[str, Detector]) -> WindowSpec:
    """The window that serves all members."""
    specs = {name: detector.window for name, detector in detectors.items()}
    hops = {name: spec.hop for name, spec in specs.items()}
    scalings = {name: spec.scaling for name, spec in specs.items() if spec.scaling != "none"}
    if len(set(hops.values())) > 1:
        raise ConfigError(f"fusion: members should share one hop, got {hops}")
    if len(set(scalings.values())) > 1:
        raise ConfigError(
            f"fusion: members should share one scaling (or take none), got {scalings}"
        )
    return WindowSpec(
        length=max(spec.length for spec in specs.values()),
        hop=next(iter(hops.values())),
        scaling=next(iter(scalings.values()), "none"),
    )


def _end_of(windows: Windows, given: WindowSpec, wanted: WindowSpec) -> Windows:
    """The last rows of the windows, in raw values where the member wants them so."""
    values = np.ascontiguousarray(windows.values[:, given.length - wanted.length :, :])
    center, scale = windows.center, windows.scale
    if wanted.scaling != given.scaling and center is not None and scale is not None:
        values = values * scale[:, None, :] + center[:, None, :]
        center = scale = None
    return Windows(values, windows.codes, windows.ends, center, scale)


def _join_shares(standard: Floats, given: Sequence[Scores]) -> NDArray[np.float32] | None:
    """Member shares (n, C) weighted by squared standardised scores; even where all are 0."""
    parts = [
        np.square(np.nan_to_num(standard[:, j, None])) * scores.shares
        for j, scores in enumerate(given)
        if scores.shares is not None
    ]
    if not parts:
        return None
    total = np.sum(parts, axis=0)
    whole = total.sum(axis=1, keepdims=True)
    shares = np.full(total.shape, 1.0 / total.shape[1], np.float32)
    np.divide(total, whole, out=shares, where=whole > 0, casting="same_kind")
    return shares
