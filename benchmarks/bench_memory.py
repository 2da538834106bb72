"""Peak memory of replaying a Parquet file of 200 million rows from end to end.

python benchmarks/bench_memory.py [--rows N]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CHILD = """
import json, resource, sys, time
from streamad.backtest import backtest
from streamad.config import config_from
config = config_from({
    "version": 1, "pipeline": "memory",
    "source": {"type": "parquet", "path": sys.argv[1], "time": "time"},
    "detectors": [{"name": "ewma", "type": "ewma"}],
})
started = time.perf_counter()
result = backtest(config, sys.argv[2])
print(json.dumps({
    "rows": result.rows,
    "seconds": round(time.perf_counter() - started, 1),
    "rows_per_s": round(result.rows_per_s),
    "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "data.parquet"
        schema = pa.schema([("time", pa.timestamp("ns", "UTC")), ("value", pa.float64())])
        block = 1_000_000
        wave = np.round(np.sin(np.arange(block) * (2 * np.pi / 1440)), 3)
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for start in range(0, arguments.rows, block):
                n = min(block, arguments.rows - start)
                times = (np.arange(start, start + n)) * 1_000_000_000
                writer.write_table(pa.table([pa.array(times, schema[0].type), wave[:n]], schema))
        size = path.stat().st_size
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(path), str(Path(scratch) / "run")],
            check=True,
            capture_output=True,
            text=True,
        )
        print(json.dumps({"file_mb": round(size / 1e6, 1), **json.loads(done.stdout)}, indent=2))


if __name__ == "__main__":
    main()
