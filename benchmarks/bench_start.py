"""What the first minute costs: import, ``--help``, first use of every kernel, cold and warm cache.

python benchmarks/bench_start.py
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

KERNELS = """
import numpy as np, streamad
values = np.sin(np.arange(1600) * 0.2)
for detector in ("ewma", "knn", "mahalanobis", "fusion"):
    streamad.score(values, detector)
"""


def cpu_s(arguments: list[str], **extra: str) -> float:
    """User and system seconds of a child process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **extra})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 3)


def main() -> None:
    python, command = sys.executable, str(Path(sys.executable).with_name("streamad"))
    with tempfile.TemporaryDirectory() as cache:
        document = {
            "python -c pass": min(cpu_s([python, "-c", "pass"]) for _ in range(5)),
            "import streamad": min(cpu_s([python, "-c", "import streamad"]) for _ in range(5)),
            "streamad --help": min(cpu_s([command, "--help"]) for _ in range(5)),
            "streamad --version": min(cpu_s([command, "--version"]) for _ in range(5)),
            "detectors, empty cache": cpu_s([python, "-c", KERNELS], NUMBA_CACHE_DIR=cache),
            "detectors, warm cache": cpu_s([python, "-c", KERNELS], NUMBA_CACHE_DIR=cache),
        }
        demo = [command, "demo", "--out", str(Path(cache) / "demo")]
        document["demo, warm cache"] = cpu_s(demo, NUMBA_CACHE_DIR=cache)
    print(json.dumps({"cpu_seconds": document}, indent=2))


if __name__ == "__main__":
    main()
