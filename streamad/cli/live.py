"""A configuration as a living process: source, pipelines, sinks, snapshots around one engine."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from streamad.cli.tracing import traces
from streamad.cli.web import serve_web
from streamad.core.errors import ConfigError, Disconnected

if TYPE_CHECKING:
    from streamad.config import Config
    from streamad.core.data import Batch
    from streamad.core.protocols import Source
    from streamad.pipeline import Output
    from streamad.runtime.engine import EngineSettings
    from streamad.runtime.telemetry import Progress, Summary, Telemetry

log = logging.getLogger(__name__)

_SECOND_NS = 1_000_000_000
_RECONNECT_S = 5.0
_OWN_DEADLINE = 0.9
"""Share of the time to drain after which the engine gives up by itself, with a message."""


def make_telemetry(config: Config) -> Telemetry:
    """Counters of the process, with a name for every sink."""
    from streamad.runtime.telemetry import Telemetry

    kinds = [sink.type for sink in config.sinks] or ["stdout"]
    names = [
        kind if kinds.count(kind) == 1 else f"{kind}-{kinds[: i + 1].count(kind)}"
        for i, kind in enumerate(kinds)
    ]
    return Telemetry(names, max_reject_share=config.runtime.max_reject_share)


def state_folder(config: Config) -> Path:
    """Folder of the snapshots of this pipeline.

    Raises
    ------
    ConfigError
        If the configuration names none.
    """
    if config.state.dir is None:
        raise ConfigError(
            "state.dir should name the folder for the snapshots of `streamad run`: without them a "
            "restart would begin anew; write it or pass --set state.dir=FOLDER"
        )
    return Path(config.state.dir) / quote(config.pipeline, safe="")


def has_group(config: Config) -> bool:
    """True if several processes share the partitions of the source."""
    return bool(config.source.options.get("group"))


def run_live(
    config: Config,
    telemetry: Telemetry,
    stop: threading.Event,
    *,
    fail_fast: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    on_output: Callable[[Batch, Output], None] | None = None,
) -> Summary | None:
    """Consume until ``stop`` is set or the source ends.

    Parameters
    ----------
    config : Config
    telemetry : Telemetry
        As :func:`make_telemetry` makes it; kept up to date.
    stop : threading.Event
        Set it to drain.
    fail_fast : bool
        A source that cannot be reached at the start is an error; otherwise it is tried again.
    on_progress, on_output : callable, optional
        As :class:`streamad.runtime.engine.Engine` calls them.

    Returns
    -------
    Summary or None
        None if it was stopped before the source could be reached.

    Raises
    ------
    ConfigError, ConnectorError, StateError, DrainTimedOut
        See :meth:`streamad.runtime.engine.Engine.run`.
    """
    from streamad import config as configuration
    from streamad.runtime.checkpoints import FileStateStore
    from streamad.runtime.engine import Engine
    from streamad.runtime.inflight import InFlight
    from streamad.runtime.spans import no_spans

    folder = state_folder(config)
    store = FileStateStore(
        folder, configuration.fingerprint(config), exclusive=not has_group(config)
    )
    with closing(store), traces(config, telemetry) as spans, serve_web(config, telemetry):
        source = _reach(config, telemetry, stop, fail_fast=fail_fast)
        if source is None:
            return None
        if spans is not None:
            spans.origins = getattr(source, "traceparents", None)
        channels = source.schema.channels
        engine = Engine(
            source,
            lambda _partition: configuration.make_pipeline(config, channels),
            configuration.make_live_sinks(config),
            store,
            configuration.make_dead_letter(config, folder),
            settings=_settings(config, fail_fast=fail_fast),
            in_flight=InFlight(folder),
            telemetry=telemetry,
            on_progress=on_progress,
            on_output=on_output,
            spans=spans or no_spans,
            stop=stop,
        )
        return engine.run()


def described(config: Config) -> str:
    """Source and group in a few words."""
    options = config.source.options
    what = options.get("topics") or options.get("path") or ""
    named = ", ".join(what) if isinstance(what, Sequence) and not isinstance(what, str) else what
    group = f"  group {options['group']}" if has_group(config) else ""
    return f"{config.source.type} {named}{group}"


def _reach(
    config: Config, telemetry: Telemetry, stop: threading.Event, *, fail_fast: bool
) -> Source | None:
    """The source, as soon as it can be reached."""
    from streamad.config import make_source

    while not stop.is_set():
        telemetry.tick()
        try:
            return make_source(config)
        except Disconnected as error:
            if fail_fast:
                raise
            telemetry.source_failed()
            log.warning("%s; trying again in %.0f s", error, _RECONNECT_S)
            stop.wait(_RECONNECT_S)
    return None


def _settings(config: Config, *, fail_fast: bool) -> EngineSettings:
    from streamad.runtime.engine import EngineSettings

    drain_s = _OWN_DEADLINE * config.shutdown.timeout / _SECOND_NS
    gap = config.source.options.get("on_gap")
    return EngineSettings(
        batch_rows=config.runtime.batch_rows,
        checkpoint_every_s=config.state.every / _SECOND_NS,
        keep=config.state.keep,
        endless=True,
        fail_fast=fail_fast,
        on_gap="stop" if gap == "stop" else "resume",
        on_lost=config.state.on_lost,
        on_detector_error=config.runtime.on_detector_error,
        revoke_timeout_s=_revoke_s(config),
        drain_timeout_s=drain_s,
        stall_after_s=config.runtime.stall_after / _SECOND_NS,
    )


def _revoke_s(config: Config) -> float:
    """A third of the session, a fifth of the longest time between polls: whichever is less."""
    from streamad.core.durations import parse_duration

    longest = 10.0
    for option, share in (("session_timeout", 1 / 3), ("max_poll_interval", 1 / 5)):
        with suppress(ValueError):
            longest = min(
                longest, share * parse_duration(config.source.options.get(option)) / _SECOND_NS
            )
    return longest
