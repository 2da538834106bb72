"""Run every benchmark of this folder; the JSON goes into ``results/``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    (HERE / "results").mkdir(exist_ok=True)
    for script in sorted(HERE.glob("bench_*.py")):
        print(f"{script.name} ...", flush=True)
        done = subprocess.run(
            [sys.executable, str(script)], check=True, stdout=subprocess.PIPE, text=True
        )
        (HERE / "results" / f"{script.stem}.json").write_text(done.stdout)


if __name__ == "__main__":
    main()
