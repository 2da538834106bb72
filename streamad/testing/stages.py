"""What every stage promises that takes rows of many series and answers series by series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from hypothesis import strategies as st

from streamad.core.data import Arrays, Codes
from streamad.testing.strategies import cuts, for_all, recipes, slots
from streamad.testing.streams import KINDS, Cuts, Recipe, pieces, series_name
from streamad.testing.tables import Outcome, Table, join, n_bytes, same, scribble


class Stage(Protocol):
    """What the common checks need of a stage."""

    def snapshot(self) -> Arrays:
        """Owned arrays that hold the whole state."""
        ...

    def restore(self, snapshot: Arrays) -> None:
        """Behave as if never stopped since the snapshot."""
        ...


S = TypeVar("S", bound=Stage)


@dataclass(frozen=True, slots=True)
class Case:
    """What a stage is fed with in one example.

    Attributes
    ----------
    items : Table
    channels : int
    n_series : int
    """

    items: Table
    channels: int
    n_series: int


class StageConformance(Generic[S]):
    """The promises of DESIGN section 4 that a detector, threshold or any other stage keeps.

    Subclasses for each protocol say how a stage is opened and fed; a test class says how one is
    made.

    Attributes
    ----------
    effort : float
        Share of the examples of the active Hypothesis profile; less for slow stages.
    max_series, max_channels, max_rows : int
        Size of the streams. Rows are those of all series together, so give the stage short
        warm-ups: what never speaks is never caught.
    settled_rows : int
        Rows after which memory must not grow any more.
    times_as_many : int
        How many times as many rows are tried.
    slack : float
        How much larger the largest snapshot may be later on; above 1 only where numbers are kept as
        text.
    kinds : tuple of str
        Shapes of series that are drawn, from ``streams.KINDS``.
    owns_answers : bool
        True if what was answered stays valid when the stage goes on.
    """

    effort: float = 1.0
    max_series: int = 3
    max_channels: int = 3
    max_rows: int = 300
    settled_rows: int = 400
    times_as_many: int = 10
    slack: float = 1.0
    kinds: tuple[str, ...] = KINDS
    owns_answers: bool = True

    def make(self) -> S:
        """A new stage, not opened; always with the same parameters."""
        raise NotImplementedError

    def open(self, stage: S, channels: int) -> None:
        """Open a new stage for rows with so many channels."""

    def admit(self, stage: S, slots: Codes, names: Sequence[str]) -> None:
        """Start series in these slots."""
        raise NotImplementedError

    def items(self, stream: Table) -> Table:
        """What the stage is fed with when this stream comes."""
        raise NotImplementedError

    def feed(self, stage: S, items: Table) -> Table:
        """Feed items, whose codes are slots, in one call; the answer in the order given."""
        raise NotImplementedError

    def end(self, stage: S, slots: Codes, names: Sequence[str]) -> Table:  # noqa: ARG002
        """What the stage still owes when these series end."""
        return Table(np.empty(0, np.int32), {})

    def test_the_cut_into_batches_changes_nothing(self) -> None:
        """Promise 1: one stream in batches of any size gives the same."""

        @for_all(self.effort, recipe=self.recipes(), cut=cuts())
        def holds(recipe: Recipe, cut: Cuts) -> None:
            case = self.case(recipe)
            same(self.run(case), self.run(case, cut), "cutting the stream")

    def test_company_changes_nothing(self) -> None:
        """Promise 1: a series alone, or among others in any slots, gives the same."""

        @for_all(self.effort, recipe=self.recipes(), order=slots(self.max_series), cut=cuts())
        def holds(recipe: Recipe, order: Codes, cut: Cuts) -> None:
            case = self.case(recipe)
            among = self.run(case, cut, order[: case.n_series])
            for code in range(case.n_series):
                alone = Case(case.items.of(code), case.channels, 1)
                same(
                    self.run(alone, names=[series_name(code)]),
                    {kind: table.of(code) for kind, table in among.items()},
                    f"other series around {series_name(code)}",
                )

    def test_a_restart_changes_nothing(self) -> None:
        """Promise 2: snapshot after any batch, a new object, restore, go on."""

        @for_all(self.effort, recipe=self.recipes(), cut=cuts(), place=st.floats(0, 1))
        def holds(recipe: Recipe, cut: Cuts, place: float) -> None:
            case = self.case(recipe)
            spans = list(pieces(len(case.items), cut))
            stop = round(place * len(spans))
            stage = self.start(case)
            answers = [self.feed(stage, case.items.take(span)).copy() for span in spans[:stop]]
            second = self.make()
            self.open(second, case.channels)
            second.restore(stored(stage.snapshot()))
            answers += [self.feed(second, case.items.take(span)).copy() for span in spans[stop:]]
            same(self.run(case), self.close(second, case, answers), "a restart")

    def test_nothing_handed_over_is_shared(self) -> None:
        """Promise 3: writing into answers, snapshots or past inputs does not reach the stage."""

        @for_all(self.effort, recipe=self.recipes(), cut=cuts())
        def holds(recipe: Recipe, cut: Cuts) -> None:
            case = self.case(recipe)
            stage = self.start(case)
            answers = []
            for span in pieces(len(case.items), cut):
                given = case.items.take(span).copy()
                answer = self.feed(stage, given)
                answers.append(answer.copy())
                scribble(given.arrays())
                if self.owns_answers:
                    scribble(answer.arrays())
                snapshot = stage.snapshot()
                stage.restore(snapshot)
                scribble(list(snapshot.values()))
                scribble(list(stage.snapshot().values()))
            same(self.run(case), self.close(stage, case, answers), "writing into arrays outside")

    def test_inputs_are_never_written(self) -> None:
        """Promise 3: read-only arrays are accepted and left as they are."""

        @for_all(self.effort, recipe=self.recipes())
        def holds(recipe: Recipe) -> None:
            case = self.case(recipe)
            before = case.items.copy()
            for array in case.items.arrays():
                array.setflags(write=False)
            self.run(case)
            same({"inputs": before}, {"inputs": case.items}, "a run")

    def test_the_future_is_not_used(self) -> None:
        """Promise 5: other rows from some place on leave all earlier answers as they are."""

        @for_all(self.effort, recipe=self.recipes(), place=st.floats(0, 1))
        def holds(recipe: Recipe, place: float) -> None:
            case = self.case(recipe)
            now = round(place * len(case.items))
            known = len(self.feed(self.start(case), case.items.take(slice(0, now))))
            other = flipped(case.items, now)
            ways = [self.feed(self.start(case), items).copy() for items in (case.items, other)]
            same(
                {"answers": ways[0].take(slice(0, known))},
                {"answers": ways[1].take(slice(0, known))},
                f"other rows from the {now}th on",
            )

    def test_memory_is_bounded(self) -> None:
        """Promise 4: many times the rows need no more state."""
        n = self.settled_rows
        case = self.case(Recipe(5, ("noise", "sine"), 1, self.times_as_many * n, 0.0, 0))
        stage = self.start(case)
        sizes = []
        for span in pieces(len(case.items), max(1, len(case.items) // (4 * self.times_as_many))):
            self.feed(stage, case.items.take(span))
            sizes.append(n_bytes(stage.snapshot()))
        early, late = max(sizes[:6]), max(sizes[-4:])
        assert late <= self.slack * early, (
            f"state grew from {early} to {late} bytes: {n} rows should be enough to settle"
        )

    def test_a_slot_used_again_starts_afresh(self) -> None:
        """Promise 4: a series that is admitted to a used slot finds nothing of the one before."""

        @for_all(self.effort, recipe=self.recipes(), seed=st.integers(0, 99))
        def holds(recipe: Recipe, seed: int) -> None:
            first, case = self.case(recipe), self.case(replace(recipe, seed=seed))
            stage = self.start(first)
            self.feed(stage, first.items)
            used, names = numbered(case.n_series), names_of(case.n_series)
            self.end(stage, used, names)
            self.admit(stage, used, names)
            answer = self.feed(stage, case.items).copy()
            same(self.run(case), self.close(stage, case, [answer]), "a slot used before")

    def test_a_snapshot_holds_numbers_only(self) -> None:
        """Snapshots are stored without pickles: arrays of numbers, under names."""
        case = self.case(Recipe(3, ("noise",), 2, self.max_rows, 0.02, 2))
        stage = self.start(case)
        self.feed(stage, case.items)
        for name, array in stage.snapshot().items():
            assert isinstance(array, np.ndarray), f"state {name!r} is a {type(array).__name__}"
            assert array.dtype.kind in "biuf", f"state {name!r} has dtype {array.dtype}"

    def recipes(self, kinds: tuple[str, ...] | None = None) -> st.SearchStrategy[Recipe]:
        """Streams of the size that suits the stage."""
        return recipes(
            max_series=self.max_series,
            max_channels=self.max_channels,
            max_rows=self.max_rows,
            kinds=kinds or self.kinds,
        )

    def case(self, recipe: Recipe) -> Case:
        """What the stage is fed with for a recipe."""
        return Case(self.items(recipe.stream()), recipe.channels, recipe.n_series)

    def start(
        self, case: Case, order: Codes | None = None, names: Sequence[str] | None = None
    ) -> S:
        """A stage with the series of a case admitted, by default in slots 0, 1, ..."""
        stage = self.make()
        self.open(stage, case.channels)
        self.admit(
            stage,
            numbered(case.n_series) if order is None else order,
            names_of(case.n_series) if names is None else names,
        )
        return stage

    def run(
        self,
        case: Case,
        cut: Cuts = (),
        order: Codes | None = None,
        names: Sequence[str] | None = None,
    ) -> Outcome:
        """Feed a case to a new stage and end it; the codes of the outcome are those of the case."""
        order = numbered(case.n_series) if order is None else order
        stage = self.start(case, order, names)
        placed = case.items.placed(order)
        answers = [self.feed(stage, placed.take(span)).copy() for span in pieces(len(placed), cut)]
        return self.close(stage, case, answers, order, names)

    def close(
        self,
        stage: S,
        case: Case,
        answers: Sequence[Table],
        order: Codes | None = None,
        names: Sequence[str] | None = None,
    ) -> Outcome:
        """End all series of a case; everything that came, with the codes of the case."""
        order = numbered(case.n_series) if order is None else order
        names = names_of(case.n_series) if names is None else names
        home = np.zeros(int(order.max()) + 1, np.int32)
        home[order] = numbered(case.n_series)
        owed = self.end(stage, order, names).copy()
        return {"answers": join(answers).placed(home), "owed": owed.placed(home)}


def numbered(n: int) -> Codes:
    """Slots 0, 1, ..., n - 1."""
    return np.arange(n, dtype=np.int32)


def names_of(n: int) -> list[str]:
    """Names of the first n series."""
    return [series_name(code) for code in range(n)]


def stored(snapshot: Arrays) -> Arrays:
    """The snapshot as it comes back from a file."""
    return {name: array.copy(order="C") for name, array in snapshot.items()}


def flipped(items: Table, first: int) -> Table:
    """The same items with other numbers from one place on."""
    columns: dict[str, Any] = {}
    for name, array in items.columns.items():
        columns[name] = array.copy()
        if array.dtype.kind == "f":
            columns[name][first:] = 1.0 - 3.0 * array[first:]
    return Table(items.codes, columns)
