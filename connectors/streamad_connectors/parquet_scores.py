"""The Parquet files of scores: their columns, how they are written, and several made one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from streamad.core.durable import sync

NUMBERS = ("score", "score_final", "threshold", "ratio")
SHARE = "share_"
PARTS_KEY = b"streamad.parts"


def score_schema(shares: Sequence[str]) -> pa.Schema:
    """Columns of a file with the shares of these channels."""
    text = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [
            ("series", text),
            ("time", pa.timestamp("ns", "UTC")),
            ("detector", text),
            *((name, pa.float64()) for name in NUMBERS),
            *((SHARE + channel, pa.float32()) for channel in shares),
        ]
    )


def score_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Times as differences, repeated texts as a dictionary, numbers as they are."""
    return pq.ParquetWriter(
        path,
        schema,
        compression="snappy",
        use_dictionary=["series", "detector"],
        column_encoding={"time": "DELTA_BINARY_PACKED"},
        write_statistics=["series", "time", "detector"],
        write_page_checksum=True,
    )


def join(
    paths: Sequence[Path],
    target: Path,
    folder: Path,
    counts: Mapping[str, int],
    group_rows: int = 1,
) -> None:
    """Write the rows of several files into one, which appears whole or not at all.

    Parameters
    ----------
    paths : sequence of Path
        In the order of their rows.
    target : Path
    folder : Path
        Where it is written before it appears; on the same disk.
    counts : mapping of str to int
        How many parts of each partition its rows are.
    group_rows : int
        Row groups are put together until they have so many rows.

    Raises
    ------
    OSError, ArrowException
        If it cannot be done; the target is as it was.
    """
    schemas = [pq.read_schema(path) for path in paths]
    shares = dict.fromkeys(
        field.name.removeprefix(SHARE)
        for schema in schemas
        for field in schema
        if field.name.startswith(SHARE)
    )
    schema = score_schema(tuple(shares)).with_metadata({PARTS_KEY: json.dumps(counts)})
    temporary = folder / f"{uuid4().hex}.tmp"
    try:
        with score_writer(temporary, schema) as writer:
            for table in _groups(paths, schema, group_rows):
                writer.write_table(table)
        sync(temporary)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(target.parent)


def _groups(paths: Sequence[Path], schema: pa.Schema, group_rows: int) -> Iterator[pa.Table]:
    """Tables with at least so many rows, but for the last one."""
    waiting: list[pa.Table] = []
    n_rows = 0
    for path in paths:
        with pq.ParquetFile(path) as part:
            for group in range(part.num_row_groups):
                waiting.append(_widen(part.read_row_group(group), schema))
                n_rows += len(waiting[-1])
                if n_rows >= group_rows:
                    yield _one(waiting)
                    waiting, n_rows = [], 0
    if waiting:
        yield _one(waiting)


def _one(tables: Sequence[pa.Table]) -> pa.Table:
    return tables[0] if len(tables) == 1 else pa.concat_tables(tables).unify_dictionaries()


def _widen(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with null columns where it lacks some."""
    columns = [
        table.column(field.name)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
