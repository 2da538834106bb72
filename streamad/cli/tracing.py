"""The traces of ``streamad run``, as its configuration says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streamad.core.errors import MissingExtraError

if TYPE_CHECKING:
    from streamad.config import Config
    from streamad.runtime.spans import Recorder
    from streamad.runtime.telemetry import Telemetry

_SECOND_NS = 1_000_000_000
_SHARE_OF_SHUTDOWN = 0.05
"""Of the time to drain, half of what the engine leaves: for the spans that still wait."""


@contextmanager
def traces(config: Config, telemetry: Telemetry) -> Iterator[Recorder | None]:
    """What records spans while the context lasts; None where nobody wants them.

    Parameters
    ----------
    config : Config
    telemetry : Telemetry

    Raises
    ------
    MissingExtraError
        If spans are wanted and OpenTelemetry is not installed.
    """
    wanted = config.tracing
    if wanted.otlp_endpoint is None:
        yield None
        return
    try:
        from streamad.runtime.otlp import OtlpTraces
    except ImportError as error:
        raise MissingExtraError("tracing.otlp_endpoint", "otel") from error
    from streamad.runtime.spans import Recorder

    made = OtlpTraces(
        wanted.otlp_endpoint,
        config.pipeline,
        sample=wanted.sample,
        timeout_s=wanted.timeout / _SECOND_NS,
    )
    try:
        yield Recorder(telemetry, made)
    finally:
        made.close(_SHARE_OF_SHUTDOWN * config.shutdown.timeout / _SECOND_NS)
