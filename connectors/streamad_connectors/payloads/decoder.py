"""Payloads in, columns out: what all formats share, and the choice of a format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Protocol

import numpy as np

from streamad.core.data import Floats, Ints, Reject
from streamad_connectors.contract import ChannelContract
from streamad_connectors.payloads.options import (
    AnyFormat,
    AvroFormat,
    CsvFormat,
    Fields,
    JsonFormat,
    make_fields,
    parse_size,
    read_options,
)
from streamad_connectors.payloads.parsed import Parser, Why
from streamad_connectors.payloads.picker import MAX_KEY, key_fault
from streamad_connectors.payloads.times import TimeField, explain_late, record_times, too_late

Headers = Sequence[tuple[str, bytes]]
RAW_BYTES = 65_536
"""Of a refused record that are kept."""
_SHOWN_BYTES = 1024
_MAX_HEADERS = 64
_MAX_LISTED = 100


@dataclass(frozen=True, slots=True)
class Decoded:
    """Rows of some records of one partition, in their order.

    Attributes
    ----------
    series : list of str
        Name of each row's series.
    times : int64 (m,)
        Nanoseconds, UTC.
    values : float64 (m, C)
        NaN = missing; never infinite.
    offsets : int64 (m,)
        Of each row's record; rows of one record have the same.
    rejects : list of Reject
        At most one for each record and reason, in the order of the records. A record of several
        rows may come as rows and as a reject of its other rows.
    invalid : mapping of str to int
        Values of the rows that count as missing, by kind: ``nan``, ``inf``, ``text`` (no number),
        ``missing`` (null or not there), ``range`` (outside of the contract).
    """

    series: list[str]
    times: Ints
    values: Floats
    offsets: Ints
    rejects: list[Reject]
    invalid: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.times)


class Decoder(Protocol):
    """Turns records into rows."""

    def decode(
        self,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None],
        headers: Sequence[Headers] | None,
        timestamps_ms: Sequence[int],
        partition: str,
        offsets: Sequence[int],
    ) -> Decoded:
        """Rows and rejects of records of one partition; see :class:`PayloadDecoder`."""
        ...


def make_decoder(
    format: Mapping[str, Any],  # noqa: A002  (its name in configurations)
    channels: Sequence[str],
    contract: Mapping[str, Any] | None = None,
) -> Decoder:
    """A decoder as the ``format`` of a configuration says.

    Parameters
    ----------
    format : mapping
        See :mod:`.options`.
    channels : sequence of str
        Names of the value columns.
    contract : mapping, optional
        See :class:`.ChannelContract`.

    Raises
    ------
    ConfigError
        If an option is unknown or wrong.
    MissingExtraError
        If the format needs a package that is not installed.

    Examples
    --------
    >>> decoder = make_decoder({"type": "json", "key": "$.id", "values": "$.v"}, ["flow"])
    >>> record = b'{"id": "pump-1", "v": {"flow": 2.5}}'
    >>> found = decoder.decode([record], [None], None, [0], "t/0", [7])
    >>> found.series, found.values, found.offsets
    (['pump-1'], array([[2.5]]), array([7]))
    """
    options = read_options(format)
    fields = make_fields(options, channels)
    time = TimeField(options.time) if options.time.path is not None else None
    limits = None if contract is None else ChannelContract(channels, contract)
    return PayloadDecoder(_make_parser(options, fields, time), options, limits)


class PayloadDecoder:
    """The part of decoding that does not depend on the format.

    Parameters
    ----------
    parser : Parser
    options : FormatOptions
    contract : ChannelContract, optional

    Notes
    -----
    Every record ends as rows, as a reject, or as both where some of its rows are refused; nothing
    in a payload raises. A row is the same however the records are cut into calls. Keeps no state.
    """

    def __init__(
        self, parser: Parser, options: AnyFormat, contract: ChannelContract | None = None
    ) -> None:
        self._contract = contract
        self._parser = parser
        self._max_bytes = parse_size(options.max_bytes)
        self._header = None if isinstance(options.key, str) else options.key.header

    def decode(
        self,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None],
        headers: Sequence[Headers] | None,
        timestamps_ms: Sequence[int],
        partition: str,
        offsets: Sequence[int],
    ) -> Decoded:
        """Rows and rejects of records.

        Parameters
        ----------
        values : sequence of n bytes or None
            None = tombstone, refused as ``tombstone``.
        keys : sequence of n bytes or None
        headers : sequence of n sequences of (str, bytes), or None
        timestamps_ms : sequence of n int
            Of the records; negative = unknown.
        partition : str
        offsets : sequence of n int

        Returns
        -------
        Decoded
        """
        records = _Records(values, keys, headers, partition, offsets)
        payloads, at, refused = self._readable(values)
        parsed = self._parser.parse(payloads)
        record = parsed.record if at is None else np.array(at, np.int64)[parsed.record]
        for i, why in parsed.failed.items():
            refused[i if at is None else at[i]] = why

        faults = parsed.faults
        found = parsed.keys
        if found is None:
            found = self._names(records, record, faults)
        series = _series(found, faults)
        stamps = np.array(timestamps_ms, np.int64)[record]
        times = parsed.times
        if times is None:
            times, untimed = record_times(stamps)
            faults.update({row: ("time", d) for row, d in untimed.items() if row not in faults})
        for row in np.flatnonzero(too_late(times, stamps)).tolist():
            faults.setdefault(row, ("time", explain_late(int(times[row]), int(stamps[row]))))
        if self._contract is not None:
            for row, why in self._contract.check(parsed.values, parsed.invalid).items():
                faults.setdefault(row, why)
        rejects = records.rejects(refused, faults, record)
        if not faults:
            return Decoded(
                series, times, parsed.values, records.offsets[record], rejects, parsed.invalid
            )
        good = np.ones(len(record), np.bool_)
        good[list(faults)] = False
        return Decoded(
            [name for name, keep in zip(series, good.tolist(), strict=True) if keep],
            times[good],
            parsed.values[good],
            records.offsets[record[good]],
            rejects,
            parsed.invalid,
        )

    def _readable(
        self, values: Sequence[bytes | None]
    ) -> tuple[list[bytes], list[int] | None, dict[int, Why]]:
        """Payloads to parse, which records they are (None = all), and why others are not."""
        limit = self._max_bytes
        payloads = [value for value in values if value is not None and len(value) <= limit]
        if len(payloads) == len(values):
            return payloads, None, {}
        at, refused = [], {}
        for i, value in enumerate(values):
            if value is None:
                refused[i] = "tombstone", "the record has no value"
            elif len(value) > limit:
                refused[i] = "size", f"{len(value)} bytes, expected at most {limit}"
            else:
                at.append(i)
        return payloads, at, refused

    def _names(self, records: _Records, record: Ints, faults: dict[int, Why]) -> list[str | None]:
        """Series of rows by message key or header."""
        names: dict[int, str | None] = {}
        wrong: dict[int, Why] = {}
        for i in dict.fromkeys(record.tolist()):
            found = records.keys[i] if self._header is None else records.header(i, self._header)
            try:
                names[i] = None if found is None else found.decode()
            except UnicodeDecodeError as error:
                names[i] = None
                wrong[i] = "key", f"the name of the series is not UTF-8 ({error.reason})"
        if wrong:
            for row, i in enumerate(record.tolist()):
                if i in wrong:
                    faults.setdefault(row, wrong[i])
        return [names[i] for i in record.tolist()]


class _Records:
    """The records of one call, as far as keys and rejects need them."""

    def __init__(
        self,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None],
        headers: Sequence[Headers] | None,
        partition: str,
        offsets: Sequence[int],
    ) -> None:
        self.values = values
        self.keys = keys
        self.headers = headers
        self.partition = partition
        self.offsets = np.array(offsets, np.int64)

    def header(self, i: int, name: str) -> bytes | None:
        """The last header of this name."""
        if self.headers is None:
            return None
        return next((value for key, value in reversed(self.headers[i]) if key == name), None)

    def rejects(
        self, refused: Mapping[int, Why], faults: Mapping[int, Why], record: Ints
    ) -> list[Reject]:
        """Rejects of records and of rows, in the order of the records."""
        if not refused and not faults:
            return []
        found = [(i, -1, why) for i, why in refused.items()]
        found += [(int(record[row]), row, why) for row, why in faults.items()]
        found.sort(key=lambda entry: entry[:2])
        rejects = []
        for i, entries in groupby(found, key=lambda entry: entry[0]):
            by_reason: dict[str, list[tuple[int, str]]] = {}
            for _, row, (reason, detail) in entries:
                by_reason.setdefault(reason, []).append((row, detail))
            first = int(np.searchsorted(record, i))
            n_rows = int(np.searchsorted(record, i, "right")) - first
            for reason, rows in by_reason.items():
                lines = [row - first for row, _ in rows if row >= 0]
                rejects.append(self._reject(i, reason, rows[0][1], lines, n_rows))
        return rejects

    def _reject(self, i: int, reason: str, detail: str, rows: list[int], n_rows: int) -> Reject:
        value, key = self.values[i], self.keys[i]
        row: dict[str, Any] = {}
        if key is not None:
            row["message_key"] = _text(key)
        if n_rows > 1:
            detail = f"row {rows[0]} of {n_rows}: {detail}"
            detail += f"; {len(rows)} rows in all" if len(rows) > 1 else ""
            row["rows"] = rows[:_MAX_LISTED]
        if value is not None and len(value) > RAW_BYTES and reason != "size":
            detail += f"; of {len(value)} bytes the first {RAW_BYTES} are kept"
        headers = self.headers[i][:_MAX_HEADERS] if self.headers else ()
        return Reject(
            self.partition,
            int(self.offsets[i]),
            reason,
            detail,
            row,
            None if value is None else bytes(value[:RAW_BYTES]),
            {_text(name.encode("utf-8", "replace")): _text(text or b"") for name, text in headers},
        )


def _series(found: Sequence[Any], faults: dict[int, Why]) -> list[str]:
    """Names of series; text that stands for none where there is a fault."""
    if set(map(type, found)) == {str} and "" not in found and max(map(len, found)) <= MAX_KEY:
        try:
            "".join(found).encode()
        except UnicodeEncodeError:
            pass
        else:
            return list(found)
    for row, key in enumerate(found):
        fault = key_fault(key)
        if fault is not None:
            faults.setdefault(row, ("key", f"the key {fault}"))
    return [key if isinstance(key, str) else str(key) for key in found]


def _text(data: bytes) -> str:
    """Bytes for people, also where they are no text."""
    return data[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")


def _make_parser(options: AnyFormat, fields: Fields, time: TimeField | None) -> Parser:
    if isinstance(options, JsonFormat):
        from streamad_connectors.payloads.json_payload import JsonParser

        return JsonParser(fields, time)
    if isinstance(options, CsvFormat):
        from streamad_connectors.payloads.csv_payload import CsvParser

        return CsvParser(options, fields, time)
    if isinstance(options, AvroFormat):
        from streamad_connectors.payloads.avro_payload import AvroParser

        return AvroParser(options, fields, time)
    from streamad_connectors.payloads.arrow_payload import ArrowParser

    return ArrowParser(options, fields, time)
