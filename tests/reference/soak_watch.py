"""Memory, open files, threads and lag of processes, every two seconds."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from reference.live_process import LiveProcess

EVERY_S = 2.0


@dataclass
class Life:
    """Samples of one process: seconds since its start, kB resident, open files, threads."""

    process: LiveProcess
    began: float = field(default_factory=time.monotonic)
    samples: list[tuple[float, float, int, int]] = field(default_factory=list)

    def sample(self) -> None:
        """Look once, if it is there."""
        with contextlib.suppress(psutil.Error):
            seen = psutil.Process(self.process.process.pid)
            if seen.status() != psutil.STATUS_ZOMBIE:
                age = time.monotonic() - self.began
                kilobytes = seen.memory_info().rss / 1024
                self.samples.append((age, kilobytes, seen.num_fds(), seen.num_threads()))

    def report(self, warm_up_s: float) -> dict[str, Any] | None:
        """Figures of what came after the warm-up; None if that is hardly anything."""
        kept = np.array([sample for sample in self.samples if sample[0] > warm_up_s])
        if len(kept) < 10:
            return None
        age, kilobytes, files, threads = kept.T
        late = age > age[-1] / 2
        return {
            "minutes": round(float(age[-1]) / 60, 2),
            "kb_per_min": round(_slope(age, kilobytes), 1),
            "late_kb_per_min": round(_slope(age[late], kilobytes[late]), 1),
            "kb_first": round(float(kilobytes[0])),
            "kb_last": round(float(kilobytes[-1])),
            "kb_most": round(float(kilobytes.max())),
            "open_files_first": int(files[0]),
            "open_files_last": int(files[-1]),
            "open_files_most": int(files.max()),
            "threads_most": int(threads.max()),
        }


def _slope(seconds: NDArray[np.float64], kilobytes: NDArray[np.float64]) -> float:
    """Of a least-squares line, kB a minute."""
    return float(np.polyfit(seconds / 60, kilobytes, 1)[0])


class Watch:
    """Looks at processes until it is stopped.

    Parameters
    ----------
    lag : callable
        Records that are written and not yet in a snapshot.
    """

    def __init__(self, lag: Callable[[], int]) -> None:
        self._lag = lag
        self._lags: list[int] = []
        self._lives: list[Life] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    @property
    def processes(self) -> list[LiveProcess]:
        """All that were added."""
        return [life.process for life in self._lives]

    def add(self, process: LiveProcess) -> None:
        """Look at this one, too."""
        self._lives.append(Life(process))

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._done.set()
        if self._thread.ident is not None:
            self._thread.join(10)

    def report(self, warm_up_s: float = 45.0) -> dict[str, Any]:
        """Lives that were long enough to say something, the longest first, and the lag."""
        lives = [found for life in self._lives if (found := life.report(warm_up_s))]
        return {
            "processes": len(self._lives),
            "lives": sorted(lives, key=lambda one: -one["minutes"]),
            "lag_rows": {
                "p50": round(float(np.median(self._lags))),
                "p99": round(float(np.quantile(self._lags, 0.99))),
                "most": max(self._lags),
            },
        }

    def _look(self) -> None:
        while not self._done.wait(EVERY_S):
            for life in list(self._lives):
                life.sample()
            self._lags.append(max(0, self._lag()))
