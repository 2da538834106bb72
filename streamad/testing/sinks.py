"""The promises of a sink."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from streamad.core.data import Alert, Contribution, MemberPart, ScoreRows
from streamad.core.protocols import Sink
from streamad.testing.strategies import for_all

PARTITION = "partition"


class SinkConformance:
    """What a sink that keeps its output in a folder promises: subclass it, override two methods.

    The crash is a copy of the folder, taken while the sink is still open: what the kernel has, and
    nothing of what the process still holds, as after ``kill -9``.

    Attributes
    ----------
    effort : float
        Share of the examples of the active Hypothesis profile.
    steps : int
        Writes of a run.

    Examples
    --------
    ::

        class TestMySink(SinkConformance):
            def make(self, folder):
                return MySink(folder / "alerts.bin")
    """

    effort: float = 1.0
    steps: int = 8

    def make(self, folder: Path) -> Sink:
        """A new sink that keeps its output in this folder."""
        raise NotImplementedError

    def read(self, folder: Path) -> object:
        """What the output of a finished run says; by default the bytes of all files."""
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    def test_it_has_the_verbs_of_a_sink(self) -> None:
        """It answers to every name of the protocol."""
        with tempfile.TemporaryDirectory() as name:
            assert isinstance(self.make(Path(name)), Sink)

    def test_a_crash_does_not_show(self) -> None:
        """Promise 2: from any flushed position on, the rest gives the output of a calm run."""

        @for_all(
            self.effort,
            flushes=st.sets(st.integers(1, self.steps)),
            crash=st.integers(0, self.steps),
            older=st.integers(0, 2),
            closed=st.booleans(),
        )
        def holds(flushes: set[int], crash: int, older: int, closed: bool) -> None:  # noqa: FBT001
            with tempfile.TemporaryDirectory() as name:
                calm, before, after = (Path(name) / part for part in ("calm", "before", "after"))
                calm.mkdir()
                before.mkdir()
                self.run(calm, flushes)
                sink = self.make(before)
                sink.open(PARTITION, None)
                positions = [(0, None), *self.write(sink, 0, crash, flushes)]
                if closed:
                    sink.close()
                shutil.copytree(before, after)
                sink.close()
                step, position = positions[max(0, len(positions) - 1 - older)]
                self.run(after, flushes, step, position)
                assert self.read(after) == self.read(calm), (
                    f"a crash after write {crash}, resumed at write {step}, shows in the output"
                )

    def test_a_drop_does_not_show(self) -> None:
        """A partition that somebody else takes over, or that comes back, is as if never owned.

        The owner before may be late to hear of it, and stays open for other partitions.
        """

        @for_all(
            self.effort,
            flushes=st.sets(st.integers(1, self.steps)),
            lost=st.integers(0, self.steps),
            late=st.booleans(),
            back=st.booleans(),
        )
        def holds(flushes: set[int], lost: int, late: bool, back: bool) -> None:  # noqa: FBT001
            with tempfile.TemporaryDirectory() as name:
                calm, folder = Path(name) / "calm", Path(name) / "shared"
                calm.mkdir()
                folder.mkdir()
                self.run(calm, flushes)
                owner = self.make(folder)
                owner.drop(PARTITION)
                owner.open(PARTITION, None)
                held = [(0, None), *self.write(owner, 0, lost, flushes)]
                if back or not late:
                    owner.drop(PARTITION)
                heir = owner if back else self.make(folder)
                step, position = held[-1]
                heir.open(PARTITION, position)
                middle = (step + self.steps) // 2
                self.write(heir, step, middle, flushes)
                if not back:
                    if late:
                        owner.drop(PARTITION)
                    owner.close()
                self.write(heir, middle, self.steps, flushes)
                heir.flush(PARTITION, self.steps)
                heir.finish(PARTITION)
                heir.close()
                assert self.read(folder) == self.read(calm), (
                    f"a partition that was lost after write {lost} and taken over at write {step} "
                    "shows in the output"
                )

    def test_finishing_twice_is_finishing_once(self) -> None:
        """A crash while the output is completed repeats the completion only."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            position = self.run(folder, {self.steps // 2})
            once = self.read(folder)
            sink = self.make(folder)
            sink.open(PARTITION, position)
            sink.finish(PARTITION)
            sink.close()
            assert self.read(folder) == once

    def test_a_run_without_rows_is_complete(self) -> None:
        """A partition that gives nothing can be flushed and finished."""
        with tempfile.TemporaryDirectory() as name:
            sink = self.make(Path(name))
            sink.open(PARTITION, None)
            sink.flush(PARTITION, 0)
            sink.finish(PARTITION)
            sink.close()

    def test_what_was_flushed_is_in_the_output(self) -> None:
        """Output reacts to what is written: other writes, other output."""
        with tempfile.TemporaryDirectory() as name:
            folders = [Path(name) / part for part in ("all", "some")]
            for folder, first in zip(folders, (0, self.steps // 2), strict=True):
                folder.mkdir()
                self.run(folder, {self.steps}, first)
            assert self.read(folders[0]) != self.read(folders[1])

    def run(
        self,
        folder: Path,
        flushes: set[int],
        first: int = 0,
        position: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """Write everything from one step on and finish; the last position."""
        sink = self.make(folder)
        sink.open(PARTITION, position)
        self.write(sink, first, self.steps, flushes)
        last = sink.flush(PARTITION, self.steps)
        sink.finish(PARTITION)
        sink.close()
        return last

    def write(
        self, sink: Sink, first: int, last: int, flushes: set[int]
    ) -> list[tuple[int, Mapping[str, Any]]]:
        """Write some steps; the positions of the flushes among them."""
        positions: list[tuple[int, Mapping[str, Any]]] = []
        for step in range(first, last):
            sink.write(PARTITION, *example_output(step))
            if step + 1 in flushes:
                positions.append((step + 1, dict(sink.flush(PARTITION, step + 1))))
        return positions


def example_output(step: int) -> tuple[Sequence[ScoreRows], Sequence[Alert]]:
    """Scores of two series and the events of an episode, different at every step."""
    n = 3 + step % 3
    times = 1_700_000_000_000_000_000 + (np.arange(n) + 10 * step) * 1_000_000_000
    score = np.arange(n, dtype=np.float64) + step / 7.0
    score[0] = np.nan
    rows = ScoreRows(
        "detector",
        ["pump-1", "pump-ü"],
        np.arange(n, dtype=np.int32) % 2,
        times,
        score,
        0.5 * score,
        np.full(n, 3.0),
        score * 0.3,
        np.full((n, 2), 0.5, np.float32),
        ("flow", "pressure"),
    )
    alert = Alert(
        event=("open", "update", "resolve")[step % 3],
        id=f"alt_{step // 3:026d}",
        seq=1 + step % 3,
        pipeline="plant",
        series="pump-ü",
        detector="detector",
        detector_type="ewma",
        severity="warning",
        start_ns=int(times[0]),
        end_ns=int(times[-1]) if step % 3 == 2 else None,
        detected_ns=int(times[-1]),
        score=float(score[-1]),
        threshold=3.0,
        ratio=float(score[-1]) / 3.0,
        peak_ns=int(times[-1]),
        peak_score=float(score[-1]),
        peak_ratio=float(score[-1]) / 3.0,
        contributions=(
            Contribution("flow", 0.75, 1.5, 1.0, "above"),
            Contribution("pressure", 0.25),
        ),
        reason="open",
        labels={"site": "north"},
        summary=f"pump-ü is strange at step {step}",
        members=(MemberPart("shape", 4.5, 1.0, "like nothing before"),) if step % 2 else (),
    )
    return [rows], [alert] * (step % 2)
