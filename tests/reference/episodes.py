"""The episode machine of one series, in plain Python, from the rules in words."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class Episode:
    start: int
    last_over: int
    peak: tuple[int, float]
    cause: tuple[float, int]
    suppressed: bool
    level: str = ""
    seq: int = 0
    told: int = 0
    below: list[int] = field(default_factory=list)


class EpisodeOracle:
    """Events as tuples: (event, reason, seq, start, end, detected, by a row, level, suppressed,
    peak time, peak ratio, number of the row that tells the cause).
    """

    def __init__(self, rules):
        self.rules = rules
        self.run: list[tuple[int, float, float, int]] = []
        self.episode: Episode | None = None
        self.judged = self.latest_row = 0
        self.latest_start = self.quiet_until = -math.inf

    def row(self, t, ratio, causal, number):
        """Events of one row; the largest causal score of an episode tells its cause."""
        events = []
        silent = self.rules.no_data_after_ns
        if self.episode is not None:
            events += self._timers(t, ratio)
        elif silent is not None and t - self.judged > silent:
            self.run = []
        self.latest_row = t
        if math.isnan(ratio):
            return events
        self.judged = t
        if self.episode is None:
            return events + self._wait(t, ratio, causal, number)
        return events + self._go_on(t, ratio, causal, number)

    def close(self, reason):
        """Events of the end."""
        self.run = []
        return [] if self.episode is None else [self._resolve(reason, self.latest_row, False)]

    def _timers(self, t, ratio):
        rules, episode, due = self.rules, self.episode, []
        if rules.max_open_ns is not None and t >= episode.start + rules.max_open_ns:
            due.append((episode.start + rules.max_open_ns, 0, "timeout"))
        if rules.no_data_after_ns is not None and t > self.judged + rules.no_data_after_ns:
            due.append((self.judged + rules.no_data_after_ns, 1, "no_data"))
        if len(episode.below) >= rules.close_rows and ratio >= rules.close_ratio:
            end = episode.below[0] + max(rules.close_ns, rules.merge_gap_ns)
            if t > end:
                due.append((end, 2, "recovered"))
        if not due:
            return []
        when, _, reason = min(due)
        return [self._resolve(reason, when, False)]

    def _wait(self, t, ratio, causal, number):
        if ratio < self.rules.open_ratio:
            self.run = []
            return []
        if not self.run and t <= self.latest_start:
            return []
        self.run.append((t, ratio, causal, number))
        start = self.run[0][0]
        if len(self.run) < self.rules.open_rows or t - start < self.rules.open_ns:
            return []
        peak = max(self.run, key=lambda row: row[1])
        cause = max(self.run, key=lambda row: row[2])
        self.episode = Episode(start, t, peak[:2], cause[2:], start < self.quiet_until)
        self.episode.level = self._level(t)
        self.latest_start = start
        self.run = []
        return [self._event("open", "open", None, t, True)]

    def _go_on(self, t, ratio, causal, number):
        rules, episode = self.rules, self.episode
        if ratio >= rules.open_ratio:
            episode.last_over = t
        if ratio > episode.peak[1]:
            episode.peak = (t, ratio)
        if causal > episode.cause[0]:
            episode.cause = (causal, number)
        if ratio < rules.close_ratio:
            episode.below.append(t)
            wait = max(rules.close_ns, rules.merge_gap_ns)
            if len(episode.below) >= rules.close_rows and t - episode.below[0] >= wait:
                return [self._resolve("recovered", t, True)]
        else:
            episode.below = []
            levels = [rule.level for rule in rules.severities] + ["warning"]
            level = self._level(t)
            if levels.index(level) < levels.index(episode.level):
                episode.level = level
                return [self._event("update", "severity", None, t, True)]
        if rules.update_every_ns is not None and t - episode.told >= rules.update_every_ns:
            return [self._event("update", "periodic", None, t, True)]
        return []

    def _level(self, t):
        for rule in self.rules.severities:
            high = rule.ratio is None or self.episode.peak[1] >= rule.ratio
            long = rule.lasting_ns is None or t - self.episode.start >= rule.lasting_ns
            if high and long:
                return rule.level
        return "warning"

    def _resolve(self, reason, t, by_row):
        if not self.episode.suppressed:
            self.quiet_until = t + self.rules.cool_down_ns
        event = self._event("resolve", reason, self.episode.last_over, t, by_row)
        self.episode = None
        return event

    def _event(self, kind, reason, end, t, by_row):
        episode = self.episode
        episode.seq += 1
        episode.told = t
        return (
            kind,
            reason,
            episode.seq,
            episode.start,
            end,
            t,
            by_row,
            episode.level,
            "cool_down" if episode.suppressed else None,
            *episode.peak,
            episode.cause[1],
        )
