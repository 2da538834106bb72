"""What an ordering stage and a whole pipeline promise: batches of one partition in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from hypothesis import strategies as st

from streamad.core.data import Alert, Batch, Reject, Rows, Schema, ScoreRows, Segment
from streamad.core.protocols import Ordering
from streamad.testing.stages import Stage, stored
from streamad.testing.strategies import cuts, for_all, recipes
from streamad.testing.streams import (
    KINDS,
    Cuts,
    Recipe,
    channel_names,
    disordered,
    make_batch,
    pieces,
    series_code,
    series_name,
)
from streamad.testing.tables import Outcome, Table, join, n_bytes, same
from streamad.testing.thresholds import alert_table

S = TypeVar("S", bound=Stage)
_NOTHING = Table(np.empty(0, np.int32), {})


class PartitionConformance(Generic[S]):
    """Cutting, restarts and bounded memory for whatever takes the batches of a partition.

    Attributes
    ----------
    effort : float
        Share of the examples of the active Hypothesis profile.
    max_series, max_channels, max_rows : int
        Size of the streams.
    reach_rows, repeats : int
        How far rows may be out of place, and how many may come twice.
    settled_rows : int
        Rows after which memory must not grow any more.
    slack : float
        How much larger the largest snapshot may be later on; what is held back varies.
    """

    effort: float = 1.0
    max_series: int = 3
    max_channels: int = 2
    max_rows: int = 300
    reach_rows: int = 6
    repeats: int = 3
    settled_rows: int = 400
    slack: float = 1.25

    def make(self, channels: Sequence[str]) -> S:
        """A new object, opened for these channels; always with the same parameters."""
        raise NotImplementedError

    def feed(self, stage: S, batch: Batch) -> Outcome:
        """What comes out of a batch, by kind; codes are those of ``series_name``."""
        raise NotImplementedError

    def end(self, stage: S) -> Outcome:
        """What comes out at the end of the stream."""
        raise NotImplementedError

    def test_the_cut_into_batches_changes_nothing(self) -> None:
        """Promise 1: rows out of order and repeated, in batches of any size, give the same."""

        @for_all(self.effort, recipe=self.recipes(), cut=cuts(), seed=st.integers(0, 99))
        def holds(recipe: Recipe, cut: Cuts, seed: int) -> None:
            stream = self.disordered(recipe, seed)
            same(self.run(stream), self.run(stream, cut), "cutting the stream")

    def test_company_changes_nothing(self) -> None:
        """Promise 1: a series alone or among others gives the same (rows in time order)."""

        @for_all(self.effort, recipe=self.recipes(), cut=cuts())
        def holds(recipe: Recipe, cut: Cuts) -> None:
            stream = recipe.stream()
            among = self.run(stream, cut)
            for code in range(recipe.n_series):
                alone = stream.take(np.flatnonzero(stream.codes == code))
                own = {kind: table.of(code) for kind, table in among.items()}
                found = {kind: table.of(code) for kind, table in self.run(alone).items()}
                same(found, own, f"other series around {series_name(code)}")

    def test_a_restart_changes_nothing(self) -> None:
        """Promise 2: snapshot after any batch, a new object, restore, go on."""

        @for_all(
            self.effort,
            recipe=self.recipes(),
            cut=cuts(),
            place=st.floats(0, 1),
            seed=st.integers(0, 99),
        )
        def holds(recipe: Recipe, cut: Cuts, place: float, seed: int) -> None:
            stream = self.disordered(recipe, seed)
            spans = list(pieces(len(stream), cut))
            same(
                self.run(stream, cut),
                self.run(stream, cut, restart=round(place * len(spans))),
                "a restart",
            )

    def test_memory_is_bounded(self) -> None:
        """Promise 4: ten times the rows need no more state."""
        n = self.settled_rows
        stream = self.disordered(Recipe(7, ("noise", "sine"), 1, 10 * n), 7)
        stage, schema = self.make(channel_names(1)), Schema(channel_names(1))
        sizes = []
        for span in pieces(len(stream), n // 4):
            self.feed(stage, self.batch(schema, stream, span))
            sizes.append(n_bytes(stage.snapshot()))
        early, late = max(sizes[:6]), max(sizes[-4:])
        assert late <= self.slack * early, (
            f"state grew from {early} to {late} bytes: {n} rows should be enough to settle"
        )

    def recipes(self) -> st.SearchStrategy[Recipe]:
        """Streams of the size that suits."""
        return recipes(
            max_series=self.max_series,
            max_channels=self.max_channels,
            max_rows=self.max_rows,
            kinds=KINDS,
        )

    def disordered(self, recipe: Recipe, seed: int) -> Table:
        """The stream of a recipe, out of order and with repeated rows."""
        return disordered(recipe.stream(), seed, self.reach_rows, self.repeats)

    def batch(self, schema: Schema, stream: Table, span: slice) -> Batch:
        """These rows as a batch; the schema learns the names of their series."""
        rows = stream.take(span)
        names = [series_name(code) for code in rows.codes]
        known = Table(schema.codes(names), rows.columns)
        return make_batch(schema, known, span.start)

    def run(self, stream: Table, cut: Cuts = (), restart: int | None = None) -> Outcome:
        """Feed a stream and end it, with a restart before one of the batches."""
        channels = channel_names(stream["values"].shape[1])
        stage, schema = self.make(channels), Schema(channels)
        outcomes = []
        for number, span in enumerate(pieces(len(stream), cut)):
            if number == restart:
                snapshot = stored(stage.snapshot())
                stage, schema = self.make(channels), Schema(channels)
                stage.restore(snapshot)
            outcomes.append(self.feed(stage, self.batch(schema, stream, span)))
        outcomes.append(self.end(stage))
        kinds = sorted({kind for outcome in outcomes for kind in outcome})
        return {kind: join([o[kind] for o in outcomes if kind in o]) for kind in kinds}


class OrderingConformance(PartitionConformance[Ordering]):
    """What an ordering stage promises: subclass it and override :meth:`make`.

    Examples
    --------
    ::

        class TestMyOrdering(OrderingConformance):
            def make(self, channels):
                ordering = MyOrdering(lateness_ns=5_000_000_000)
                ordering.open(channels)
                return ordering
    """

    def feed(self, stage: Ordering, batch: Batch) -> Outcome:
        """Rows and rejects of a push."""
        return _walk(stage, lambda: stage.push(batch))

    def end(self, stage: Ordering) -> Outcome:
        """Rows that were held back."""
        return _walk(stage, stage.finish)

    def test_every_row_is_accepted_or_rejected(self) -> None:
        """No row is lost: rows given equal rows accepted (without fillings) plus rejects."""

        @for_all(self.effort, recipe=self.recipes(), seed=st.integers(0, 99))
        def holds(recipe: Recipe, seed: int) -> None:
            stream = self.disordered(recipe, seed)
            outcome = self.run(stream, 17)
            accepted = outcome["rows"].columns.get("filled", np.ones(0, np.bool_))
            n = int(np.count_nonzero(~accepted)) + len(outcome["rejects"])
            assert n == len(stream), f"{len(stream)} rows went in, {n} are accounted for"

    def test_rows_of_a_series_come_in_time_order(self) -> None:
        """Times never go back within a series but where it is admitted again; it starts fresh."""

        @for_all(self.effort, recipe=self.recipes(), seed=st.integers(0, 99))
        def holds(recipe: Recipe, seed: int) -> None:
            rows = self.run(self.disordered(recipe, seed), 17)["rows"]
            for code in range(recipe.n_series):
                own = rows.of(code)
                if len(own):
                    back = np.diff(own["times"]) < 0
                    assert not np.any(back & ~own["fresh"][1:]), "time goes back"
                    assert own["fresh"][0], "the first row of a series is not fresh"


class Output(Protocol):
    """What a pipeline found."""

    @property
    def scores(self) -> Sequence[ScoreRows]:
        """Finished rows."""
        ...

    @property
    def alerts(self) -> Sequence[Alert]:
        """Events of episodes."""
        ...

    @property
    def rejects(self) -> Sequence[Reject]:
        """Rows that were not accepted."""
        ...


class PipelineLike(Stage, Protocol):
    """What the checks need of a pipeline."""

    def process(self, batch: Batch) -> Output:
        """Take a batch of the partition."""
        ...

    def finish(self) -> Output:
        """The stream has ended."""
        ...


class PipelineConformance(PartitionConformance[PipelineLike]):
    """What a pipeline promises: subclass it and override :meth:`make`.

    Examples
    --------
    ::

        class TestMyPipeline(PipelineConformance):
            def make(self, channels):
                pipeline = Pipeline("plant", ordering(), [stage()])
                pipeline.open(channels)
                return pipeline
    """

    def feed(self, stage: PipelineLike, batch: Batch) -> Outcome:
        """Scores and alerts per detector, rejects."""
        return output_tables(stage.process(batch))

    def end(self, stage: PipelineLike) -> Outcome:
        """What waited for more rows."""
        return output_tables(stage.finish())

    def test_the_streams_of_the_checks_are_judged(self) -> None:
        """``max_rows`` reaches past every warm-up: what is never judged cannot be caught."""
        outcome = self.run(Recipe(1, ("sine",), 1, self.max_rows, spikes=3).stream())
        for kind, table in outcome.items():
            if kind.startswith("scores"):
                judged = np.count_nonzero(~np.isnan(table["ratio"]))
                assert judged > 0, f"no row among the {kind} was judged"


def output_tables(output: Output) -> Outcome:
    """Scores and alerts of each detector, and rejects, as tables."""
    parts: dict[str, list[Table]] = {"rejects": [_rejects(output.rejects)]}
    for rows in output.scores:
        columns: dict[str, Any] = {
            "times": rows.times,
            "score": rows.score,
            "score_final": rows.score_final,
            "threshold": rows.threshold,
            "ratio": rows.ratio,
        }
        if rows.shares is not None:
            columns["shares"] = rows.shares
        codes = np.array([series_code(rows.series[code]) for code in rows.codes], np.int32)
        parts.setdefault(f"scores of {rows.detector}", []).append(Table(codes, columns))
    for alert in output.alerts:
        table = alert_table([alert], {alert.series: series_code(alert.series)})
        parts.setdefault(f"alerts of {alert.detector}", []).append(table)
    return {kind: join(tables).copy() for kind, tables in parts.items()}


def _walk(stage: Ordering, release: Callable[[], Iterator[Segment]]) -> Outcome:
    """Rows and rejects that a stage releases; every row needs an admitted slot."""
    live = stage.live()
    name_of = dict(zip(live.tolist(), stage.names(live), strict=True))
    parts, rejects = [_NOTHING], [_NOTHING]
    for segment in release():
        rejects += [_rejects(segment.rejects)]
        for slot in segment.evicted.tolist():
            assert name_of.pop(slot, None) is not None, f"slot {slot} was evicted but not in use"
        for slot, name in zip(segment.admitted.tolist(), segment.names, strict=True):
            assert slot not in name_of, f"slot {slot} was admitted but is in use"
            name_of[slot] = name
        strangers = set(segment.rows.slots.tolist()) - name_of.keys()
        assert not strangers, f"rows came for slots that were not admitted: {sorted(strangers)}"
        parts.append(_rows([name_of[slot] for slot in segment.rows.slots.tolist()], segment.rows))
    live = stage.live()
    assert name_of == dict(zip(live.tolist(), stage.names(live), strict=True)), (
        "live() and names() tell of other series than the segments did"
    )
    return {"rows": join(parts).copy(), "rejects": join(rejects)}


def _rows(names: Sequence[str], rows: Rows) -> Table:
    return Table(
        np.array([series_code(name) for name in names], np.int32),
        {
            "times": rows.times,
            "values": rows.values,
            "filled": rows.filled,
            "fresh": rows.fresh,
        },
    )


def _rejects(rejects: Sequence[Reject]) -> Table:
    return Table(
        np.zeros(len(rejects), np.int32),
        {
            "offset": np.array([-1 if r.offset is None else r.offset for r in rejects], np.int64),
            "reason": np.array([r.reason for r in rejects], np.object_),
        },
    )
