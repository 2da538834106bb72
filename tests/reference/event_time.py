"""Event time row by row with dictionaries, from the documentation of ``EventTime``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

NAN = float("nan")


@dataclass
class Result:
    """What came out, in order.

    ``events`` holds ``("evict", name)`` and ``("row", name, time, values, filled, fresh)``,
    ``rejects`` holds ``(offset, reason)``.
    """

    events: list = field(default_factory=list)
    rejects: list = field(default_factory=list)


class EventTimeModel:
    """Same options as ``EventTime``; rows are ``(name, time, values, offset)``."""

    def __init__(
        self,
        *,
        period_ns=None,
        lateness_ns=0,
        fill="nan",
        max_gap_ns=None,
        duplicates="drop",
        max_keys=100_000,
        ttl_ns=None,
        max_jump_ns=None,
        max_held_rows=10**9,
    ):
        self.period = period_ns
        self.lateness = lateness_ns
        self.hold = fill == "hold"
        self.max_gap = max_gap_ns or (64 * period_ns if period_ns else math.inf)
        self.drop = duplicates == "drop"
        self.max_keys = max_keys
        self.ttl = math.inf if ttl_ns is None else ttl_ns
        self.max_jump = math.inf if max_jump_ns is None else max_jump_ns
        self.max_held = max_held_rows
        self.newest = None  # largest time that arrived
        self.watermark = -math.inf
        self.waiting = []  # (time, arrival, row)
        self.arrived = 0
        self.now = None  # largest time processed
        self.series = {}  # name -> (last time, partition time then, held), least recent first
        self.out = Result()

    def run(self, rows):
        for row in rows:
            if self.lateness:
                self.arrive(row)
            elif self.now is not None and row[1] > self.now + self.max_jump:
                self.out.rejects.append((row[3], "time"))
            else:
                self.process(row)
        for _, _, row in sorted(self.waiting):
            self.process(row)
        return self.out

    def arrive(self, row):
        time = row[1]
        if time < self.watermark:
            self.out.rejects.append((row[3], "late"))
            return
        if self.newest is not None and time > self.newest + self.max_jump:
            self.out.rejects.append((row[3], "time"))
            return
        self.newest = time if self.newest is None else max(self.newest, time)
        self.watermark = max(self.watermark, self.newest - self.lateness)
        self.waiting.append((time, self.arrived, row))
        self.arrived += 1
        self.waiting.sort(key=lambda entry: entry[:2])
        while self.waiting and (
            self.waiting[0][0] <= self.watermark or len(self.waiting) > self.max_held
        ):
            time, _, oldest = self.waiting.pop(0)
            self.watermark = max(self.watermark, time)
            self.process(oldest)

    def process(self, row):
        name, time, values, offset = row
        if name in self.series:
            last = self.series[name][0]
            if time < last:
                self.out.rejects.append((offset, "late"))
                return
            if time == last and self.drop:
                self.out.rejects.append((offset, "duplicate"))
                return
        self.now = time if self.now is None else max(self.now, time)
        for other, (_, seen, _) in list(self.series.items()):
            if self.now - seen > self.ttl:
                self.evict(other)
        if name not in self.series and len(self.series) >= self.max_keys:
            self.evict(next(iter(self.series)))
        fresh = name not in self.series
        held = [NAN] * len(values)
        if not fresh:
            last, _, held = self.series.pop(name)
            gap = time - last
            if self.period is None:
                fresh = gap > self.max_gap
            else:
                periods = (gap + self.period // 2) // self.period
                if periods > 1 and gap > self.max_gap:
                    fresh = True
                for j in range(1, periods if not fresh else 1):
                    filler = list(held) if self.hold else [NAN] * len(values)
                    self.emit(name, last + j * self.period, filler, True, False)
            if fresh:
                held = [NAN] * len(values)
        held = [old if math.isnan(new) else new for old, new in zip(held, values, strict=True)]
        self.emit(name, time, list(values), False, fresh)
        self.series[name] = (time, self.now, held)

    def emit(self, name, time, values, filled, fresh):
        self.out.events.append(("row", name, time, tuple(values), filled, fresh))

    def evict(self, name):
        del self.series[name]
        self.out.events.append(("evict", name))
