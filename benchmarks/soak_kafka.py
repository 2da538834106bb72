"""A consumer on a real broker for some minutes, under load and random faults; then the proof.

python benchmarks/soak_kafka.py [--minutes 20] [--rate ROWS_PER_S] [--seed N] [--out FILE]

Without ``--rate`` the capacity of the consumer is measured first, and half of it is taken. Faults
come in a random order: the consumer is killed, drained, stopped for less and for more than its
session; a second member comes and goes or is killed; the broker is frozen for ten seconds, killed
and restarted; records are no rows; the database of a sink is locked; the receiver of a webhook is
down. At the end everything has to be as if nothing had happened: see :mod:`reference.soak`. Exit
status 1 if it is not, or if memory or open files of the oldest process grow. The JSON goes to
``results/soak_kafka.json``. Java 17 and Maven are needed; the broker shares the machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

MOST_KB_PER_MIN = 1024.0
LONG_LIFE_MIN = 5.0
"""Of a process that lived so long, in the second half of its life: a leak of a byte a row shows.
In the first half every kind of outage brings the most memory that it will ever need."""
MOST_FILES_MORE = 16


def main() -> None:
    """Run the soak; print and keep its figures."""
    from reference.kafka_broker import RealKafka
    from reference.soak import Load, Soak, capacity

    given = _parser().parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with RealKafka(folder / "broker") as broker:
            found: dict[str, Any] = {"seed": given.seed}
            rate = given.rate
            if rate is None:
                full = capacity(broker, folder / "capacity", given.series)
                found["capacity_rows_per_s"] = round(full)
                rate = full / 2
            _tell(f"{rate:.0f} rows a second for {given.minutes:g} minutes")
            load = Load(rate, 60 * given.minutes, given.series, given.seed)
            soak = Soak(broker, folder / "soak", load, given.gap)
            soak.run()
            _tell("all rows are consumed; the calm run and the backtest follow")
            soak.check()
            found |= soak.report()
    faults = _grown(found["lives"])
    found["calm_equal"] = True
    found["grown"] = faults
    text = json.dumps(found, indent=2) + "\n"
    sys.stdout.write(text)
    out = Path(given.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    sys.exit(1 if faults else 0)


def _grown(lives: list[dict[str, Any]]) -> list[str]:
    """What grew in processes that lived long enough to tell."""
    found = []
    for life in lives:
        if life["minutes"] >= LONG_LIFE_MIN and life["late_kb_per_min"] > MOST_KB_PER_MIN:
            found.append(f"memory: {life['late_kb_per_min']} kB a minute after {life['minutes']}")
        if life["open_files_last"] > life["open_files_first"] + MOST_FILES_MORE:
            found.append(f"files: {life['open_files_first']} to {life['open_files_last']}")
    return found


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="A live consumer under load and random faults.")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--rate", type=float, help="rows a second; without it half of capacity")
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=11, help="of rows and faults")
    parser.add_argument("--gap", type=float, default=8.0, help="longest calm between faults, s")
    parser.add_argument("--out", default=str(HERE / "results" / "soak_kafka.json"))
    return parser


if __name__ == "__main__":
    main()
