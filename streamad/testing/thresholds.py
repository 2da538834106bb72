"""The promises of a threshold and of an episode machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from streamad.core.data import Alert, Codes, Judged, Members
from streamad.core.protocols import Episodes, Threshold
from streamad.testing.stages import StageConformance, numbered
from streamad.testing.strategies import for_all
from streamad.testing.streams import Recipe, channel_names, series_name
from streamad.testing.tables import Table, same


class ThresholdConformance(StageConformance[Threshold]):
    """What a threshold promises: subclass it and override :meth:`make`.

    Examples
    --------
    ::

        class TestMyThreshold(ThresholdConformance):
            def make(self):
                return MyThreshold(warm_up=20)
    """

    max_channels = 1

    def admit(self, stage: Threshold, slots: Codes, names: Sequence[str]) -> None:  # noqa: ARG002
        """Start series in these slots."""
        stage.admit(slots)

    def items(self, stream: Table) -> Table:
        """Scores with spikes, ties, gaps and many zeros."""
        return Table(stream.codes, {"score": np.abs(stream["values"][:, 0])})

    def feed(self, stage: Threshold, items: Table) -> Table:
        """Lines of these scores."""
        return Table(items.codes, {"line": stage.step(items.codes, items["score"])})

    def test_the_streams_of_the_checks_get_lines(self) -> None:
        """``max_rows`` reaches past the warm-up: what has no line cannot be caught."""
        answers = self.run(self.case(Recipe(1, ("noise",), 1, self.max_rows)))["answers"]
        known = np.count_nonzero(~np.isnan(answers["line"]))
        assert 2 * known >= len(answers), (
            f"only {known} of {len(answers)} rows have a line: give the threshold of this test a "
            "shorter warm-up, or raise max_rows"
        )

    def test_every_row_gets_a_line_or_nan(self) -> None:
        """One float64 line a row, never infinite."""

        @for_all(self.effort, recipe=self.recipes())
        def holds(recipe: Recipe) -> None:
            case = self.case(recipe)
            stage = self.start(case)
            assert isinstance(stage, Threshold)
            lines = stage.step(case.items.codes, case.items["score"])
            assert lines.shape == (len(case.items),)
            assert lines.dtype == np.float64
            assert not np.any(np.isinf(lines)), "an infinite line"

    def test_a_missing_score_is_not_learned(self) -> None:
        """Rows that were not judged leave the lines of the others as they are."""

        @for_all(self.effort, recipe=self.recipes())
        def holds(recipe: Recipe) -> None:
            case = self.case(recipe)
            judged = np.flatnonzero(~np.isnan(case.items["score"]))
            among = self.feed(self.start(case), case.items).take(judged)
            alone = self.feed(self.start(case), case.items.take(judged))
            same({"lines": alone}, {"lines": among}, "missing scores in between")


MEMBERS = Members(("level", "shape"), {"shape": "like nothing before"}, (1.5, 1.0))


class EpisodesConformance(StageConformance[Episodes]):
    """What an episode machine promises: subclass it and override :meth:`make`."""

    def open(self, stage: Episodes, channels: int) -> None:
        """Open for so many channels and two members."""
        stage.open(channel_names(channels), MEMBERS)

    def admit(self, stage: Episodes, slots: Codes, names: Sequence[str]) -> None:
        """Start series in these slots."""
        stage.admit(slots, names)

    def items(self, stream: Table) -> Table:
        """Judged rows that cross the line every few rows, with shares, forecasts and members."""
        values = stream["values"]
        n, channels = values.shape
        score = np.abs(values[:, 0]) / (np.nanmax(np.abs(values[:, 0]), initial=1e-9) + 1e-9)
        return Table(
            stream.codes,
            {
                "times": stream["times"],
                "score": 2.0 * score,
                "threshold": np.full(n, 1.0),
                "ratio": 2.0 * score,
                "shares": np.full((n, channels), 1.0 / channels, np.float32),
                "values": values,
                "expected": np.zeros((n, channels)),
                "parts": np.column_stack((score, 1.0 - score)).astype(np.float32),
                "causal": 1.0 + np.sin(np.arange(n)),
                "series": stream.codes.copy(),
            },
        )

    def feed(self, stage: Episodes, items: Table) -> Table:
        """Events of one step."""
        names = [series_name(code) for code in items["series"]]
        return alert_table(
            stage.step(as_judged(items)), dict(zip(names, items.codes.tolist(), strict=True))
        )

    def end(self, stage: Episodes, slots: Codes, names: Sequence[str]) -> Table:
        """Events that resolve what is open."""
        return alert_table(
            stage.close(slots, "end_of_stream"), dict(zip(names, slots.tolist(), strict=True))
        )

    def test_an_episode_opens_first_and_resolves_last(self) -> None:
        """Events are numbered 1, 2, 3..., and nothing stays open after the end."""

        @for_all(self.effort, recipe=self.recipes())
        def holds(recipe: Recipe) -> None:
            case = self.case(recipe)
            stage = self.start(case)
            assert isinstance(stage, Episodes)
            alerts = stage.step(as_judged(case.items))
            is_open = {alert.id for alert in alerts} - {
                a.id for a in alerts if a.event == "resolve"
            }
            assert stage.open_count() == len(is_open)
            alerts += stage.close(numbered(case.n_series), "end_of_stream")
            assert stage.open_count() == 0
            for episode in {alert.id for alert in alerts}:
                own = [alert for alert in alerts if alert.id == episode]
                assert [alert.seq for alert in own] == list(range(1, len(own) + 1))
                kinds = [alert.event for alert in own]
                assert kinds == ["open", *["update"] * (len(own) - 2), "resolve"]

    def test_alerts_name_the_members(self) -> None:
        """Members that judged, largest share first, under their own names."""

        @for_all(self.effort, recipe=self.recipes())
        def holds(recipe: Recipe) -> None:
            case = self.case(recipe)
            stage = self.start(case)
            alerts = stage.step(as_judged(case.items))
            for alert in alerts + stage.close(numbered(case.n_series), "end_of_stream"):
                shares = [member.share for member in alert.members]
                assert shares, f"an alert without a member: {alert.summary}"
                assert shares == sorted(shares, reverse=True)
                assert all(member.score > 0 for member in alert.members)
                assert {member.name for member in alert.members} <= {*MEMBERS.names}

    def test_the_streams_of_the_checks_raise_alerts(self) -> None:
        """Scores go over the line often enough for an episode: no alert, nothing checked."""
        outcome = self.run(self.case(Recipe(2, ("walk", "sine"), 2, self.max_rows)))
        assert len(outcome["answers"]), "no alert in the whole stream: open after fewer rows"


def as_judged(items: Table) -> Judged:
    """Items as the rows that an episode machine takes."""
    held = items.columns
    return Judged(
        items.codes,
        held["times"],
        held["score"],
        held["threshold"],
        held["ratio"],
        held["shares"],
        held["values"],
        held["expected"],
        held["parts"],
        held["causal"],
    )


def alert_table(alerts: Sequence[Alert], slot_of: Mapping[str, int]) -> Table:
    """Alerts as a table; a series that is not in ``slot_of`` had no row and no right to speak."""
    strangers = {alert.series for alert in alerts} - slot_of.keys()
    assert not strangers, f"alerts for series without a row in this step: {sorted(strangers)}"
    codes = np.array([slot_of[alert.series] for alert in alerts], np.int32)
    return Table(codes, {"alert": np.array([repr(alert) for alert in alerts], np.object_)})
