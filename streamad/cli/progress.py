"""How far a run is: a bar on a terminal, a log line every ten seconds elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING

from streamad.cli.console import error_console, settings

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from streamad.runtime.telemetry import Progress

log = logging.getLogger(__name__)

LOG_EVERY_S = 10.0


class ProgressLine:
    """Takes the progress of a run; shows nothing when quiet."""

    def __init__(self) -> None:
        self._on_terminal = sys.stderr.isatty()
        self._logged = time.monotonic()
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __call__(self, progress: Progress) -> None:
        """Show where the run stands."""
        if settings().quiet:
            return
        if self._on_terminal:
            self._draw(progress)
        elif time.monotonic() - self._logged >= LOG_EVERY_S:
            self._logged = time.monotonic()
            log.info("%s", describe(progress))

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def _draw(self, progress: Progress) -> None:
        if self._bar is None or self._task is None:
            self._bar = _make_bar()
            self._task = self._bar.add_task("replay", total=progress.total_rows, text="")
            self._bar.start()
        text = describe(progress)
        self._bar.update(self._task, completed=progress.rows, text=text)


def describe(progress: Progress) -> str:
    """One line: rows, speed, time to go, episodes.

    Examples
    --------
    >>> from streamad.runtime.telemetry import Progress
    >>> describe(Progress(2_500_000, 10_000_000, 50_000.0, 3, None))
    '2,500,000 of 10,000,000 rows, 50,000 rows/s, 2:30 to go, 3 episodes'
    """
    parts = [f"{progress.rows:,} rows", f"{progress.rows_per_s:,.0f} rows/s"]
    if progress.total_rows is not None:
        parts[0] = f"{progress.rows:,} of {progress.total_rows:,} rows"
        rest_s = max(progress.total_rows - progress.rows, 0) / max(progress.rows_per_s, 1e-9)
        parts.append(f"{_clock(rest_s)} to go")
    return ", ".join([*parts, f"{progress.alerts} episodes"])


def _clock(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _make_bar() -> Bar:
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("replay"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[text]}"),
        console=error_console(),
        transient=True,
    )
