"""The JSON Schema of configuration files, for editors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError

from streamad.config.models import DEFAULT_DETECTOR, Config
from streamad.config.plugins import load_plugin, options_model, plugin_names
from streamad.core.durations import format_duration
from streamad.core.errors import ConfigError
from streamad.detectors.registry import RIVER_PREFIX, detector_names
from streamad.thresholds import threshold_class, threshold_names


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a configuration file, with the options of what is installed."""
    whole = Config.model_json_schema(by_alias=True)
    definitions = whole["$defs"]
    files = {"type": "string"}
    whole["properties"]["include"] = {
        "description": "Files below this one's folder; what stands here wins.",
        "anyOf": [files, {"type": "array", "items": files}],
    }
    for what in ("source", "sink", "dead_letter"):
        definitions[what] = _either(
            definitions,
            what,
            plugin_names(f"streamad.{what}s"),
            partial(load_plugin, f"streamad.{what}s"),
        )
    letters = {"anyOf": [{"$ref": "#/$defs/dead_letter"}, {"type": "null"}]}
    for source in definitions["source"]["oneOf"]:
        if source.get("additionalProperties") is False:
            source["properties"]["dead_letter"] = letters
    definitions["threshold"] = _either(definitions, "threshold", threshold_names(), threshold_class)
    whole["properties"]["source"] = {"$ref": "#/$defs/source"}
    whole["properties"]["sinks"]["items"] = {"$ref": "#/$defs/sink"}
    detector = definitions["Detector"]
    detector["properties"]["threshold"] = {"$ref": "#/$defs/threshold"}
    detector["properties"]["type"] |= {
        "anyOf": [{"enum": detector_names()}, {"pattern": f"^{RIVER_PREFIX}"}]
    }
    detector["allOf"] = [
        _params_of(definitions, name, default=name == DEFAULT_DETECTOR) for name in detector_names()
    ]
    del definitions["Plugin"], definitions["Source"]
    for section in definitions.values():
        for option in section.get("properties", {}).values():
            _write_default(option)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **whole}


def _either(
    definitions: dict[str, Any],
    what: str,
    names: list[str],
    load: Callable[[str], Callable[..., Any]],
) -> dict[str, Any]:
    """One of the plugins, told apart by ``type``."""
    options = []
    for name in names:
        schema = _options(definitions, f"{what}-{name}", partial(load, name))
        schema.setdefault("properties", {})["type"] = {"const": name}
        schema["required"] = ["type", *schema.get("required", [])]
        options.append(schema)
    return {"oneOf": options} if options else {"type": "object"}


def _params_of(definitions: dict[str, Any], name: str, *, default: bool) -> dict[str, Any]:
    """The options of a detector apply if its type is that one."""
    params = _options(
        definitions, f"detector-{name}", partial(load_plugin, "streamad.detectors", name)
    )
    return {
        "if": {
            "properties": {"type": {"const": name}},
            **({} if default else {"required": ["type"]}),
        },
        "then": {"properties": {"params": params}},
    }


def _options(
    definitions: dict[str, Any], prefix: str, load: Callable[[], Callable[..., Any]]
) -> dict[str, Any]:
    """Schema of a constructor's arguments; anything goes where they have none."""
    try:
        found = options_model(load()).model_json_schema(
            by_alias=True, ref_template=f"#/$defs/{prefix}-{{model}}"
        )
    except (ConfigError, PydanticInvalidForJsonSchema, PydanticUserError):
        return {"type": "object"}
    for name, schema in found.pop("$defs", {}).items():
        definitions[f"{prefix}-{name}"] = schema
    found.pop("title", None)
    return found


def _write_default(option: dict[str, Any]) -> None:
    """Give the default of a duration its unit."""
    kinds = {kind.get("type") for kind in option.get("anyOf", [option])}
    if isinstance(option.get("default"), int) and "string" in kinds and "integer" not in kinds:
        option["default"] = format_duration(option["default"])
