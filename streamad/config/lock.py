"""What identifies a configuration, and the file that repeats a run."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.representer import SafeRepresenter

from streamad.config.models import Config
from streamad.config.plugins import load_plugin
from streamad.config.redaction import redacted
from streamad.config.variables import escape
from streamad.core.versions import versions

_OUTSIDE = ("runtime", "shutdown", "web", "logging", "tracing")


def fingerprint(config: Config) -> str:
    """Digest over everything that decides state and output, as 64 hexadecimal digits.

    Notes
    -----
    In it: the name of the pipeline, source, window, detectors, thresholds and alerts with all
    defaults written out, the limits of the state (``ttl``, ``max_keys``), and the sinks, whose
    positions are part of a snapshot. Not in it: pace, places of state, logs, and secrets, so that
    a new password keeps the state. Of a source, sink or dead letter whose class has
    ``INSIDE_STATE``, only those options: not how it is reached, and not which of several processes
    this one is.
    """
    document = _document(config)
    source, letters = document["source"], document["source"]["dead_letter"]
    document["source"] = _inside("streamad.sources", source)
    document["source"]["dead_letter"] = letters and _inside("streamad.dead_letters", letters)
    document["sinks"] = [_inside("streamad.sinks", sink) for sink in document["sinks"]]
    for section in _OUTSIDE:
        del document[section]
    for key in ("dir", "every", "keep", "on_lost"):
        del document["state"][key]
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _inside(group: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Type and options of a plugin that its state depends on."""
    kept = getattr(load_plugin(group, options["type"]), "INSIDE_STATE", options)
    return {key: value for key, value in options.items() if key in {"type", *kept}}


def to_yaml(config: Config) -> str:
    """The configuration as a file with every default filled in and secrets removed."""
    return tree_yaml(_document(config))


def tree_yaml(tree: Mapping[str, Any]) -> str:
    """A mapping as a file that loads as this mapping."""
    out = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.Representer = _Representer
    writer.default_flow_style = False
    writer.allow_unicode = True
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.dump(_escaped(tree), out)
    return out.getvalue()


class _Representer(SafeRepresenter):
    """Writes text with control characters in double quotes, where they are escaped."""

    def represent_text(self, text: str) -> Any:
        style = None if text.isprintable() else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Representer.add_representer(str, _Representer.represent_text)


def lock(config: Config) -> str:
    """:func:`to_yaml` under comments with versions and fingerprint; it loads again as it is."""
    found = ", ".join(f"{name} {number}" for name, number in versions().items())
    return f"# {found}\n# fingerprint: {fingerprint(config)}\n{to_yaml(config)}"


def _document(config: Config) -> dict[str, Any]:
    document: dict[str, Any] = redacted(config.model_dump(mode="json", by_alias=True))
    return document


def _escaped(value: Any) -> Any:
    """Text that means itself when it is read as a configuration."""
    if isinstance(value, Mapping):
        return {key: _escaped(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(entry) for entry in value]
    return escape(value) if isinstance(value, str) else value
