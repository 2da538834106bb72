"""Cost of detectors without an engine: time and state of a row, compilation, and many series.

On one core: CPU microseconds per row of one series, over 30,000 rows of which the first 5,000 are
the warm-up, with and without these; state as a snapshot holds it; beside river HalfSpaceTrees and
LODA and PySAD LODA row by row (state: their pickle), and beside a research prototype if its file is
given. The least of several runs counts. On two cores: 10,000 series, memory included.

    python benchmarks/bench_detectors.py [--prototype FILE] [--part NAME ...] [--out FILE]

The JSON goes to the standard output and a table to the standard error; with ``--out`` the JSON goes
there and the table to the standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from streamad.core.versions import versions

HERE = Path(__file__).parent
PARTS = ("cost", "compile", "fleet")
DETECTORS = "fusion,fusion:fast,fusion:small,knn,mahalanobis,ewma"
ONE_THREAD = {
    f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB_MAXIMUM")
}
FLEET_CORES = 2
FIRST_CALL = """
import numpy as np, streamad
wave = np.sin(np.arange(3200) * 0.2)
streamad.score(wave, "fusion")
streamad.score(wave.reshape(-1, 2), "fusion")
"""


def child(script: str, given: dict[str, Any], **environment: str) -> Any:
    """What a part prints as JSON."""
    done = subprocess.run(
        [sys.executable, str(HERE / script), json.dumps(given)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    return json.loads(done.stdout)


def cost(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Ours, the rivals and the prototype, each in a process of its own."""
    common = {"rows": given.rows, "first": given.first, "repeat": given.repeat}
    script = "detector_cost.py"
    lines: list[dict[str, Any]] = child(
        script, {"what": "ours", "detector": given.detector, **common}, **ONE_THREAD
    )
    lines += child(script, {"what": "rivals", **common}, **ONE_THREAD)
    if given.prototype:
        what = {"what": "prototype", "prototype": str(given.prototype.resolve()), **common}
        with tempfile.TemporaryDirectory() as cache:
            apart = {"NUMBA_CACHE_DIR": cache, "PYTHONDONTWRITEBYTECODE": "1"}
            lines += child(script, what, **ONE_THREAD, **apart)
    order = list(dict.fromkeys(line["layout"] for line in lines))
    return sorted(lines, key=lambda line: order.index(line["layout"]))


def first_calls() -> dict[str, dict[str, float]]:
    """Seconds of a fresh process that scores one short series, empty and warm cache."""
    with tempfile.TemporaryDirectory() as cache:
        return {name: first_call(cache) for name in ("empty cache", "warm cache")}


def first_call(cache: str) -> dict[str, float]:
    """Wall and CPU seconds of a process."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", FIRST_CALL],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "NUMBA_CACHE_DIR": cache},
    )
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(wall, 2), "cpu_seconds": round(cpu, 2)}


def fleet(given: argparse.Namespace) -> dict[str, Any]:
    """Many series, in a process of its own so that the peak of memory is theirs."""
    what = {"detector": given.fleet, "series": given.series, "cores": FLEET_CORES}
    found: dict[str, Any] = child("detector_fleet.py", {**what, "first": 1000, "live": given.live})
    return found


def show(document: dict[str, Any], console: Console) -> None:
    """The figures as tables."""
    if "cost" in document:
        table = Table(title="one series, one core: CPU us per row", title_justify="left")
        for column in ("layout", "detector", "all rows", "after the fit", "one row p50 / p99"):
            table.add_column(
                column, justify="left" if column in ("layout", "detector") else "right"
            )
        table.add_column("state kB", justify="right")
        layout = None
        for line in document["cost"]:
            table.add_row(
                "" if line["layout"] == layout else line["layout"],
                line["detector"],
                number(line["us_per_row"]),
                number(line.get("us_per_row_after_fit")),
                f"{number(line['single_row_us_p50'])} / {number(line['single_row_us_p99'])}"
                if "single_row_us_p50" in line
                else "-",
                number(line["state_bytes"] / 1000),
            )
            layout = line["layout"]
        console.print(table)
    for name, found in document.get("first_call", {}).items():
        console.print(
            f"first call of fusion, {name}: {found['seconds']} s, {found['cpu_seconds']} CPU s"
        )
    if "fleet" in document:
        found = document["fleet"]
        title = f"{found['series']:,} series, {found['detector']}, {found['cores']} cores"
        table = Table(title=title, title_justify="left")
        for column in ("", "rows/s", "call ms p50 / p99 / max", "RSS MB"):
            table.add_column(column, justify="right" if column else "left")
        for name, one in found["phases"].items():
            calls = " / ".join(f"{one[f'call_ms_{key}']:.0f}" for key in ("p50", "p99", "max"))
            table.add_row(name, f"{one['rows_per_s']:,}", calls, f"{one['rss_mb']:,.0f}")
        table.add_row("in all", f"{found['rows_per_s']:,}", "", f"peak {found['rss_mb_peak']:,.0f}")
        console.print(table)
    for line in document["environment"]["left_out"]:
        console.print(line)


def number(value: float | None) -> str:
    """Three significant digits, or a dash."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main() -> None:
    given = _parser().parse_args()
    import rivals

    document: dict[str, Any] = {
        "environment": {
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            **versions(),
            "rows": given.rows,
            "warm_up": given.first,
            "left_out": rivals.rivals()[1],
        }
    }
    parts = given.part or PARTS
    if "cost" in parts:
        document["cost"] = cost(given)
    if "compile" in parts:
        document["first_call"] = first_calls()
    if "fleet" in parts:
        document["fleet"] = fleet(given)
    text = json.dumps(document, indent=2)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)
    show(document, Console(width=110, stderr=not given.out))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", action="append", choices=PARTS, help="only these")
    parser.add_argument("--detector", default=DETECTORS, help="names, comma-separated")
    parser.add_argument("--prototype", type=Path, help="Python file of the research prototype")
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--first", type=int, default=5_000, help="rows of the warm-up")
    parser.add_argument("--repeat", type=int, default=3, help="runs of a case; the least counts")
    parser.add_argument("--fleet", default="fusion:small", help="detector of the many series")
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--live", type=int, default=512, help="rows of a series in a live phase")
    parser.add_argument("--out", type=Path, help="write the JSON here")
    return parser


if __name__ == "__main__":
    main()
