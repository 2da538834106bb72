"""Avro schemas of a configuration, checked for what bytes could do to a reader."""

from __future__ import annotations

import json
from pathlib import Path as File
from typing import Any

from streamad.core.errors import ConfigError, MissingExtraError
from streamad_connectors.payloads.options import Path

MAX_DEPTH = 32
"""Types within each other."""
MAX_BYTES = 2**20
"""Of a schema file."""
_PRIMITIVES = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}


class Schema:
    """A writer's schema.

    Parameters
    ----------
    given : dict, list or str
        As Avro writes schemas; text is JSON or the name of a type.
    where : str
        For messages.

    Attributes
    ----------
    reader : object
        What :func:`fastavro.schemaless_reader` takes: without logical types.

    Raises
    ------
    ConfigError
        If it is no schema, or one by which few bytes become many objects: items of arrays or maps
        of which a part takes no bytes, types that contain themselves.
    MissingExtraError
        Without fastavro.
    """

    def __init__(self, given: Any, where: str) -> None:
        try:
            from fastavro import parse_schema
            from fastavro.schema import SchemaParseException, UnknownType
        except ImportError as error:
            raise MissingExtraError("the format avro", "avro") from error
        try:
            if isinstance(given, str) and given not in _PRIMITIVES:
                given = json.loads(given)
            self._parsed = parse_schema(given)
            check = _Check(where)
            self.reader = parse_schema(check.plain(self._parsed, 0)[0])
            self._named = check.named
        except (
            SchemaParseException,
            UnknownType,
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            RecursionError,
        ) as error:
            raise ConfigError(f"{where} is no Avro schema: {error!r}") from error

    @classmethod
    def read(cls, path: str) -> Schema:
        """The schema of a file.

        Raises
        ------
        ConfigError
            If the file cannot be read or holds none.
        """
        file = File(path)
        try:
            if file.stat().st_size > MAX_BYTES:
                raise ConfigError(f"{path} has more than {MAX_BYTES} bytes: that is no schema")
            text = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}, an Avro schema, cannot be read: {error}") from error
        return cls(text, path)

    def fingerprint(self) -> bytes:
        """CRC-64-AVRO of the canonical form, as it stands before a single object."""
        from fastavro.schema import fingerprint, to_parsing_canonical_form

        return bytes.fromhex(fingerprint(to_parsing_canonical_form(self._parsed), "CRC-64-AVRO"))

    def field(self, path: Path) -> Any:
        """Type of a field; None = there is none."""
        return self._find(self._parsed, path)

    def _find(self, kind: Any, path: Path) -> Any:
        kind = self._named.get(kind, kind) if isinstance(kind, str) else kind
        if not path:
            return kind
        if isinstance(kind, list):
            found = (self._find(branch, path) for branch in kind)
            return next((inner for inner in found if inner is not None), None)
        fields = kind.get("fields", ()) if isinstance(kind, dict) else ()
        inner = (self._find(f["type"], path[1:]) for f in fields if f["name"] == path[0])
        return next(inner, None)


def logical_type(kind: Any) -> str | None:
    """Logical type of a type or of a branch of it; None = none."""
    if isinstance(kind, list):
        found = (logical_type(branch) for branch in kind)
        return next((name for name in found if name is not None), None)
    if not isinstance(kind, dict):
        return None
    named = kind.get("logicalType")
    return str(named) if named else logical_type(kind["type"])


class _Check:
    """Walks through a parsed schema."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._thin: dict[str, bool | None] = {}
        self.named: dict[str, Any] = {}

    def plain(self, kind: Any, depth: int) -> tuple[Any, bool]:
        """The type without logical types, and whether a part of it takes no bytes."""
        if depth > MAX_DEPTH:
            raise ConfigError(f"{self._where} has more than {MAX_DEPTH} types within each other")
        if isinstance(kind, list):
            found = [self.plain(branch, depth + 1) for branch in kind]
            return [plain for plain, _ in found], any(
                thin for plain, thin in found if plain != "null"
            )
        if isinstance(kind, str):
            return kind, kind == "null" if kind in _PRIMITIVES else self._known(kind)
        name = kind["type"]
        if name in ("array", "map"):
            inner = "items" if name == "array" else "values"
            plain, thin = self.plain(kind[inner], depth + 1)
            if thin:
                raise ConfigError(
                    f"{self._where} has {inner} of an {name} of which a part takes no bytes: five "
                    "bytes could become millions of them; take null fields and empty records out"
                )
            return {"type": name, inner: plain}, False
        if name in ("record", "error"):
            return self._record(kind, depth)
        if name in ("enum", "fixed"):
            self._thin[kind["name"]] = name == "fixed" and kind["size"] == 0
            extra = "symbols" if name == "enum" else "size"
            plain = {"type": name, "name": kind["name"], extra: kind[extra]}
            return plain, bool(self._thin[kind["name"]])
        return self.plain(name, depth + 1)

    def _record(self, kind: dict[str, Any], depth: int) -> tuple[Any, bool]:
        self.named[kind["name"]] = kind
        self._thin[kind["name"]] = None
        fields, thin = [], not kind["fields"]
        for field in kind["fields"]:
            plain, field_thin = self.plain(field["type"], depth + 1)
            fields.append({"name": field["name"], "type": plain})
            thin = thin or field_thin
        self._thin[kind["name"]] = thin
        return {"type": "record", "name": kind["name"], "fields": fields}, thin

    def _known(self, name: str) -> bool:
        thin = self._thin.get(name)
        if thin is None:
            raise ConfigError(
                f"{self._where}: the type {name} contains itself: bytes could nest it without end; "
                "write it out as deep as it is needed"
            )
        return thin
