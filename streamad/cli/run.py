"""``streamad run``: consume until stopped."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamad.cli.console import configure_logs, note, settings
from streamad.cli.live import described, has_group, make_telemetry, run_live, state_folder
from streamad.cli.options import Configs, Overrides
from streamad.cli.progress import ProgressLine
from streamad.cli.secrets import keep_secret
from streamad.cli.signals import live_signals
from streamad.cli.workers import run_workers, stop_with_parent
from streamad.core.errors import ConfigError, StreamadError

if TYPE_CHECKING:
    from streamad.config import Config
    from streamad.runtime.telemetry import Summary, Telemetry

log = logging.getLogger(__name__)

EXAMPLES = (
    "streamad run plant.yaml",
    "streamad run plant.yaml --workers 4 --set state.dir=/var/lib/streamad",
)


def run_command(
    config: Configs,
    set_: Overrides = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes in one group; overrides runtime.workers.")
    ] = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Exit 4 if the source is not there at the start.")
    ] = False,
) -> None:
    """Consume until stopped, and go on after a restart as if nothing had been.

    The first SIGTERM or Ctrl-C drains: the batch in hand, the sinks, a snapshot, the offsets; a
    second one leaves at once. SIGHUP reads the logging section again, SIGUSR1 tells where the
    process stands.
    """
    from streamad.config import load_config

    overrides = set_ or []
    made = load_config(*config, overrides=overrides)
    _apply(made)
    n_workers = workers or made.runtime.workers
    if n_workers > 1:
        if not has_group(made):
            raise ConfigError(
                f"--workers {n_workers} needs a source whose partitions a group shares, such as "
                f"kafka: {made.source.type} is read by one process"
            )
        state_folder(made)
        raise typer.Exit(
            run_workers(_worker_arguments(made, n_workers), made.shutdown.timeout / 1e9)
        )
    _run(made, config, overrides, fail_fast=fail_fast)


def _run(made: Config, paths: list[Path], overrides: list[str], *, fail_fast: bool) -> None:
    telemetry = make_telemetry(made)
    reload = _Reload(made, paths, overrides, telemetry)
    line = ProgressLine()
    with live_signals(
        made.shutdown.timeout / 1e9, reload, lambda: json.dumps(standing(telemetry))
    ) as stop:
        stop_with_parent(stop)
        log.info("started %s  %s", made.pipeline, described(made))
        try:
            summary = run_live(made, telemetry, stop, fail_fast=fail_fast, on_progress=line)
        finally:
            line.close()
    _tell(summary)


def standing(telemetry: Telemetry) -> dict[str, object]:
    """Where a process stands, as JSON types."""
    return {
        "rows": telemetry.rows,
        "rejects": dict(telemetry.rejects),
        "lag": {name: part.lag for name, part in telemetry.partitions.items()},
        "next_offset": {name: part.next_offset for name, part in telemetry.partitions.items()},
        "waiting": [n for n, p in telemetry.partitions.items() if p.held_since_s is not None],
        "series": telemetry.series,
        "largest_series": telemetry.largest_series,
        "step": telemetry.doing,
        "open_alerts": telemetry.open_alerts,
        "checkpoints": dict(telemetry.checkpoints),
        "not_ready": telemetry.not_ready(),
    }


class _Reload:
    """Reads the configuration again and applies what touches no state: the logging section."""

    def __init__(
        self, made: Config, paths: list[Path], overrides: list[str], telemetry: Telemetry
    ) -> None:
        self._made = made
        self._paths = paths
        self._overrides = overrides
        self._telemetry = telemetry

    def __call__(self) -> None:
        from streamad.config import load_config

        try:
            found = load_config(*self._paths, overrides=self._overrides)
        except StreamadError as error:
            self._telemetry.reloaded(ok=False)
            log.error("the configuration stays as it was: %s", error)  # noqa: TRY400
            return
        changed = [
            name
            for name in type(found).model_fields
            if name != "logging" and getattr(found, name) != getattr(self._made, name)
        ]
        _apply(found)
        self._telemetry.reloaded(ok=True)
        self._made = self._made.model_copy(update={"logging": found.logging})
        if changed:
            log.warning(
                "read again: logging is applied; %s changed too and needs a restart",
                ", ".join(changed),
            )
        else:
            log.info("read again: logging is applied")


def _apply(made: Config) -> None:
    """What the sections for this process alone say about its logs."""
    keep_secret(made)
    level = "warning" if settings().quiet else made.logging.level
    configure_logs(level, made.logging.format, made.logging.repeat_limit / 1e9)


def _worker_arguments(made: Config, n_workers: int) -> list[list[str]]:
    """The command line of each worker, with a port and an instance of its own."""
    given = _without_workers(sys.argv[1:])
    instance = made.source.options.get("instance_id")
    found = []
    for number in range(n_workers):
        own = ["--set", "runtime.workers=1"]
        if made.web.port:
            own += ["--set", f"web.port={made.web.port + number}"]
        if instance:
            own += ["--set", f"source.instance_id={instance}-{number + 1}"]
        found.append([*given, *own])
    return found


def _without_workers(arguments: list[str]) -> list[str]:
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if skip or argument.startswith("--workers="):
            skip = False
        elif argument == "--workers":
            skip = True
        else:
            kept.append(argument)
    return kept


def _tell(summary: Summary | None) -> None:
    if summary is None:
        note("stopped before the source could be reached")
        return
    counters = summary.counters
    note(
        f"stopped    {summary.rows_here:,} rows in {summary.seconds:.1f} s, "
        f"{counters.opened:,} episodes, {sum(counters.rejects.values()):,} rejected; "
        f"sinks flushed, snapshots written, {_committed(summary)}"
    )


def _committed(summary: Summary) -> str:
    """What became of the offsets."""
    if summary.committed:
        return "offsets committed"
    return "offsets not committed (the group moved); the next run goes on from the snapshots"
