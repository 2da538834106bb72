"""The promises of a windowing stage and of the stage that waits for final scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamad.core.data import Codes, Flags, Rows, WindowSpec
from streamad.core.protocols import Pending, Released, Windowing
from streamad.testing.stages import StageConformance
from streamad.testing.strategies import for_all
from streamad.testing.streams import Recipe, channel_names, windows_of
from streamad.testing.tables import Table, join, same


class WindowingConformance(StageConformance[Windowing]):
    """What a windowing stage promises: subclass it, set ``spec``, override :meth:`make`.

    Attributes
    ----------
    spec : WindowSpec
        What the stage is made for.

    Examples
    --------
    ::

        class TestMyWindowing(WindowingConformance):
            spec = WindowSpec(length=8, hop=2, scaling="robust")

            def make(self):
                return MyWindowing(self.spec)
    """

    spec: WindowSpec
    owns_answers = False
    settled_rows = 1200

    def open(self, stage: Windowing, channels: int) -> None:
        """Open for so many channels."""
        stage.open(channel_names(channels))

    def admit(self, stage: Windowing, slots: Codes, names: Sequence[str]) -> None:  # noqa: ARG002
        """Start series in these slots."""
        stage.admit(slots)

    def items(self, stream: Table) -> Table:
        """Rows, some of them filled in, some after a long gap."""
        n = len(stream)
        draw = np.random.default_rng(n).random(n)
        fresh = (draw < 0.02) | _first_of_each(stream.codes)
        return Table(stream.codes, {**stream.columns, "filled": draw > 0.95, "fresh": fresh})

    def feed(self, stage: Windowing, items: Table) -> Table:
        """All windows of one push."""
        rows = Rows(items.codes, items["times"], items["values"], items["filled"], items["fresh"])
        chunks: list[Table] = []
        for positions, windows in stage.push(rows):
            columns: dict[str, Any] = {"values": windows.values, "ends": windows.ends}
            if windows.center is not None and windows.scale is not None:
                columns |= {"center": windows.center, "scale": windows.scale}
            chunk = Table(windows.codes, columns).copy()
            ends = Table(rows.slots[positions], {"ends": rows.times[positions]})
            found = Table(chunk.codes, {"ends": chunk["ends"]})
            same({"positions": ends}, {"positions": found}, "positions name the last rows")
            chunks.append(chunk)
        return join(chunks)

    def test_windows_hold_the_rows_of_their_series(self) -> None:
        """Every hop-th row ends a window of the latest rows, NaN before the first.

        A channel without statistics yet (NaN center) is NaN in its scaled window.
        """

        @for_all(self.effort, recipe=self.recipes(("sine", "noise", "walk", "levels")))
        def holds(recipe: Recipe) -> None:
            stream = recipe.stream()
            plain = WindowSpec(self.spec.length, self.spec.hop, "none")
            expected = windows_of(stream, plain)
            case = self.case(recipe)
            none = np.zeros(len(stream), np.bool_)
            flags = {"filled": none, "fresh": _first_of_each(stream.codes)}
            found = self.feed(self.start(case), Table(stream.codes, {**stream.columns, **flags}))
            assert len(found) == len(expected), f"{len(expected)} windows due, {len(found)} came"
            if len(found) == 0:
                return
            values, due = found["values"], expected["values"].copy()
            if "center" in found.columns:
                values = values * found["scale"][:, None] + found["center"][:, None]
                due[np.broadcast_to(np.isnan(found["center"])[:, None], due.shape)] = np.nan
            given = ~np.isnan(found["values"]).all(axis=(1, 2))
            given &= ~np.isnan(due).all(axis=(1, 2))
            np.testing.assert_array_equal(found["ends"], expected["ends"])
            np.testing.assert_allclose(values[given], due[given], rtol=1e-9, atol=1e-9)


class PendingConformance(StageConformance[Pending]):
    """What a pending stage promises: subclass it, set ``depth``, override :meth:`make`.

    Attributes
    ----------
    depth : int
        Largest lag that the stage must hold, plus one.
    """

    depth: int = 5

    def open(self, stage: Pending, channels: int) -> None:
        """Open for two payload columns and the details of the channels."""
        stage.open(2, channels, strongest=True)

    def admit(self, stage: Pending, slots: Codes, names: Sequence[str]) -> None:  # noqa: ARG002
        """Start series in these slots."""
        stage.admit(slots)

    def items(self, stream: Table) -> Table:
        """Rows with a final score for the one ``depth - 1`` earlier, now and then for none."""
        values = stream["values"]
        lag = np.full(len(stream), self.depth - 1, np.int32)
        for code in np.unique(stream.codes):
            lag[np.flatnonzero(stream.codes == code)[: self.depth - 1]] = -1
        return Table(
            stream.codes,
            {
                "times": stream["times"],
                "payload": np.column_stack((values[:, 0], np.arange(len(stream)))),
                "details": values.astype(np.float32),
                "final": values[:, 0] * 2.0,
                "lag": lag,
            },
        )

    def feed(self, stage: Pending, items: Table) -> Table:
        """Rows released by one step."""
        held = items.columns
        return _released(
            stage.step(
                items.codes,
                held["times"],
                held["payload"],
                held["details"],
                held["final"],
                held["lag"],
            )
        )

    def end(self, stage: Pending, slots: Codes, names: Sequence[str]) -> Table:  # noqa: ARG002
        """Rows that still wait."""
        return _released(stage.close(slots, np.empty(0, np.int32), np.empty(0)))

    def test_every_row_is_released_once(self) -> None:
        """What went in comes out, in the order of its series, with its own final score."""

        @for_all(self.effort, recipe=self.recipes())
        def holds(recipe: Recipe) -> None:
            case = self.case(recipe)
            outcome = self.run(case)
            for code in range(case.n_series):
                given = case.items.of(code)
                parts = [outcome["answers"].of(code), outcome["owed"].of(code)]
                came = [int(x) for part in parts if len(part) for x in part["payload"][:, 1]]
                assert came == given["payload"][:, 1].tolist() if len(given) else not came
                if len(parts[0]):
                    late = given["final"][self.depth - 1 :][: len(parts[0])]
                    np.testing.assert_array_equal(parts[0]["final"], late)

    def test_the_strongest_row_comes_with_each(self) -> None:
        """It has the largest first number among the row and those up to its release."""

        @for_all(self.effort, recipe=self.recipes())
        def holds(recipe: Recipe) -> None:
            case = self.case(recipe)
            outcome = self.run(case)
            for code in range(case.n_series):
                own = case.items.of(code)
                for part in (outcome["answers"].of(code), outcome["owed"].of(code)):
                    for i in range(len(part)):
                        at = int(np.searchsorted(own["payload"][:, 1], part["payload"][i, 1]))
                        heights = own["payload"][at : at + self.depth, 0]
                        if not np.isnan(heights).all():
                            best = at + int(np.nanargmax(heights))
                            for name in ("payload", "details"):
                                found = part[f"strongest_{name}"][i]
                                np.testing.assert_array_equal(found, own[name][best])


def _first_of_each(codes: Codes) -> Flags:
    """True at the first row of each series."""
    first = np.zeros(len(codes), np.bool_)
    first[np.unique(codes, return_index=True)[1]] = True
    return first


def _released(rows: Released) -> Table:
    return Table(
        rows.slots,
        {
            "times": rows.times,
            "payload": rows.payload,
            "details": rows.details,
            "final": rows.final,
            "strongest_payload": rows.strongest_payload,
            "strongest_details": rows.strongest_details,
        },
    )
