"""Kill a process at a named point or at any moment, start it again, compare what it leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CRASH_POINTS = (
    "after_batch",
    "after_flush",
    "before_rename",
    "after_rename",
    "after_fsync",
    "after_commit",
    "after_prune",
    "after_finish",
)
"""Named points of the checkpoint protocol, in the order in which a run passes them."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended.

    Attributes
    ----------
    killed : bool
        True if SIGKILL ended it.
    returncode : int
        As ``subprocess`` gives it: negative = signal.
    seconds : float
        How long it ran.
    output : str
        Its standard output and error.
    """

    killed: bool
    returncode: int
    seconds: float
    output: str


def run_process(
    command: Sequence[str],
    *,
    crash_at: str | None = None,
    kill_after_s: float | None = None,
    timeout_s: float = 300.0,
) -> Ending:
    """Run a command to its end, or to a SIGKILL.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    crash_at : str, optional
        ``point`` or ``point:n``: the process kills itself on its n-th pass of this crash point.
    kill_after_s : float, optional
        Seconds after which it is killed from outside, if it still runs.
    timeout_s : float
        Seconds after which it counts as hanging.

    Raises
    ------
    subprocess.TimeoutExpired
        If it hangs; it is killed before.
    """
    environment = {key: value for key, value in os.environ.items() if key != "STREAMAD_CRASH_AT"}
    if crash_at is not None:
        environment |= {"STREAMAD_TESTING": "1", "STREAMAD_CRASH_AT": crash_at}
    started = time.monotonic()
    with subprocess.Popen(  # noqa: S603  (the test names the command)
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            output, _ = process.communicate(
                timeout=timeout_s if kill_after_s is None else kill_after_s
            )
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            if kill_after_s is None:
                raise
    seconds = time.monotonic() - started
    return Ending(process.returncode == -signal.SIGKILL, process.returncode, seconds, output)


def moments(n: int, seed: int, longest_s: float) -> list[float]:
    """Seconds at which to kill: n of them, spread over a run of this length, the same each time."""
    rng = np.random.default_rng(seed)
    return [float(s) for s in (np.arange(n) + rng.random(n)) / n * longest_s]


class CrashConformance:
    """What a process with checkpoints promises: subclass it and override two methods.

    The process must checkpoint often (after every batch or so), or some points are never reached,
    which fails the test.

    Attributes
    ----------
    points : tuple of str
        Crash points to visit: ``point``, or ``point:n`` for the n-th pass.
    kills : int
        Random moments.
    seed : int
        Of the moments.

    Examples
    --------
    ::

        class TestMyEngine(CrashConformance):
            def command(self, folder):
                return [sys.executable, "replay.py", str(folder)]

            def read(self, folder):
                return (folder / "alerts.jsonl").read_bytes()
    """

    points: tuple[str, ...] = (
        "after_batch:1",
        *(f"{p}:2" for p in CRASH_POINTS[:-1]),
        "after_finish",
    )
    kills: int = 5
    seed: int = 0

    def command(self, folder: Path) -> Sequence[str]:
        """Start, or start again, the run whose state and output are in this folder."""
        raise NotImplementedError

    def read(self, folder: Path) -> object:
        """What the output of a finished run says."""
        raise NotImplementedError

    def test_a_crash_at_any_named_point_does_not_show(self, tmp_path: Path) -> None:
        """Killed between any two steps of the protocol and started again: the same output."""
        expected, _ = self.calm(tmp_path)
        for point in self.points:
            folder = tmp_path / point.replace(":", "-")
            folder.mkdir()
            ending = run_process(self.command(folder), crash_at=point)
            assert ending.killed, f"the process never came to {point}: {ending.output}"
            self.finish(folder)
            assert self.read(folder) == expected, f"a crash at {point} shows"

    def test_crashes_in_a_row_do_not_show(self, tmp_path: Path) -> None:
        """One run that is killed at every named point in turn gives the same output."""
        expected, _ = self.calm(tmp_path)
        folder = tmp_path / "killed"
        folder.mkdir()
        for point in self.points:
            run_process(self.command(folder), crash_at=point)
        self.finish(folder)
        assert self.read(folder) == expected, "crashes in a row show"

    def test_kills_at_random_moments_do_not_show(self, tmp_path: Path) -> None:
        """Killed from outside at any moment and started again: the same output."""
        expected, seconds = self.calm(tmp_path)
        for number, moment in enumerate(moments(self.kills, self.seed, seconds)):
            folder = tmp_path / str(number)
            folder.mkdir()
            run_process(self.command(folder), kill_after_s=moment)
            self.finish(folder)
            assert self.read(folder) == expected, f"a kill after {moment:.3f} s shows"

    def calm(self, tmp_path: Path) -> tuple[object, float]:
        """Output and seconds of a run without a crash."""
        folder = tmp_path / "calm"
        folder.mkdir()
        ending = self.finish(folder)
        return self.read(folder), ending.seconds

    def finish(self, folder: Path) -> Ending:
        """Run to the end; it must succeed."""
        ending = run_process(self.command(folder))
        assert ending.returncode == 0, f"exit status {ending.returncode}: {ending.output}"
        return ending
