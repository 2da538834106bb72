"""Turn downloaded anomaly data into a folder of labelled series that ``accuracy.py`` reads.

python benchmarks/datasets.py nab NAB/ data/
python benchmarks/datasets.py care CARE_To_Compare.zip data/

SOURCE is a folder or a zip file as it is downloaded, nothing is unpacked. Several sources may go
into one folder: series that are converted again replace those of the same data set and name.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import converters
import numpy as np
import series_folder
from converters import Series

from streamad.core.errors import ConfigError, StreamadError

CONVERTERS: dict[str, Callable[[converters.Files], Iterator[Series]]] = {
    "nab": converters.nab,
    "skab": converters.skab,
    "smd": converters.smd,
    "ucr": converters.ucr,
    "tsb-ad": converters.tsb_ad,
    "care": converters.care,
}
SCHEMA = "timestamp (int64 index or timestamp[ns, UTC]), value column(s), label int8 (1 anomalous)"


def convert(converter: str, source: Path, out: Path) -> list[dict[str, Any]]:
    """Write every series of a source into a folder; returns their manifest entries.

    Raises
    ------
    ConfigError
        If the source is not what the converter reads, or holds no series.
    """
    entries = [_write(series, out) for series in CONVERTERS[converter](converters.files(source))]
    if not entries:
        raise ConfigError(
            f"{source} holds no series that {converter!r} reads: "
            f"{(CONVERTERS[converter].__doc__ or '').splitlines()[0]}"
        )
    new = {(entry["dataset"], entry["name"]) for entry in entries}
    kept: list[dict[str, Any]] = []
    if (out / series_folder.MANIFEST).exists():
        old = series_folder.read_manifest(out)["entries"]
        kept = [entry for entry in old if (entry["dataset"], entry["name"]) not in new]
    everything = [*kept, *entries]
    document = {"schema": SCHEMA, "series": len(everything), "entries": everything}
    series_folder.write_text(
        out / series_folder.MANIFEST, json.dumps(document, indent=1, allow_nan=False) + "\n"
    )
    return entries


def _write(series: Series, out: Path) -> dict[str, Any]:
    """Write one Parquet file; returns its manifest entry."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    labels = np.asarray(series.labels, np.int8)
    path = f"{_plain(series.dataset)}/{_plain(series.name)}.parquet"
    (out / path).parent.mkdir(parents=True, exist_ok=True)
    columns = {"timestamp": series.timestamps, **series.values, **series.extra_columns}
    table = pa.table({**{name: pa.array(column) for name, column in columns.items()}})
    pq.write_table(table.append_column("label", pa.array(labels)), out / path)
    edges = np.diff(np.concatenate([[0], labels, [0]]))
    content = (out / path).read_bytes()
    return {
        "name": series.name,
        "path": path,
        "dataset": series.dataset,
        "rows": len(labels),
        "dims": len(series.values),
        "columns": list(series.values),
        "split_index": series.split_index,
        "split_convention": series.split_convention,
        "label_origin": series.label_origin,
        "anomaly_points": int(labels.sum()),
        "anomaly_segments": int((edges == 1).sum()),
        "anomaly_ratio": float(labels.mean()) if len(labels) else 0.0,
        "first_anomaly": int(labels.argmax()) if labels.any() else None,
        "anomalies_in_train": int(labels[: series.split_index].sum()),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        **series.notes,
    }


def _plain(text: str) -> str:
    """A file name that holds nothing but letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text.replace("/", "__")).strip(".") or "_"


def main(arguments: list[str] | None = None) -> int:
    """Convert; 0 = done, 2 = the source or the arguments are wrong."""
    parser = argparse.ArgumentParser(prog="datasets.py", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("converter", choices=sorted(CONVERTERS))
    parser.add_argument("source", type=Path, help="downloaded folder or zip file")
    parser.add_argument("out", type=Path, help="folder for Parquet files and manifest.json")
    given = parser.parse_args(arguments)
    try:
        entries = convert(given.converter, given.source, given.out)
    except StreamadError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    rows = sum(entry["rows"] for entry in entries)
    print(f"{len(entries)} series, {rows:,} rows, into {given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
