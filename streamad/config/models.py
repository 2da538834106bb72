"""What a configuration file may say; the same file serves backtests and the live process."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from streamad.config.units import CountOrDuration, Duration

SCHEMA_VERSION = 1


class Section(BaseModel):
    """A part of the file: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Plugin(BaseModel):
    """Something found by its ``type``; its other options are those of the class behind it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str

    @property
    def options(self) -> dict[str, Any]:
        """Everything but the type."""
        return dict(self.model_extra or {})


class Missing(Section):
    """What to do about gaps."""

    max_gap: Duration | None = None
    fill: Literal["nan", "hold"] = "nan"
    max_share: float = Field(default=0.5, ge=0, le=1)


class Window(Section):
    """How rows become ordered series."""

    period: Duration | None = None
    allowed_lateness: Duration = 0
    duplicates: Literal["drop", "keep"] = "drop"
    max_jump: Duration | None = 366 * 86_400_000_000_000
    missing: Missing = Missing()


class Detector(Section):
    """A detector with its threshold."""

    name: str = Field(default="", pattern=r"^[^/\x00-\x1f]*$")
    type: str = "fusion"
    params: dict[str, Any] = Field(default_factory=dict)
    threshold: Plugin = Plugin(type="spot")
    output: Literal["causal", "final"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_by_type(cls, given: Any) -> Any:
        if isinstance(given, dict) and not given.get("name"):
            return {**given, "name": str(given.get("type", "fusion"))}
        return given


class Open(Section):
    """When an episode begins."""

    ratio: float = Field(default=1.0, gt=0)
    for_: CountOrDuration = Field(default=1, alias="for")


class Close(Section):
    """When an episode ends."""

    ratio: float = Field(default=0.7, gt=0)
    for_: CountOrDuration = Field(default=1, alias="for")


class When(Section):
    """Conditions of a severity."""

    ratio: float | None = Field(default=None, gt=0)
    lasting: Duration | None = None


class Severity(Section):
    """A level and its conditions."""

    level: str = Field(min_length=1)
    when: When = When()


class Alerts(Section):
    """How judged rows become episodes."""

    open: Open = Open()
    close: Close = Close()
    merge_gap: Duration = 0
    cool_down: Duration = 0
    no_data_after: Duration | None = None
    update_every: Duration | None = None
    max_open: Duration | None = None
    severity: tuple[Severity, ...] = (
        Severity(level="critical", when=When(ratio=3.0)),
        Severity(level="warning"),
    )
    labels: dict[str, str] = Field(default_factory=dict)


class State(Section):
    """Snapshots and the number of series."""

    dir: str | None = None
    every: Duration = 10_000_000_000
    keep: int = Field(default=3, ge=1)
    ttl: Duration | None = None
    max_keys: int = Field(default=100_000, ge=1)


class Runtime(Section):
    """How the loop runs; nothing here changes what comes out."""

    batch_rows: int = Field(default=65_536, ge=1)


class Logging(Section):
    """Format and level of the logs."""

    format: Literal["auto", "text", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(Section):
    """A whole pipeline."""

    version: Literal[1] = 1
    pipeline: str = Field(min_length=1)
    source: Plugin
    window: Window = Window()
    output: Literal["causal", "final"] = "causal"
    detectors: tuple[Detector, ...] = Field(default=(Detector(name="fusion"),), min_length=1)
    alerts: Alerts = Alerts()
    sinks: tuple[Plugin, ...] = ()
    state: State = State()
    runtime: Runtime = Runtime()
    logging: Logging = Logging()

    @field_validator("detectors")
    @classmethod
    def _names_differ(cls, detectors: tuple[Detector, ...]) -> tuple[Detector, ...]:
        names = [detector.name for detector in detectors]
        if len(set(names)) != len(names):
            raise ValueError(f"every detector needs a name of its own, got {names}")
        return detectors
