"""Spans of the loop for a collector of OpenTelemetry, over OTLP/HTTP and on a thread of its own."""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    Span,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from streamad.core.versions import versions
from streamad.runtime.spans import Step

log = logging.getLogger(__name__)

PATH = "/v1/traces"
_PARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class OtlpTraces:
    """Every turn of the loop that is handed over becomes a trace.

    Parameters
    ----------
    endpoint : str
        Base URL of the collector, or the whole one with ``/v1/traces``.
    pipeline : str
        Name that all spans bear.
    sample : float
        Share of the turns that are sent.
    timeout_s : float
        Of one request.

    Notes
    -----
    Spans wait in a queue of limited length; where the collector is away or slow, the newest are
    dropped and the loop never waits. Headers, certificates and compression are taken from the
    environment as OpenTelemetry names them (``OTEL_EXPORTER_OTLP_HEADERS`` and so on). No global
    tracer is set.
    """

    def __init__(
        self, endpoint: str, pipeline: str, *, sample: float = 1.0, timeout_s: float = 5.0
    ) -> None:
        version = versions().get("streamad-engine", "")
        resource = Resource.create(
            {
                "service.name": os.environ.get("OTEL_SERVICE_NAME", "streamad"),
                "service.version": version,
                "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
                "streamad.pipeline": pipeline,
            }
        )
        url = endpoint if endpoint.endswith(PATH) else endpoint.rstrip("/") + PATH
        self._exporter = OTLPSpanExporter(endpoint=url, timeout=timeout_s)
        self._provider = TracerProvider(
            ParentBased(TraceIdRatioBased(sample)), resource, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("streamad", version)

    def __call__(self, steps: Sequence[Step], origins: Sequence[str]) -> None:
        """Make spans of the steps of a turn, linked to the traces that its records came from."""
        spans: list[Span] = []
        for step in steps:
            whole = step.parent is None
            span = self._tracer.start_span(
                f"streamad {step.name}",
                context=None if step.parent is None else set_span_in_context(spans[step.parent]),
                attributes={f"streamad.{name}": value for name, value in step.attributes.items()},
                links=links_to(origins) if whole else None,
                start_time=step.start_ns,
            )
            if step.error is not None:
                span.set_attribute("error.type", step.error)
                span.set_status(Status(StatusCode.ERROR))
            spans.append(span)
        for span, step in zip(reversed(spans), reversed(steps), strict=True):
            span.end(end_time=step.end_ns)

    def close(self, timeout_s: float) -> None:
        """Send what waits, within this time; the rest is dropped."""
        closing = threading.Thread(
            target=self._provider.shutdown, name="streamad-traces", daemon=True
        )
        closing.start()
        closing.join(timeout_s)
        if closing.is_alive():
            self._exporter.shutdown()  # type: ignore[no-untyped-call]
            log.warning("the collector of traces did not take all spans within %.1f s", timeout_s)


def links_to(origins: Sequence[str]) -> list[Link]:
    """Links to what ``traceparent`` headers name; those that name nothing are passed over."""
    found = []
    for text in dict.fromkeys(origins):
        parent = _PARENT.match(text)
        if parent is not None:
            trace, span, flags = (int(part, 16) for part in parent.groups())
            context = SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(flags))
            if context.is_valid:
                found.append(Link(context))
    return found
