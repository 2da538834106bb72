"""``streamad validate``: fields, graph, environment; no data is processed."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamad.cli.console import printable
from streamad.cli.exits import CHECK_FAILED, OK, UNREACHABLE, USAGE, exit_code
from streamad.cli.live import has_group, state_folder
from streamad.cli.options import Configs, Overrides
from streamad.core.errors import ConfigError, Refused, StreamadError

if TYPE_CHECKING:
    from streamad.config import Config

EXAMPLES = (
    "streamad validate pipeline.yaml",
    "streamad validate base.yaml mine.yaml --no-environment --deny-warnings",
)

_MANY_BYTES = 1 << 30
_FEW_BYTES = 64 << 20
_WITHOUT_SOURCE = ("value",)
"""Channels of the graph where the source is not opened."""


def validate_command(
    config: Configs,
    set_: Overrides = None,
    environment: Annotated[
        bool,
        typer.Option(help="Also ask the source, sinks and dead letters, and look at the folders."),
    ] = True,
    deny_warnings: Annotated[
        bool, typer.Option("--deny-warnings", help="Warnings end with exit code 3.")
    ] = False,
) -> None:
    """Check a configuration; processes no data.

    Three layers: fields (names and values), graph (the stages fit together), environment (the
    source can be opened, sinks and dead letters be reached, folders be written).
    """
    from streamad.config import load_config

    _say(" ".join(map(str, config)))
    try:
        made = load_config(*config, overrides=set_ or [])
    except ConfigError:
        _say("  fields        FAIL")
        raise
    _say(f"  fields        ok     {_counted(made)}")
    errors: list[StreamadError] = []
    channels, lines = _environment(made, errors) if environment else (_WITHOUT_SOURCE, [])
    told = len(errors)
    warnings = _graph(made, channels, errors)
    word = "FAIL" if len(errors) > told else "ok"
    _say(f"  graph         {word:4}   {_chain(made)}")
    for error in errors[told:]:
        _say(f"    {error}")
    if environment:
        _say(f"  environment   {'FAIL' if told else 'ok'}")
        for line in lines:
            _say(f"    {line}")
    code = exit_code(errors[0]) if errors else OK
    if told and code != USAGE:
        code = UNREACHABLE
    _end(code, len(errors), warnings, deny_warnings=deny_warnings)


def _end(code: int, n_errors: int, warnings: Sequence[str], *, deny_warnings: bool) -> None:
    if warnings:
        _say(f"  warnings      {len(warnings)}")
        for warning in warnings:
            _say(f"    {warning}")
    if code == OK and warnings and deny_warnings:
        code = CHECK_FAILED
    counts = [(n_errors, "error"), (len(warnings), "warning")]
    told = ", ".join(f"{n} {word}{'s' if n > 1 else ''}" for n, word in counts if n)
    if told:
        _say(f"{told:<76} exit {code}")
    raise typer.Exit(code)


def _environment(config: Config, errors: list[StreamadError]) -> tuple[Sequence[str], list[str]]:
    """Channels of the source, and a line for each thing outside; what fails goes to ``errors``."""
    from streamad.config import make_source

    channels: Sequence[str] = _WITHOUT_SOURCE
    lines = []
    try:
        source = make_source(config)
    except StreamadError as error:
        errors.append(error)
        lines.append(f"{'source':<18} {error}")
    else:
        channels = source.schema.channels
        rows = "" if source.total_rows is None else f", {source.total_rows:,} rows"
        lines.append(f"{'source':<18} ok, {_some(channels)}{rows}")
        source.close()
    try:
        targets = _targets(config)
    except StreamadError as error:
        errors.append(error)
        lines.append(f"{'sinks':<18} {error}")
        targets = []
    for name, target in targets:
        try:
            target.check()
        except StreamadError as error:
            errors.append(error)
            lines.append(f"{name:<18} {error}")
        else:
            lines.append(f"{name:<18} ok")
        finally:
            target.close()
    for name, path in _folders(config):
        try:
            lines.append(f"{name:<18} {path}  ok, {_room(path):.1f} GiB free")
        except OSError as error:
            message = f"{path}  cannot be written: {error.strerror}"
            errors.append(Refused(f"{name}: {message}"))
            lines.append(f"{name:<18} {message}")
    return channels, lines


def _targets(config: Config) -> list[tuple[str, Any]]:
    """Sinks and dead letters that can tell whether they would be taken in."""
    from streamad.config import make_dead_letter, make_live_sinks

    sinks = make_live_sinks(config) if config.sinks else []
    made: list[tuple[str, Any]] = [(f"sinks.{i}", sink) for i, sink in enumerate(sinks)]
    folder = Path(config.state.dir or ".")
    made.append(("source.dead_letter", make_dead_letter(config, folder)))
    return [(name, one) for name, one in made if hasattr(one, "check")]


def _folders(config: Config) -> Iterator[tuple[str, Path]]:
    """Folders that a run writes to, besides its own."""
    if config.state.dir is not None:
        yield "state.dir", state_folder(config)
    plugins = [(f"sinks.{i}", sink) for i, sink in enumerate(config.sinks)]
    if config.source.dead_letter is not None:
        plugins.append(("source.dead_letter", config.source.dead_letter))
    for name, plugin in plugins:
        for option in ("path", "spool", "dead_letter"):
            path = plugin.options.get(option)
            if isinstance(path, str):
                yield f"{name}.{option}", Path(path) if option == "spool" else Path(path).parent


def _room(path: Path) -> float:
    """GiB free where a folder is or would be; OSError if it could not be written."""
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(0, f"{there} is not a folder that may be written")
    free = shutil.disk_usage(there).free
    if free < _FEW_BYTES:
        raise OSError(errno.ENOSPC, f"only {free / 2**20:.0f} MiB are free, make room")
    return free / 2**30


def _graph(config: Config, channels: Sequence[str], errors: list[StreamadError]) -> list[str]:
    """Build all stages; warnings about what works but is hardly meant."""
    from streamad.config import make_pipeline

    try:
        pipeline = make_pipeline(config, channels)
    except StreamadError as error:
        errors.append(error)
        return []
    warnings = []
    for stage in pipeline.stages:
        state_bytes = getattr(stage.detector, "state_bytes", None)
        per_key = state_bytes(len(channels)) if state_bytes else 0
        whole = per_key * config.state.max_keys
        if whole > _MANY_BYTES:
            warnings.append(
                f"detectors: {stage.name} needs {per_key / 1000:.1f} kB per series: "
                f"{config.state.max_keys:,} series (state.max_keys) would take "
                f"{whole / 2**30:.1f} GiB"
            )
    levels = config.alerts.severity
    for i, rule in enumerate(levels[:-1]):
        if rule.when.ratio is None and rule.when.lasting is None:
            warnings.append(
                f"alerts.severity.{i}: {rule.level!r} always holds, so the rules after it never do"
            )
    if config.window.period is None and "max_gap" in config.window.missing.model_fields_set:
        warnings.append("window.missing.max_gap has no effect without window.period")
    return warnings


def _counted(config: Config) -> str:
    counts = [(len(config.detectors), "detector"), (len(config.sinks), "sink")]
    return ", ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts)


def _chain(config: Config) -> str:
    period = f" {config.model_dump(mode='json')['window']['period'] or ''}".rstrip()
    detectors = ", ".join(detector.name for detector in config.detectors)
    live = has_group(config) or config.source.options.get("follow")
    folder = [] if live else ["run folder"]
    sinks = ", ".join([*folder, *(sink.type for sink in config.sinks)]) or "stdout"
    path = config.source.options.get("path")
    source = f"{config.source.type}:{path}" if isinstance(path, str) else config.source.type
    return f"{source} → event time{period} → {detectors} → episodes → {sinks}"


def _some(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{'channel' if len(names) == 1 else 'channels'} {', '.join(names[:most])}{more}"


def _say(text: str) -> None:
    typer.echo(printable(text))
