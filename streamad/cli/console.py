"""Standard error for people: logs, progress, errors. Standard output carries data only."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

import typer

from streamad.core.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from streamad.runtime.engine import Progress

log = logging.getLogger("streamad")

_LEVELS = ("debug", "info", "warning", "error")
_QUIET_S = 10.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Global options."""

    log_level: str = "info"
    log_format: str = "auto"
    color: str = "auto"
    quiet: bool = False


_current: list[Settings] = [Settings()]


def settings() -> Settings:
    """Global options of this call."""
    return _current[-1]


def configure(chosen: Settings) -> None:
    """Take the global options and set up the log handlers.

    Raises
    ------
    ConfigError
        A value that is not offered.
    """
    for name, value, known in (
        ("--log-level", chosen.log_level, _LEVELS),
        ("--log-format", chosen.log_format, ("auto", "text", "json")),
        ("--color", chosen.color, ("auto", "always", "never")),
    ):
        if value not in known:
            raise ConfigError(f"{name} should be one of {', '.join(known)}, got {value!r}")
    _current[:] = [chosen]
    root = logging.getLogger()
    root.handlers[:] = [_LazyHandler()]
    root.setLevel(chosen.log_level.upper())
    logging.getLogger("numba").setLevel(logging.WARNING)


class _LazyHandler(logging.Handler):
    """Imports structlog with the first line that is logged, not before."""

    def emit(self, record: logging.LogRecord) -> None:
        if not hasattr(self, "_inner"):
            self._inner = _structlog_handler()
        self._inner.emit(record)


def _structlog_handler() -> logging.Handler:
    import structlog

    chosen = settings()
    plain = chosen.log_format == "text" or (chosen.log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=use_color(), timestamp_key="ts")
        if plain
        else structlog.processors.JSONRenderer(sort_keys=True)
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    return handler


def use_color() -> bool:
    """True if standard error takes colour."""
    wanted = settings().color
    if wanted != "auto":
        return wanted == "always"
    return sys.stderr.isatty() and "NO_COLOR" not in os.environ


def error_console() -> Console:
    """Rich console on standard error."""
    from rich.console import Console

    return Console(stderr=True, no_color=not use_color(), highlight=False)


def note(text: str) -> None:
    """One line on standard error, unless quiet."""
    if not settings().quiet:
        typer.echo(text, err=True)


def fail(message: str) -> None:
    """The error that ends the command; the traceback only for debugging."""
    if settings().log_level == "debug":
        traceback.print_exc()
    text = message if ": error: " in message else f"error: {message}"
    typer.echo(text, err=True)


@contextmanager
def drain_on_signal() -> Iterator[threading.Event]:
    """The first SIGTERM or SIGINT sets the event; a second one ends the process at once."""
    stop = threading.Event()

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    before = {n: signal.signal(n, handle) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class ProgressLine:
    """A bar on a terminal, one log line per ten seconds elsewhere, nothing when quiet."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty() and not settings().quiet
        self._last = time.monotonic()
        self._bar: object | None = None
        self._task: int | None = None

    def __call__(self, progress: Progress) -> None:
        """Show where the run stands."""
        if settings().quiet:
            return
        if self._live:
            self._draw(progress)
        elif time.monotonic() - self._last >= _QUIET_S:
            self._last = time.monotonic()
            log.info(
                "%s rows, %.0f rows/s, %s episodes",
                _of(progress),
                progress.rows_per_s,
                progress.alerts,
            )

    def close(self) -> None:
        """Take the bar away."""
        from rich.progress import Progress as Bar

        if isinstance(self._bar, Bar):
            self._bar.stop()

    def _draw(self, progress: Progress) -> None:
        from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        if not isinstance(self._bar, Bar):
            self._bar = Bar(
                TextColumn("replay"),
                BarColumn(),
                TextColumn("{task.fields[text]}"),
                TimeRemainingColumn(),
                console=error_console(),
                transient=True,
            )
            self._task = self._bar.add_task("replay", total=progress.total_rows, text="")
            self._bar.start()
        text = (
            f"{_of(progress)} rows  {progress.rows_per_s:,.0f} rows/s  {progress.alerts} episodes"
        )
        self._bar.update(TaskID(self._task or 0), completed=progress.rows, text=text)


def _of(progress: Progress) -> str:
    total = f" of {progress.total_rows:,}" if progress.total_rows else ""
    return f"{progress.rows:,}{total}"
