"""A child process that consumes, the alerts it leaves, and the moments at which it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from streamad.cli.tail import Tail
from streamad.cli.workers import PARENT
from streamad.core.errors import ConnectorError

ALERTS = "alerts-{partition}.jsonl"

_TAIL = 600
_DRAIN_S = 40.0
_STALLED_S = 90.0
_EARLY_SHARE = 0.25
_EARLY_S = 4.0
_LATER_S = 2.5


class Consumer:
    """`streamad run` over a configuration, as a process of its own.

    Parameters
    ----------
    config : Path
    folder : Path
        Holds its state, in ``state``, its alerts and its log.
    pipeline : str

    Attributes
    ----------
    log : Path
    has_begun : bool
        True once it was seen that it has partitions to read.
    """

    def __init__(self, config: Path, folder: Path, pipeline: str) -> None:
        self._config = config
        self._folder = folder
        self._state = folder / "state" / quote(pipeline, safe="")
        self.log = folder / "consumer.log"
        self.has_begun = False
        self._process: subprocess.Popen[bytes] | None = None
        self._saved = 0
        self._moved = time.monotonic()

    def start(self) -> None:
        """Start it, or start it again; it ends by itself when this process is gone."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("STREAMAD_")}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  (this very program)
                [
                    sys.executable,
                    "-c",
                    "from streamad.cli import main; main()",
                    *("run", str(self._config)),
                ],
                env={**clean, PARENT: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it by SIGKILL, whatever it is doing."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def stop(self) -> None:
        """Drain it.

        Raises
        ------
        ConnectorError
            If it does not end well.
        """
        process = self._process
        if process is not None:
            process.send_signal(signal.SIGTERM)
            try:
                code = process.wait(_DRAIN_S)
            except subprocess.TimeoutExpired:
                self.kill()
                raise self._failed(f"did not end within {_DRAIN_S:g} s") from None
            self._process = None
            if code != 0:
                raise self._failed(f"ended with exit code {code}")

    def saved(self) -> int:
        """Rows up to the newest snapshots: what a kill cannot take back.

        Raises
        ------
        ConnectorError
            If it has ended by itself.
        """
        from streamad.runtime.checkpoints import newest_offsets

        if self._process is not None and self._process.poll() is not None:
            raise self._failed(f"ended with exit code {self._process.returncode}")
        newest = newest_offsets(self._state)
        self.has_begun = bool(newest)
        saved = sum(newest.values())
        if saved != self._saved:
            self._saved, self._moved = saved, time.monotonic()
        return saved

    def expect_more(self) -> None:
        """Say so if nothing was saved for long.

        Raises
        ------
        ConnectorError
            Then.
        """
        if time.monotonic() - self._moved > _STALLED_S:
            raise self._failed(f"saved nothing for {_STALLED_S:g} s")

    def _failed(self, what: str) -> ConnectorError:
        said = self.log.read_text(encoding="utf-8", errors="replace")[-_TAIL:]
        return ConnectorError(f"the consumer {what}; the end of {self.log}:\n{said}")


@dataclass(slots=True)
class Listener:
    """Alert events in the files of a consumer, each told once.

    Parameters
    ----------
    folder : Path
        With the files ``alerts-PARTITION.jsonl``.
    """

    folder: Path
    _tails: dict[Path, Tail] = field(default_factory=dict)

    def files(self) -> list[Path]:
        """The files so far."""
        return sorted(self.folder.glob(ALERTS.format(partition="*")))

    def news(self) -> Iterator[dict[str, Any]]:
        """Events that were not told before; a line that is being written waits."""
        for path in self.files():
            yield from self._tails.setdefault(path, Tail(path)).news()


class Killer:
    """Random moments at which a consumer is killed, so many times.

    Parameters
    ----------
    n_kills : int
    seed : int or None
        Of the moments; None = others every time.

    Notes
    -----
    One life in four ends within four seconds of its start, whatever it does then: it loads, joins
    the group or has just begun to read. The others end within 2.5 seconds of their first snapshot.
    """

    def __init__(self, n_kills: int, seed: int | None) -> None:
        self.left = n_kills
        self._random = np.random.default_rng(seed)
        self._at = 0.0
        self._base: int | None = None

    def born(self, now_s: float, saved: int) -> None:
        """A life begins, with so many rows saved."""
        early = self._random.random() < _EARLY_SHARE
        self._at = now_s + self._random.uniform(0.0, _EARLY_S) if early else np.inf
        self._base = saved

    def is_due(self, now_s: float, saved: int) -> bool:
        """Whether the moment has come."""
        if not self.left:
            return False
        if self._at == np.inf and self._base is not None and saved > self._base:
            self._at = now_s + self._random.uniform(0.0, _LATER_S)
        return bool(now_s >= self._at)
