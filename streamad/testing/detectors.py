"""The promises of a detector."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from streamad.core.data import Codes, Scores, Windows
from streamad.core.protocols import Detector, members_of
from streamad.testing.stages import Case, StageConformance
from streamad.testing.strategies import for_all
from streamad.testing.streams import KINDS, Recipe, channel_names, windows_of
from streamad.testing.tables import Outcome, Table, same, same_arrays


class DetectorConformance(StageConformance[Detector]):
    """What a detector promises: subclass it and override :meth:`make`.

    Give the detector a warm-up that is short beside ``max_rows``, so that the streams of the checks
    are judged. All checks of :class:`StageConformance` are inherited.

    Attributes
    ----------
    exact_state : bool
        False only for adapters of foreign objects, whose state may differ in what no score ever
        shows (caches, entries made by looking them up): later scores are compared instead.

    Examples
    --------
    ::

        class TestMyDetector(DetectorConformance):
            def make(self):
                return MyDetector(warm_up=16)
    """

    exact_state: bool = True

    def open(self, stage: Detector, channels: int) -> None:
        """Open for so many channels."""
        stage.open(channel_names(channels))

    def admit(self, stage: Detector, slots: Codes, names: Sequence[str]) -> None:
        """Start series in these slots."""
        stage.admit(slots, names)

    def items(self, stream: Table) -> Table:
        """Windows of the stream, made in plain numpy."""
        return windows_of(stream, self.make().window)

    def feed(self, stage: Detector, items: Table) -> Table:
        """Step over the windows in one call."""
        windows = as_windows(items)
        return as_table(windows, stage.step(windows), stage.lag)

    def end(self, stage: Detector, slots: Codes, names: Sequence[str]) -> Table:  # noqa: ARG002
        """Final scores still owed."""
        codes, finals = stage.close(slots)
        return Table(codes, {"final": finals})

    def test_it_has_the_verbs_of_a_detector(self) -> None:
        """It answers to every name of the protocol, and says what it wants before it is opened."""
        detector = self.make()
        assert isinstance(detector, Detector)
        assert detector.window.length >= 1
        assert detector.window.hop >= 1
        assert detector.window.scaling in {"none", "robust", "ew"}
        assert detector.lag >= 0

    def test_the_streams_of_the_checks_are_judged(self) -> None:
        """``max_rows`` reaches past the warm-up: what is never judged cannot be caught."""
        answers = self.run(self.case(Recipe(1, ("sine",), 1, self.max_rows)))["answers"]
        judged = np.count_nonzero(~np.isnan(answers["causal"]))
        assert 2 * judged >= len(answers), (
            f"only {judged} of {len(answers)} windows are judged: give the detector of this test a "
            "shorter warm-up, or raise max_rows"
        )

    def test_answers_have_the_shapes_and_dtypes_of_scores(self) -> None:
        """Float64 scores and finals, int32 lags, float32 shares and parts, one row a window."""

        @for_all(self.effort, recipe=self.recipes())
        def holds(recipe: Recipe) -> None:
            case = self.case(recipe)
            detector = self.start(case)
            n, c, m = len(case.items), case.channels, len(members_of(detector))
            for scores in (
                detector.score(as_windows(case.items)),
                detector.step(as_windows(case.items)),
            ):
                expected: dict[str, tuple[tuple[int, ...], Any]] = {
                    "causal": ((n,), np.float64),
                    "final": ((n,), np.float64),
                    "lag": ((n,), np.int32),
                    "shares": ((n, c), np.float32),
                    "expected": ((n, c), np.float64),
                    "parts": ((n, m), np.float32),
                }
                for name, (shape, dtype) in expected.items():
                    array = getattr(scores, name)
                    if array is not None:
                        assert (array.shape, array.dtype) == (shape, dtype), name
                explained = scores.shares is not None
                assert not explained or detector.explains, "shares come though explains is False"
                assert explained or not detector.explains or c == 1, "explains, but no shares came"
                assert (scores.parts is None) == (m == 0), (
                    f"{m} members are named (part_names), "
                    f"{'no' if scores.parts is None else 'but'} parts came"
                )

    def test_scoring_is_pure(self) -> None:
        """Promise 3: score changes no bit of the state, and gives the same when asked again."""

        @for_all(self.effort, recipe=self.recipes(), place=st.floats(0, 1))
        def holds(recipe: Recipe, place: float) -> None:
            case = self.case(recipe)
            now = round(place * len(case.items))
            past, asked = case.items.take(slice(0, now)), case.items.take(slice(now, None))
            detector = self.start(case)
            learned = self.feed(detector, past).copy()
            before = detector.snapshot()
            windows = as_windows(asked)
            first = as_table(windows, detector.score(windows), detector.lag).copy()
            again = as_table(windows, detector.score(windows), detector.lag)
            same({"scores": first}, {"scores": again}, "scoring twice")
            if self.exact_state:
                same_arrays(before, detector.snapshot(), "scoring")
            answers = [learned, self.feed(detector, asked).copy()]
            same(self.run(case), self.close(detector, case, answers), "scoring in between")

    def test_a_step_is_score_then_learn(self) -> None:
        """Windows scored and learned one by one give the scores and the state of a step."""

        @for_all(self.effort, recipe=self.recipes())
        def holds(recipe: Recipe) -> None:
            case = self.case(recipe)
            slow, fast = self.start(case), self.start(case)
            windows = as_windows(case.items)
            stepped = fast.step(windows)
            for i in range(len(windows)):
                one = windows.take(slice(i, i + 1))
                scores = slow.score(one)
                slow.learn(one, scores)
                same(
                    {"scores": as_table(one, _row_of(stepped, i), 0)},
                    {"scores": as_table(one, _row_of(scores, 0), 0)},
                    f"score then learn at window {i}",
                )
            if self.exact_state:
                same_arrays(fast.snapshot(), slow.snapshot(), "score then learn")
            ways = [self.close(each, case, [self.feed(each, case.items)]) for each in (fast, slow)]
            same(ways[0], ways[1], "score then learn, and then steps")

    def test_every_judged_window_end_gets_one_final_score(self) -> None:
        """Finals come in order, at most ``lag`` late, and the end of the stream owes the rest."""

        @for_all(self.effort, recipe=self.recipes())
        def holds(recipe: Recipe) -> None:
            case = self.case(recipe)
            lag, outcome = self.make().lag, self.run(case)
            for code in range(case.n_series):
                answers, owed = outcome["answers"].of(code), outcome["owed"].of(code)
                n = len(answers)
                known = np.full(n, np.nan)
                if n and "final" in answers.columns:
                    came = np.flatnonzero(~np.isnan(answers["final"]) & (answers["lag"] >= 0))
                    assert np.all(answers["lag"] <= lag), f"a final later than the lag of {lag}"
                    target = came - answers["lag"][came]
                    assert np.all(target >= 0), "a final for a window end that never was"
                    assert np.all(np.diff(target) > 0), "finals out of order, or two for one end"
                    known[target] = answers["final"][came]
                if len(owed):
                    assert len(owed) <= min(n, lag), f"{len(owed)} finals owed, the lag is {lag}"
                    assert np.all(np.isnan(known[n - len(owed) :])), "a final came twice"
                    known[n - len(owed) :] = owed["final"]
                if n and "final" in answers.columns:
                    left = np.flatnonzero(~np.isnan(answers["causal"]) & np.isnan(known))
                    assert len(left) == 0, f"judged window ends without a final: {left[:5]}"

    def test_difficult_numbers_give_finite_scores_or_none(self) -> None:
        """NaN, constants, 1e12 and denormal values: no infinite score, no warning."""

        @for_all(self.effort, recipe=self.recipes(KINDS))
        def holds(recipe: Recipe) -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                _demand_finite(self.run(self.case(recipe)))

    def test_infinite_values_leave_no_lasting_harm(self) -> None:
        """Windows with infinite values cost no more scores than they are themselves.

        They may be left out of a warm-up, which then ends later by as many windows.
        """

        @for_all(self.effort, recipe=self.recipes())
        def holds(recipe: Recipe) -> None:
            stream = recipe.stream()
            rng = np.random.default_rng(recipe.seed)
            early = np.arange(len(stream))[:, None] < len(stream) // 4
            hit = early & (rng.random(stream["values"].shape) < 0.1)
            stream["values"][hit] = np.nan
            missing = self.items(stream)
            infinite = missing.copy()
            for window, code, end in zip(
                infinite["values"], infinite.codes, infinite["ends"], strict=True
            ):
                rows = np.flatnonzero((stream.codes == code) & (stream["times"] <= end))
                rows = rows[-len(window) :]
                window[-len(rows) :][hit[rows]] = np.inf
            cases = (Case(items, recipe.channels, recipe.n_series) for items in (missing, infinite))
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                calm, hurt = (self.run(case) for case in cases)
            _demand_finite(hurt)
            if len(missing):
                sick = np.isinf(infinite["values"]).any(axis=(1, 2))
                judged = [~np.isnan(outcome["answers"]["causal"]) for outcome in (calm, hurt)]
                lost = np.flatnonzero(~sick & judged[0] & ~judged[1])
                for code in range(recipe.n_series):
                    n_lost = np.count_nonzero(infinite.codes[lost] == code)
                    n_sick = np.count_nonzero(infinite.codes[sick] == code)
                    assert n_lost <= n_sick, (
                        f"{n_sick} windows with infinite values took the scores of {n_lost} others"
                    )

    def test_shares_of_a_judged_window_sum_to_one(self) -> None:
        """Each channel's share lies in [0, 1], and they sum to 1."""

        @for_all(self.effort, recipe=self.recipes())
        def holds(recipe: Recipe) -> None:
            answers = self.run(self.case(recipe))["answers"]
            if "shares" in answers.columns:
                judged = answers["shares"][~np.isnan(answers["causal"])]
                assert np.all((judged >= 0) & (judged <= 1)), "a share outside [0, 1]"
                np.testing.assert_allclose(judged.sum(axis=1), 1.0, atol=1e-5)

    def test_members_have_names_and_standardised_scores(self) -> None:
        """Each has a name of its own and a finite part of at least 0, or NaN."""

        @for_all(self.effort, recipe=self.recipes())
        def holds(recipe: Recipe) -> None:
            case = self.case(recipe)
            detector = self.start(case)
            members = members_of(detector)
            assert all(members.names), f"a member without a name: {members.names}"
            assert len(set(members.names)) == len(members), f"a name twice: {members.names}"
            strangers = members.reasons.keys() - {*members.names}
            assert not strangers, f"reasons for no member: {sorted(strangers)}"
            assert all(weight >= 0 for weight in members.weights), "a negative weight"
            answers = self.feed(detector, case.items)
            if "parts" in answers.columns:
                parts = answers["parts"]
                assert not np.any(parts < 0), "a member below ordinary"
                assert not np.any(np.isinf(parts)), "an infinite score of a member"
                judged = ~np.isnan(answers["causal"])
                told = ~np.isnan(parts).all(axis=1)
                assert np.all(told[judged]), "a judged window that no member judged"

    def test_a_window_without_values_is_neither_judged_nor_learned(self) -> None:
        """All-NaN windows get NaN; before a series' first value they leave no trace."""

        @for_all(self.effort, recipe=self.recipes(), n_empty=st.integers(1, 20))
        def holds(recipe: Recipe, n_empty: int) -> None:
            case = self.case(recipe)
            empty = np.isnan(case.items["values"]).all(axis=(1, 2))
            calm = self.run(case)
            if len(case.items):
                causal = calm["answers"]["causal"]
                assert np.all(np.isnan(causal[empty])), "a window without values was judged"
                first = case.items.take(np.zeros(n_empty, np.int64)).copy()
                first["values"][...] = np.nan
                detector = self.start(case)
                judged = self.feed(detector, first)["causal"]
                assert np.all(np.isnan(judged)), "a window without values was judged"
                after = self.feed(detector, case.items)["causal"]
                same(
                    {"scores": Table(case.items.codes, {"causal": causal})},
                    {"scores": Table(case.items.codes, {"causal": after})},
                    f"{n_empty} windows without values before",
                )

    def test_parameters_make_the_same_detector(self) -> None:
        """What get_params gives builds an equal detector; a clone has no state."""
        detector: Any = self.make()
        if not hasattr(detector, "get_params"):
            pytest.skip("the detector offers no get_params")
        case = self.case(Recipe(11, ("sine", "noise"), 2, self.max_rows, 0.02, 3))
        calm = self.run(case)
        self.open(detector, case.channels)
        self.admit(detector, np.zeros(1, np.int32), ["other"])
        self.feed(detector, case.items.of(0))
        twins = [detector.clone(), type(detector)(**detector.get_params())]
        for twin in twins:
            assert twin.get_params() == detector.get_params()
            same(calm, self.run_with(twin, case), "a clone")

    def run_with(self, detector: Detector, case: Case) -> dict[str, Table]:
        """Feed a case to this new detector and end it."""
        self.open(detector, case.channels)
        names = [f"series-{code}" for code in range(case.n_series)]
        self.admit(detector, np.arange(case.n_series, dtype=np.int32), names)
        return dict(self.close(detector, case, [self.feed(detector, case.items).copy()]))


def _demand_finite(outcome: Outcome) -> None:
    """No score is infinite; NaN is allowed."""
    for table in outcome.values():
        for name in {"causal", "final"} & table.columns.keys():
            assert not np.any(np.isinf(table[name])), f"infinite {name} score"


def as_windows(items: Table) -> Windows:
    """Items as the windows that a detector takes."""
    held = items.columns
    return Windows(held["values"], items.codes, held["ends"], held.get("center"), held.get("scale"))


def as_table(windows: Windows, scores: Scores, lag: int) -> Table:
    """Scores as columns; a missing ``lag`` is the detector's."""
    columns: dict[str, Any] = {"causal": scores.causal}
    if scores.final is not None:
        columns["final"] = scores.final
        columns["lag"] = np.full(len(windows), lag, np.int32) if scores.lag is None else scores.lag
    for name in ("shares", "expected", "parts"):
        if getattr(scores, name) is not None:
            columns[name] = getattr(scores, name)
    return Table(windows.codes, columns)


def _row_of(scores: Scores, row: int) -> Scores:
    """One row without its final."""
    at = slice(row, row + 1)
    return Scores(
        scores.causal[at],
        None,
        None,
        None if scores.shares is None else scores.shares[at],
        None if scores.expected is None else scores.expected[at],
        None if scores.parts is None else scores.parts[at],
    )
