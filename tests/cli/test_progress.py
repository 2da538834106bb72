"""Progress: a bar on a terminal, a log line elsewhere."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from streamad.cli import progress
from streamad.cli.progress import ProgressLine, describe
from streamad.runtime.telemetry import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_total_there_is_no_time_to_go():
    assert describe(Progress(5, None, 2.0, 0, None)) == "5 rows, 2 rows/s, 0 episodes"


def test_hours_to_go_are_shown():
    assert "2:46:39 to go" in describe(Progress(1, 10_000, 1.0, 0, None))


def test_a_log_line_comes_every_ten_seconds(monkeypatch, caplog):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    line = ProgressLine()
    with caplog.at_level(logging.INFO):
        for now[0] in (1.0, 9.0, 11.0, 15.0, 22.0):
            line(Progress(int(now[0]), 100, 1.0, 0, None))
    line.close()
    assert [record.message.split()[0] for record in caplog.records] == ["11", "22"]


@pytest.mark.parametrize("total", [100, None])
def test_a_terminal_gets_a_bar_that_goes_away(monkeypatch, total):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    line = ProgressLine()
    line(Progress(50, total, 10.0, 2, None))
    line.close()
    assert "10 rows/s" in screen.getvalue()
    assert "2 episodes" in screen.getvalue()
