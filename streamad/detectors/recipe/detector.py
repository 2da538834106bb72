"""Detectors made of members: warm-up, rounds over many series, fused scores."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from streamad.core.data import Arrays, Codes, Floats, Scores, Windows, WindowSpec
from streamad.core.durations import parse_duration
from streamad.core.errors import ConfigError
from streamad.detectors.base import Parametrised, one_name_each, require
from streamad.detectors.recipe.component import BLOCK, Component
from streamad.detectors.recipe.fleet import Fleet, Found
from streamad.detectors.recipe.series import LEAST_WARM_UP, Use, prefix_scores
from streamad.detectors.recipe.words import reason_of

WIDEST_LAG = 257
"""Rows that a final score waits for, at most."""

MOST_WARM_UP = 100_000
"""Rows of a warm-up that is given as a duration, at most."""


class MemberDetector(Parametrised):
    """A detector whose scores are those of one or several members, standardised and fused.

    Subclasses keep their constructor arguments, call :meth:`_set_warm_up`, and give components
    and uses.

    Notes
    -----
    State of a series: one block of an arena, of a length that depends on its window; no Python
    object. The rows of one call are the continuation of each other.
    """

    window = WindowSpec(length=1)

    def _set_warm_up(self, warm_up: int | str) -> None:
        name = type(self).__name__.lower()
        self._rows, self._ns = MOST_WARM_UP, 0
        if isinstance(warm_up, str):
            try:
                self._ns = parse_duration(warm_up)
            except ValueError as error:
                raise ConfigError(f"{name}: warm_up: {error}") from error
        else:
            self._rows = warm_up
        require(
            self._rows >= LEAST_WARM_UP,
            f"{name}: warm_up needs at least {LEAST_WARM_UP} rows, got {warm_up!r}",
        )

    @abstractmethod
    def components(self, n_channels: int) -> Sequence[Component]:
        """Members for so many channels."""

    def use(self, output: str) -> Use:  # noqa: ARG002
        """What a member's score is worth."""
        return Use()

    @property
    def lag(self) -> int:
        """Largest lag of the final score, in rows."""
        if self._ns:
            return WIDEST_LAG
        return min(WIDEST_LAG, max(8, self._rows // 3) + 2)

    @property
    def n_series(self) -> int:
        """Slots in use."""
        return len(self._fleet.slab)

    @property
    def part_names(self) -> tuple[str, ...]:
        """Members of the causal score, in the order of ``Scores.parts``."""
        made = self.components(max(1, len(self.channels_)))
        outputs = [name for component in made for name in component.outputs]
        return tuple(name for name in outputs if self.use(name).causal)

    @property
    def part_weights(self) -> tuple[float, ...]:
        """Weights of the members in the causal score."""
        return tuple(self.use(name).weight for name in self.part_names)

    @property
    def reasons(self) -> Mapping[str, str]:
        """One plain clause by member."""
        return {name: reason_of(name) for name in self.part_names}

    def open(self, channels: Sequence[str]) -> None:
        """Allocate for rows with these channels."""
        self._open(channels)
        self._fleet = self._new_fleet(len(channels))

    def admit(self, codes: Codes, names: Sequence[str]) -> None:
        """Start these series with fresh state."""
        _ = self.n_channels
        one_name_each(codes, names)
        self._fleet.slab.admit(codes)
        self._fleet.forget(codes.tolist())

    def score(self, windows: Windows) -> Scores:
        """Causal scores of the rows as the continuation of what was learned; changes nothing."""
        self._check(windows)
        touched = np.unique(windows.codes).astype(np.int64)
        saved, kept = self._fleet.save(touched), dict(self._fleet.kept)
        scores = self.step(windows)
        self._fleet.load(touched, saved)
        self._fleet.kept = kept
        return Scores(scores.causal, None, None, scores.shares, scores.expected, scores.parts)

    def learn(self, windows: Windows, scores: Scores) -> None:  # noqa: ARG002
        """Take rows into the state; the members score them anew, their own scores are needed."""
        self.step(windows)

    def step(self, windows: Windows) -> Scores:
        """Score then learn, row by row."""
        self._check(windows)
        n, c, fleet = len(windows), self.n_channels, self._fleet
        out = Found(
            np.full(n, np.nan),
            np.full(n, np.nan),
            np.full(n, -1, np.int32),
            np.full((n, fleet.n_parts), np.nan, np.float32),
            np.full((n if c > 1 else 0, c), 1.0 / c, np.float32),
            np.full((n if "forecast" in fleet.outputs else 0, c), np.nan),
        )
        values = np.ascontiguousarray(windows.values[:, 0, :])
        order = np.argsort(windows.codes, kind="stable")
        codes = windows.codes[order]
        edges = np.flatnonzero(np.diff(codes, prepend=-1))
        slots = codes[edges].astype(np.int64)
        done, stops = edges.astype(np.int64), np.append(edges[1:], n).astype(np.int64)
        if n:
            fleet.warm_up(values, windows.ends, order, slots, done, stops)
        while True:
            groups = np.flatnonzero((done < stops) & (fleet.slab["split"][slots] > 0))
            if len(groups) == 0:
                shares = out.shares if c > 1 else None
                expected = out.expected if "forecast" in fleet.outputs else None
                return Scores(out.causal, out.final, out.lag, shares, expected, out.parts)
            counts = np.minimum(stops[groups] - done[groups], BLOCK)
            fleet.round(values, order, slots[groups], done[groups], counts, out)
            done[groups] += counts

    def close(self, codes: Codes) -> tuple[Codes, Floats]:
        """Final scores still owed to these series, oldest first."""
        owed = [self._fleet.tail(code) for code in codes.tolist()]
        repeated = np.repeat(codes, [len(part) for part in owed]).astype(np.int32)
        return repeated, np.concatenate(owed) if owed else np.empty(0)

    def snapshot(self) -> Arrays:
        """Owned arrays that hold the whole state."""
        _ = self.n_channels
        return self._fleet.snapshot()

    def restore(self, snapshot: Arrays) -> None:
        """Behave as if never stopped since the snapshot."""
        _ = self.n_channels
        self._fleet.restore(snapshot)

    def state_bytes(self, n_channels: int = 1) -> int:
        """Bytes of state of a series, measured on a noisy wave of period 64; windows decide it."""
        phase = np.arange(1000)[:, None] * (2 * np.pi / 64) + np.arange(n_channels)
        wave = np.sin(phase) + 0.1 * np.random.default_rng(0).normal(size=phase.shape)
        fleet = self._new_fleet(n_channels)
        return fleet.slab.bytes_per_slot + 8 * len(fleet.started(wave).block)

    def plan(self, code: int) -> dict[str, int]:
        """Rows of the prefix and lag of a series; zeros while it warms up."""
        return {name: int(self._fleet.slab[name][code]) for name in ("split", "lag")}

    def prefix_scores(self, code: int) -> tuple[Floats, Floats]:
        """Causal and final scores of the warm-up rows of a series, in-sample (for evaluation).

        Returns
        -------
        causal, final : float64 (split,)
            Finals are NaN where the rows that they wait for have not come.

        Raises
        ------
        ConfigError
            If the detector was not made with ``keep_prefix``, or the series still warms up.
        """
        kept = self._fleet.kept.get(code)
        if kept is None:
            raise ConfigError(
                f"no warm-up scores of series {code} were kept: make the detector with "
                "keep_prefix=True, and give the series more rows than its warm-up takes"
            )
        return prefix_scores(kept.scores, kept.finals, self._fleet.uses)

    def _new_fleet(self, n_channels: int) -> Fleet:
        components = self.components(n_channels)
        return Fleet(
            components,
            {name: self.use(name) for one in components for name in one.outputs},
            n_channels,
            self._rows,
            self._ns,
            keep_prefix=bool(getattr(self, "keep_prefix", False)),
        )
