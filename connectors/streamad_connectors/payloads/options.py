"""The ``format`` of a message source: which bytes, where key, time and values are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from streamad.core.errors import ConfigError

Path = tuple[str, ...]
"""Names from the outermost object to the field; empty = the whole document."""
Positive = Annotated[int, msgspec.Meta(gt=0)]
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|KB|KiB|MB|MiB|GB|GiB)?")
_BYTES = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_BYTES |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_STEP = re.compile(r"\.([^.\[\]]+)|\[(['\"])(.+?)\2\]")


class _Part(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """A block of options; unknown ones are errors."""


class KeyOptions(_Part, frozen=True, kw_only=True):
    """The series of a record: the text of a header, or the key of the message."""

    header: str | None = None
    message_key: bool = False


class TimeOptions(_Part, frozen=True, kw_only=True):
    """The time of a record: a field, or the timestamp of the record itself.

    Attributes
    ----------
    path : str or None
    unit : str
        Of the field.
    timezone : str or None
        Zone of times that come without one; None = such times are refused.
    record : bool
        The record's own timestamp.
    """

    path: str | None = None
    unit: Literal["iso8601", "s", "ms", "us", "ns"] = "iso8601"
    timezone: str | None = None
    record: bool = False


class FormatOptions(_Part, frozen=True, kw_only=True, tag_field="type"):
    """What all formats have.

    Attributes
    ----------
    key : str or KeyOptions
        Path of the field that names the series, or where else the name is.
    time : TimeOptions
    values : str or list of str
        Path of the object whose fields are the channels, or one path a channel.
    max_bytes : int or str
        Of one record, packed and unpacked.
    """

    key: str | KeyOptions = KeyOptions(message_key=True)
    time: TimeOptions = TimeOptions(record=True)
    values: str | list[str] = "$"
    max_bytes: Positive | str = 2**20


class JsonFormat(FormatOptions, frozen=True, kw_only=True, tag="json"):
    """One object a record."""


class CsvFormat(FormatOptions, frozen=True, kw_only=True, tag="csv"):
    """One or more lines a record.

    Attributes
    ----------
    columns : list of str or None
        Names of the cells; None = the first line of each record has them.
    delimiter, decimal : str
    max_rows : int
        Of one record.
    """

    columns: list[str] | None = None
    delimiter: Annotated[str, msgspec.Meta(min_length=1, max_length=1)] = ","
    decimal: Literal[".", ","] = "."
    max_rows: Positive = 10_000


class AvroFormat(FormatOptions, frozen=True, kw_only=True, tag="avro"):
    """One datum a record, without a registry.

    Attributes
    ----------
    encoding : {"binary", "single_object", "confluent"}
        What stands before the datum: nothing, the fingerprint of its schema, or a number.
    schema : mapping, list, str or None
        The writer's schema.
    schema_file : str or None
        The same in a file.
    schemas : mapping of str to str or None
        Files by number, for ``confluent``; by any name, for ``single_object``.
    """

    encoding: Literal["binary", "single_object", "confluent"] = "binary"
    schema: dict[str, Any] | list[Any] | str | None = None
    schema_file: str | None = None
    schemas: dict[str | int, str] | None = None


class ArrowFormat(FormatOptions, frozen=True, kw_only=True, tag="arrow"):
    """An Arrow IPC stream or file a record, of any number of rows.

    Attributes
    ----------
    max_rows : int
        Of one record.
    """

    max_rows: Positive = 10_000


AnyFormat = JsonFormat | CsvFormat | AvroFormat | ArrowFormat


@dataclass(frozen=True, slots=True)
class Fields:
    """Where things are in a record.

    Attributes
    ----------
    key, time : tuple of str or None
        None = not in the payload.
    values : tuple of tuples of str
        One path a channel.
    parent : tuple of str or None
        Object whose other fields are channels that nobody listed; None = unknown.
    """

    key: Path | None
    time: Path | None
    values: tuple[Path, ...]
    parent: Path | None = None


def read_options(given: Mapping[str, Any]) -> AnyFormat:
    """Check the options of a format.

    Raises
    ------
    ConfigError
        If an option is unknown, missing or of the wrong kind.
    """
    try:
        found: AnyFormat = msgspec.convert(dict(given), AnyFormat)
    except msgspec.ValidationError as error:
        known = {kind.__struct_config__.tag: kind for kind in AnyFormat.__args__}
        kind = known.get(str(given.get("type")))
        hint = f"one of the types {', '.join(map(str, known))}"
        if kind is not None:
            hint = f"{', '.join(kind.__struct_fields__)} for the type {given['type']}"
        raise ConfigError(f"format: {error}; expected {hint}") from error
    _check(found)
    return found


def make_fields(options: AnyFormat, channels: Sequence[str]) -> Fields:
    """Paths of key, time and channels.

    Raises
    ------
    ConfigError
        If there are no channels, not one path for each, or two things in one place.
    """
    if not channels or len(set(channels)) != len(channels):
        raise ConfigError(
            f"format: channels must be different names, at least one, got {list(channels)}"
        )
    parent = None
    if isinstance(options.values, str):
        parent = parse_path(options.values)
        values = tuple((*parent, name) for name in channels)
    else:
        values = tuple(parse_path(text) for text in options.values)
        if len(values) != len(channels):
            raise ConfigError(
                f"format.values has {len(values)} paths for the {len(channels)} channels "
                f"{list(channels)}: give one path a channel, in their order"
            )
    key = parse_path(options.key) if isinstance(options.key, str) else None
    time = None if options.time.path is None else parse_path(options.time.path)
    fields = Fields(key, time, values, parent)
    _check_places([path for path in (key, time, *values) if path is not None])
    return fields


def parse_path(text: str) -> Path:
    """Names of a path like ``$.values.flow`` or ``$['a.b']``; without ``$`` it is one name.

    Raises
    ------
    ConfigError
        If it is no such path.

    Examples
    --------
    >>> parse_path("$.values.flow"), parse_path("$['a.b'].c"), parse_path("a.b"), parse_path("$")
    (('values', 'flow'), ('a.b', 'c'), ('a.b',), ())
    """
    if not text.startswith("$"):
        if text:
            return (text,)
    else:
        steps = list(_STEP.finditer(text, 1))
        if sum(len(step[0]) for step in steps) == len(text) - 1:
            return tuple(step[1] or step[3] for step in steps)
    raise ConfigError(
        f"format: a path is the name of a field or like $.values.flow or $['a.b'], got {text!r}"
    )


def show_path(path: Path) -> str:
    """A path for messages."""
    return "".join(["$", *(f".{name}" for name in path)])


def parse_size(value: int | str) -> int:
    """Bytes of a size like ``1MiB``.

    Raises
    ------
    ConfigError
        If it is no positive size.

    Examples
    --------
    >>> parse_size("1MiB"), parse_size("64 kB"), parse_size(100)
    (1048576, 64000, 100)
    """
    match = _SIZE.fullmatch(str(value).strip())
    size = round(float(match[1]) * _BYTES[match[2] or "B"]) if match else 0
    if size < 1:
        raise ConfigError(f"a size is a number of bytes or like 64kB or 1MiB, got {value!r}")
    return size


def _check(options: AnyFormat) -> None:
    key, time = options.key, options.time
    if not isinstance(key, str) and (key.header is not None) == key.message_key:
        raise ConfigError(
            "format.key is a path, {header: NAME} or {message_key: true}: give one of them"
        )
    if (time.path is not None) == time.record:
        raise ConfigError(
            "format.time is {path: ..., unit: ...} or {record: true}: give one of them"
        )
    parse_size(options.max_bytes)


def _check_places(paths: Sequence[Path]) -> None:
    """Raise unless every path leads to a field of its own."""
    taken = set(paths)
    twice = next((path for i, path in enumerate(paths) if path in paths[:i]), None)
    if twice is None:
        inner = (path[:cut] for path in paths for cut in range(len(path)))
        twice = next((path for path in inner if path in taken), None)
    if twice is not None:
        raise ConfigError(
            f"format: {show_path(twice)} cannot be two things at once: key, time and every "
            "channel need a field of their own"
        )
