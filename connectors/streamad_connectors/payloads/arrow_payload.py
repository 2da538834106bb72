"""Arrow IPC: a stream or file a record, of any number of rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from streamad.core.data import Floats, Ints
from streamad_connectors.cells import floats, is_number, is_text
from streamad_connectors.payloads.arrow_limits import open_stream
from streamad_connectors.payloads.csv_payload import column_names
from streamad_connectors.payloads.options import ArrowFormat, Fields, parse_size
from streamad_connectors.payloads.parsed import Parsed, Refused, Why, no_infinity
from streamad_connectors.payloads.times import TimeField
from streamad_connectors.payloads.unlisted import Unlisted

_LISTED = 20


class ArrowParser:
    """Rows of Arrow tables.

    Parameters
    ----------
    options : ArrowFormat
    fields : Fields
    time : TimeField or None

    Raises
    ------
    ConfigError
        If a path has more than one name.

    Notes
    -----
    Every batch is validated before it is looked at: Arrow does not check what it reads. Columns are
    found by name, record by record. Numbers as text are text.
    """

    def __init__(self, options: ArrowFormat, fields: Fields, time: TimeField | None) -> None:
        names = column_names(fields)
        self._values = names[-len(fields.values) :]
        self._key = None if fields.key is None else fields.key[0]
        self._time_name = None if fields.time is None else fields.time[0]
        self._time = time
        self._max_bytes = parse_size(options.max_bytes)
        self._max_rows = options.max_rows
        self._unlisted = Unlisted(fields)

    def parse(self, payloads: Sequence[bytes]) -> Parsed:
        """Rows of these payloads."""
        parts: list[_Part] = []
        counts: list[int] = []
        failed: dict[int, Why] = {}
        for i, payload in enumerate(payloads):
            n_rows = 0
            try:
                found = self._parts(payload)
            except Refused as refused:
                failed[i] = refused.why
            else:
                parts += found
                n_rows = sum(len(part.values) for part in found)
                if n_rows == 0:
                    failed[i] = "decode", "no rows in the record"
            counts.append(n_rows)
        faults: dict[int, Why] = {}
        first = 0
        invalid: Counter[str] = Counter()
        for part in parts:
            faults.update({first + row: why for row, why in part.faults.items()})
            first += len(part.values)
            invalid.update(part.invalid)
        empty = np.empty((0, len(self._values)))
        return Parsed(
            np.repeat(np.arange(len(payloads)), counts),
            None if self._key is None else [key for part in parts for key in part.keys],
            np.concatenate([np.empty(0, np.int64), *(part.times for part in parts)])
            if self._time is not None
            else None,
            np.concatenate([empty, *(part.values for part in parts)]),
            faults,
            failed,
            +invalid,
        )

    def _parts(self, payload: bytes) -> list[_Part]:
        """The wanted columns of a record, batch by batch."""
        try:
            return [self._part(batch) for batch in self._batches(payload)]
        except Refused:
            raise
        except Exception as error:  # damaged bytes raise anything from within Arrow
            raise Refused("decode", f"no Arrow IPC: {str(error)[:200]}") from error

    def _batches(self, payload: bytes) -> list[pa.RecordBatch]:
        reader = open_stream(payload, self._max_bytes, self._max_rows)
        names = reader.schema.names
        wanted = [name for name in (self._key, self._time_name) if name is not None]
        doubled = next((n for n in (*wanted, *self._values) if names.count(n) > 1), None)
        if doubled is not None:
            raise Refused("decode", f"the column {doubled!r} is there twice")
        for name in wanted:
            if name not in names:
                reason = "key" if name == self._key else "time"
                raise Refused(reason, f"there is no column {name!r}: it has {_listing(names)}")
        if not set(self._values) & set(names):
            raise Refused(
                "type",
                f"no column is a channel, expected {_listing(self._values)}: it has "
                f"{_listing(names)}",
            )
        self._unlisted.names(field.name for field in reader.schema if is_number(field.type))
        batches = list(reader)
        for batch in batches:
            batch.validate(full=True)
        return batches

    def _part(self, batch: pa.RecordBatch) -> _Part:
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        keys = [] if self._key is None else _keys(columns[self._key])
        values, faults, invalid = self._numbers(columns, batch.num_rows)
        times = np.empty(0, np.int64)
        if self._time is not None and self._time_name is not None:
            times, untimed = self._time.read_column(columns[self._time_name])
            for row, detail in untimed.items():
                faults.setdefault(row, ("time", detail))
        return _Part(keys, times, values, faults, invalid)

    def _numbers(
        self, columns: dict[str, pa.Array], n: int
    ) -> tuple[Floats, dict[int, Why], Counter[str]]:
        """Values, rows without any, and counts of those that are missing."""
        values = np.full((n, len(self._values)), np.nan)
        text = np.zeros((n, len(self._values)), np.bool_)
        n_null = 0
        for channel, name in enumerate(self._values):
            column = columns.get(name)
            if column is None:
                n_null += n
                continue
            n_null += column.null_count
            inner = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
            if is_number(inner):
                plain = column.dictionary_decode() if inner is not column.type else column
                values[:, channel] = floats(plain)[0]
            else:
                text[:, channel] = column.is_valid().to_numpy(zero_copy_only=False)
        missing = np.isnan(values)
        faults = {}
        for row in np.flatnonzero(missing.all(axis=1) & text.any(axis=1)).tolist():
            name = self._values[int(np.argmax(text[row]))]
            detail = f"no channel has a number: {name!r} holds {columns[name].type}"
            faults[row] = ("type", detail)
        n_text = int(np.count_nonzero(text))
        n_nan = int(np.count_nonzero(missing)) - n_text - n_null
        invalid = Counter({"text": n_text, "missing": n_null, "nan": n_nan})
        no_infinity(values, invalid)
        return values, faults, invalid


class _Part(NamedTuple):
    """Rows of one batch."""

    keys: list[Any]
    times: Ints
    values: Floats
    faults: dict[int, Why]
    invalid: Counter[str]


def _keys(column: pa.Array) -> list[Any]:
    """Names of series, the text of a dictionary not repeated.

    Raises
    ------
    Refused
        If the column holds neither text nor integers.
    """
    kind = column.type
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (is_text(inner) or pa.types.is_integer(inner)):
        raise Refused("key", f"the key is a column of {kind}, expected text or integers")
    if inner is kind:
        found: list[Any] = column.to_pylist()
        return found
    names = column.dictionary.to_pylist()
    return [None if at is None else names[at] for at in column.indices.to_pylist()]


def _listing(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
