"""A small folder of labelled series, as the accuracy harness reads it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def write_series(folder: Path, name: str, dataset: str, values, labels, split: int) -> dict:
    """Write one Parquet file; returns its manifest entry."""
    values = values[:, None] if values.ndim == 1 else values
    columns = [f"v{c:02d}" for c in range(values.shape[1])]
    table = {"timestamp": np.arange(len(values))}
    table |= {column: values[:, c] for c, column in enumerate(columns)}
    pq.write_table(pa.table({**table, "label": labels.astype(np.int8)}), folder / f"{name}.parquet")
    return {
        "name": name,
        "path": f"{name}.parquet",
        "dataset": dataset,
        "rows": len(values),
        "dims": len(columns),
        "columns": columns,
        "split_index": split,
    }


def labelled_folder(folder: Path, n: int = 900) -> Path:
    """Noisy waves with a burst each; ``s2`` has no anomaly, ``s3`` two channels."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        wave = np.sin(np.arange(n) * 2 * np.pi / 25) + 0.1 * rng.normal(size=n)
        labels = np.zeros(n, np.bool_)
        if seed != 2:
            labels[700:720] = True
            wave[labels] += 6 * rng.normal(size=20)
        values = np.stack([wave, rng.normal(size=n)], axis=1) if seed == 3 else wave
        dataset = "pairs" if seed == 3 else "waves"
        entries.append(write_series(folder, f"s{seed}", dataset, values, labels, 300))
    (folder / "manifest.json").write_text(json.dumps({"entries": entries}))
    return folder
