"""The checks of a process with checkpoints can fail: one that repeats itself is caught."""

from __future__ import annotations

import sys

import pytest

from streamad.testing.conformance import CrashConformance
from streamad.testing.crash import moments, run_process

COUNT = """
import os, sys
from pathlib import Path
from streamad.runtime.checkpoints import crash_point

folder, truncates = Path(sys.argv[1]), sys.argv[2] == "honest"
state, out = folder / "state", folder / "out"
at, size = map(int, state.read_text().split()) if state.exists() else (0, 0)
with out.open("ab") as file:
    if truncates:
        file.truncate(size)
    for number in range(at, 6):
        file.write(b"%d\\n" % number)
        file.flush()
        crash_point("after_batch")
        state.with_name("tmp").write_text(f"{number + 1} {file.tell()}")
        os.replace(state.with_name("tmp"), state)
        crash_point("after_rename")
"""


class Suite(CrashConformance):
    points = ("after_batch:2", "after_rename:2")
    kills = 2

    def __init__(self, kind):
        self.kind = kind

    def command(self, folder):
        return [sys.executable, "-c", COUNT, str(folder), self.kind]

    def read(self, folder):
        return (folder / "out").read_text()


def test_a_process_that_resumes_passes(tmp_path):
    suite = Suite("honest")
    for name in dir(suite):
        if name.startswith("test_"):
            folder = tmp_path / name
            folder.mkdir()
            getattr(suite, name)(folder)


@pytest.mark.parametrize(
    "check",
    ["test_a_crash_at_any_named_point_does_not_show", "test_crashes_in_a_row_do_not_show"],
)
def test_a_process_that_repeats_itself_is_caught(tmp_path, check):
    with pytest.raises(AssertionError):
        getattr(Suite("repeats"), check)(tmp_path)


def test_a_point_that_is_never_reached_is_an_error(tmp_path):
    suite = Suite("honest")
    suite.points = ("after_prune:1",)
    with pytest.raises(AssertionError, match="never came to after_prune:1"):
        suite.test_a_crash_at_any_named_point_does_not_show(tmp_path)


def test_other_output_after_a_kill_is_caught(tmp_path, monkeypatch):
    monkeypatch.setattr(Suite, "calm", lambda *_: ("other", 0.1))
    with pytest.raises(AssertionError, match="a kill after"):
        Suite("honest").test_kills_at_random_moments_do_not_show(tmp_path)


def test_moments_are_spread_over_the_run_and_the_same_each_time():
    found = moments(50, 3, 10.0)
    assert found == moments(50, 3, 10.0)
    assert [int(moment / 0.2) for moment in found] == list(range(50))


def test_a_process_is_killed_after_its_time():
    ending = run_process([sys.executable, "-c", "import time; time.sleep(60)"], kill_after_s=0.2)
    assert ending.killed
    assert 0.2 <= ending.seconds < 30
