"""What a configuration file may say; the same file serves backtests and the live process."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from streamad.config.redaction import hide, reveal
from streamad.config.units import CountOrDuration, Duration

SCHEMA_VERSION = 1
DEFAULT_DETECTOR = "fusion"
DEFAULT_THRESHOLD = "spot"


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


class Section(BaseModel):
    """A part of the file: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Plugin(BaseModel):
    """Something found by its ``type``; its other options are those of the class behind it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str

    @model_validator(mode="before")
    @classmethod
    def _hide_secrets(cls, given: Any) -> Any:
        return hide(given) if isinstance(given, dict) else given

    @property
    def options(self) -> dict[str, Any]:
        """Everything but the type, secrets in the clear."""
        return {key: reveal(value) for key, value in (self.model_extra or {}).items()}


class Source(Plugin):
    """Where rows come from, and where those go that cannot be read."""

    dead_letter: Plugin | None = Field(
        default=None, description="Of the live process; a run folder has its rejects.jsonl."
    )


class Missing(Section):
    """What to do about gaps."""

    max_gap: Duration | None = Field(default=None, description="Longest gap that is filled.")
    fill: Literal["nan", "hold"] = Field(default="nan", description="What filled rows hold.")
    max_share: float = Field(
        default=0.5, ge=0, le=1, description="A window with more missing values is not judged."
    )


class Window(Section):
    """How rows become ordered series."""

    period: Duration | None = Field(default=None, description="Declared step between rows.")
    allowed_lateness: Duration = Field(
        default=0, description="Rows may come out of order by so much."
    )
    duplicates: Literal["drop", "keep"] = "drop"
    max_jump: Duration | None = Field(
        default=366 * 86_400_000_000_000, description="A row further in the future is rejected."
    )
    missing: Missing = Missing()


class Detector(Section):
    """A detector with its threshold."""

    name: str = Field(
        default="", pattern=r"^[^/\x00-\x1f]*$", description="Name in scores and alerts."
    )
    type: str = Field(default=DEFAULT_DETECTOR, description="See `streamad detectors list`.")
    params: dict[str, Any] = Field(default_factory=dict)
    threshold: Plugin = Plugin(type=DEFAULT_THRESHOLD)
    output: Literal["causal", "final"] | None = Field(
        default=None, description="Overrides the `output` of the pipeline."
    )

    @model_validator(mode="before")
    @classmethod
    def _name_by_type(cls, given: Any) -> Any:
        if isinstance(given, dict) and not given.get("name"):
            return {**given, "name": str(given.get("type", DEFAULT_DETECTOR)).replace("/", "_")}
        return given

    @field_validator("params", mode="before")
    @classmethod
    def _hide_secrets(cls, given: Any) -> Any:
        return hide(given)

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of the detector, secrets in the clear."""
        return {key: reveal(value) for key, value in self.params.items()}


class Open(Section):
    """When an episode begins."""

    ratio: float = Field(default=1.0, gt=0, description="Score divided by threshold.")
    for_: CountOrDuration = Field(default=1, alias="for", description="Rows, or a duration.")


class Close(Section):
    """When an episode ends."""

    ratio: float = Field(default=0.7, gt=0, description="Score divided by threshold.")
    for_: CountOrDuration = Field(default=1, alias="for", description="Rows, or a duration.")


class When(Section):
    """Conditions of a severity, all of them."""

    ratio: float | None = Field(default=None, gt=0, description="Smallest peak ratio.")
    lasting: Duration | None = Field(default=None, description="Shortest time since the start.")


class Severity(Section):
    """A level and its conditions."""

    level: str = Field(min_length=1)
    when: When = When()


class Alerts(Section):
    """How judged rows become episodes; all times are event time."""

    open: Open = Open()
    close: Close = Close()
    merge_gap: Duration = Field(default=0, description="A new crossing so soon continues.")
    cool_down: Duration = Field(default=0, description="An episode so soon after is suppressed.")
    no_data_after: Duration | None = Field(default=None, description="Ends when nothing comes.")
    update_every: Duration | None = Field(default=None, description="Time between updates.")
    max_open: Duration | None = Field(default=None, description="Longest episode.")
    criticality: int | None = Field(
        default=None, ge=1, description="Rows over the line, less those below it, that alarm."
    )
    severity: tuple[Severity, ...] = Field(
        default=(Severity(level="critical", when=When(ratio=3.0)), Severity(level="warning")),
        description="First match wins.",
    )
    labels: dict[str, str] = Field(default_factory=dict)


class State(Section):
    """Snapshots and the number of series."""

    dir: str | None = Field(default=None, description="Of the live process; a run folder has its.")
    every: Duration = Field(default=10_000_000_000, description="Time between snapshots.")
    keep: int = Field(default=3, ge=1, description="Snapshots kept.")
    on_lost: Literal["stop", "rebuild", "fresh"] = Field(
        default="stop",
        description="No usable snapshot of a partition that was read: stop, read all rows that "
        "there are again, or go on without a state behind those that were read.",
    )
    ttl: Duration | None = Field(default=None, description="A series not seen so long is dropped.")
    max_keys: int = Field(default=100_000, ge=1, description="Series of one partition at most.")


class Runtime(Section):
    """How the loop runs; nothing here changes what comes out."""

    batch_rows: int = Field(default=65_536, ge=1, description="Rows taken at once.")
    workers: int = Field(default=1, ge=1, description="Processes, for a source with a group.")
    max_reject_share: float = Field(
        default=0.5, gt=0, le=1, description="More refused rows of a minute: not ready."
    )
    stall_after: Duration = Field(
        default=600_000_000_000, description="Rows wait so long and none comes: stop."
    )
    on_detector_error: Literal["quarantine", "stop"] = Field(
        default="quarantine", description="A detector raised: leave that series out, or stop."
    )


class Shutdown(Section):
    """How the process ends."""

    timeout: Duration = Field(
        default=30_000_000_000, description="Time to drain after the first signal."
    )


class Web(Section):
    """The page, metrics and health of the live process."""

    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on.")
    port: int | None = Field(default=8765, ge=0, le=65_535, description="0 or null = no server.")
    token_file: str | None = Field(
        default=None, description="File with the token that requests bear, but for health."
    )
    open_metrics: bool = Field(default=False, description="/metrics needs no token.")
    allowed_hosts: tuple[str, ...] = Field(
        default=(), description="Names of this server, besides its addresses and localhost."
    )

    @model_validator(mode="after")
    def _a_token_where_others_can_ask(self) -> Web:
        if self.port and self.token_file is None and not _is_loopback(self.host):
            raise ValueError(
                f"a server that others can reach ({self.host}) needs a token: write "
                "web.token_file, or web.host: 127.0.0.1"
            )
        return self


class Logging(Section):
    """Format and level of the logs."""

    format: Literal["auto", "text", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"
    repeat_limit: Duration = Field(
        default=10_000_000_000, description="The same line is logged once in so long."
    )


class Tracing(Section):
    """Spans of the live process, one trace a micro-batch."""

    otlp_endpoint: str | None = Field(
        default=None, description="URL of a collector of OpenTelemetry (OTLP/HTTP); null = none."
    )
    sample: float = Field(default=1.0, gt=0, le=1, description="Share of the batches traced.")
    timeout: Duration = Field(default=5_000_000_000, description="Of one request.")

    @field_validator("otlp_endpoint")
    @classmethod
    def _an_address_without_secrets(cls, endpoint: str | None) -> str | None:
        if endpoint is None:
            return None
        found = urlsplit(endpoint)
        if found.scheme not in ("http", "https") or not found.hostname:
            raise ValueError(
                f"the URL of a collector such as http://localhost:4318 is expected, got {endpoint}"
            )
        if found.username or found.password or found.query:
            raise ValueError(
                "secrets do not belong into the URL of the collector: set the environment variable "
                "OTEL_EXPORTER_OTLP_HEADERS, such as authorization=Bearer%20TOKEN"
            )
        return endpoint


class Config(Section):
    """A whole pipeline."""

    version: int = Field(default=SCHEMA_VERSION, json_schema_extra={"const": SCHEMA_VERSION})
    pipeline: str = Field(min_length=1, description="Name in alerts and folders.")
    source: Source
    window: Window = Window()
    output: Literal["causal", "final"] = Field(
        default="causal", description="Which score alerts: at once, or final, late by the lag."
    )
    detectors: tuple[Detector, ...] = Field(
        default=(Detector(name=DEFAULT_DETECTOR),), min_length=1
    )
    alerts: Alerts = Alerts()
    sinks: tuple[Plugin, ...] = ()
    state: State = State()
    runtime: Runtime = Runtime()
    shutdown: Shutdown = Shutdown()
    web: Web = Web()
    logging: Logging = Logging()
    tracing: Tracing = Tracing()

    @field_validator("version")
    @classmethod
    def _version_is_known(cls, version: int) -> int:
        if version != SCHEMA_VERSION:
            raise ValueError(
                f"this program reads version {SCHEMA_VERSION}, got {version}: "
                + ("upgrade it" if version > SCHEMA_VERSION else "write the version it reads")
            )
        return version

    @field_validator("detectors")
    @classmethod
    def _names_differ(cls, detectors: tuple[Detector, ...]) -> tuple[Detector, ...]:
        names = [detector.name for detector in detectors]
        if len(set(names)) != len(names):
            raise ValueError(f"every detector needs a name of its own, got {names}")
        return detectors

    @model_validator(mode="after")
    def _spools_differ(self) -> Config:
        letters = self.source.dead_letter
        plugins = [*self.sinks, *([] if letters is None else [letters])]
        folders = [one.options["spool"] for one in plugins if one.options.get("spool")]
        twice = sorted({folder for folder in folders if folders.count(folder) > 1})
        if twice:
            raise ValueError(
                f"every sink needs a spool of its own, {twice[0]} is that of several: what one "
                "leaves there the other would deliver"
            )
        return self
