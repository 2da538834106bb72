"""``streamad demo --kafka``: a broker, a producer, and a consumer that may be killed."""

from __future__ import annotations

import csv
import json
import secrets
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Protocol

import typer

from streamad.cli.demo_config import (
    LIVE_CONFIG,
    LIVE_MARK,
    PIPELINE,
    SHORT,
    SINGLE_PASS,
    STATIC,
    quoted,
)
from streamad.cli.demo_consumer import ALERTS, Consumer, Killer, Listener
from streamad.cli.demo_proof import Proof, compare, read_events
from streamad.cli.demo_words import copy_line_of, day, say, score, verdict
from streamad.cli.embedded_broker import TansuBroker
from streamad.cli.exits import FAILED, SIGNALLED
from streamad.cli.incidents import KNOWN, Outcome, Ratios, Series, outcomes, river_file
from streamad.core.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from streamad.reporting.episodes import Episode

N_PARTITIONS = 8
COPIES = tuple(f"pipe-{number}" for number in range(1, 17))
"""Keys of the copies of the series: so many that every partition has one."""

_TURN_S = 0.1
_CALM_S = 20.0
_LIFE_S = 6.0
_KEPT_HOURS = 40


class Feed(Protocol):
    """What the plugins of ``streamad.feeds`` make: a topic that can be written to."""

    def send(self, records: Sequence[tuple[bytes, bytes]]) -> None:
        """Return once the broker has all of these keys and values."""

    def remove(self, group: str | None = None) -> None:
        """Delete the topic, and the offsets of a group that read it."""

    def close(self) -> None:
        """Close the connections."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for.

    Attributes
    ----------
    out : Path
    brokers : str or None
        As ``host:port``, with commas between several; None = an embedded one.
    pace : float or None
        Hours of data a second; None = at such a pace that there is something to watch.
    n_kills : int
    seed : int or None
    """

    out: Path
    brokers: str | None
    pace: float | None
    n_kills: int
    seed: int | None


def kafka_demo(wish: Wish) -> None:
    """Replay the series into a topic, detect in another process, and prove what came out.

    Raises
    ------
    ConfigError, ConnectorError, MissingExtraError
        If there is no broker, or the consumer does not do its work.
    typer.Exit
        With code 1, if alerts were lost, duplicated or changed.
    """
    began = time.monotonic()
    folder = _fresh(wish.out / "kafka")
    series = Series.read(river_file())
    topic = f"streamad-demo-{secrets.token_hex(4)}"
    with _ended_by_signals(), ExitStack() as stack:
        brokers = _brokers(wish, stack)
        membership = SHORT if wish.brokers is None else STATIC
        config = _write_config(folder, series, brokers, topic, membership)
        feed = _feed(brokers, topic, stack)
        _intro(series, brokers, topic, config, wish)
        consumer = Consumer(config, folder, PIPELINE)
        stack.callback(consumer.kill)
        n_killed = _Watch(series, feed, consumer, Listener(folder), wish).until_the_end()
        consumer.stop()
    proof = _prove(folder, series)
    _tell_incidents(folder, series)
    _tell_proof(proof, n_killed, len(series.times))
    say(f"{time.monotonic() - began:.0f} s in all, a single pass over the same rows included.")
    _paths(folder)
    if not proof.holds:
        raise typer.Exit(FAILED)


class _Watch:
    """The loop around a consumer: sends rows, tells alerts, kills and starts again."""

    def __init__(
        self, series: Series, feed: Feed, consumer: Consumer, listener: Listener, wish: Wish
    ) -> None:
        self._series = series
        self._feed = feed
        self._consumer = consumer
        self._listener = listener
        self._n_kills = wish.n_kills
        self._killer = Killer(wish.n_kills, wish.seed)
        self._sent = 0
        expected_s = _LIFE_S * (wish.n_kills + 1) if wish.n_kills else _CALM_S
        self._pace = wish.pace or len(series.times) / expected_s

    def until_the_end(self) -> int:
        """Return when every row is in a snapshot; how often the consumer was killed."""
        began, n_rows = None, len(self._series.times) * len(COPIES)
        self._start(0)
        while True:
            now = time.monotonic()
            saved = self._consumer.saved()
            if self._consumer.has_begun:
                began = began or now
                self._send(now - began)
            self._tell()
            if self._killer.is_due(now, saved):
                self._kill(saved)
            elif saved == n_rows and not self._killer.left:
                break
            self._consumer.expect_more()
            time.sleep(_TURN_S)
        return self._n_kills

    def _start(self, saved: int) -> None:
        self._consumer.start()
        self._killer.born(time.monotonic(), saved)

    def _kill(self, saved: int) -> None:
        self._consumer.kill()
        self._killer.left -= 1
        number = self._n_kills - self._killer.left
        say(
            f"  ---- kill {number} of {self._n_kills} (SIGKILL): {saved:,} of "
            f"{self._sent * len(COPIES):,} rows sent were in a snapshot; starting again"
        )
        self._start(saved)

    def _send(self, elapsed_s: float) -> None:
        """Rows of the hours that are due; every kill to come keeps some for itself."""
        last = len(self._series.times) - _KEPT_HOURS * self._killer.left
        due = int(min(last, elapsed_s * self._pace))
        self._feed.send(
            [
                (name.encode(), json.dumps(row).encode())
                for hour in range(self._sent, due)
                for name in COPIES
                for row in [_row(self._series, hour, name)]
            ]
        )
        self._sent = max(self._sent, due)

    def _tell(self) -> None:
        for event in self._listener.news():
            if event["event"] != "update":
                say(copy_line_of(event, self._series))


def _row(series: Series, hour: int, name: str) -> dict[str, object]:
    when = datetime.fromtimestamp(series.times[hour] / 1e9, UTC)
    return {"branch": name, "time": when.isoformat(), "flow": series.values[hour]}


def _brokers(wish: Wish, stack: ExitStack) -> list[str]:
    """The brokers that were named, or one that ends with the stack."""
    if wish.brokers is not None:
        return [broker.strip() for broker in wish.brokers.split(",") if broker.strip()]
    try:
        return [stack.enter_context(TansuBroker()).bootstrap]
    except MissingExtraError as error:
        raise MissingExtraError(
            "`streamad demo --kafka` without the address of a broker, HOST:PORT,", error.extra
        ) from error


def _feed(brokers: list[str], topic: str, stack: ExitStack) -> Feed:
    """A producer, whose topic goes with it: nothing stays on somebody's broker."""
    from streamad.config.plugins import load_plugin

    made = load_plugin("streamad.feeds", "kafka")
    feed: Feed = made(brokers=brokers, topic=topic, partitions=N_PARTITIONS)
    stack.callback(feed.close)
    stack.callback(feed.remove, topic)
    return feed


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """The first signal ends what runs inside in good order; later ones find that under way."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(number: int, _frame: FrameType | None) -> None:
        for one in numbers:
            signal.signal(one, signal.SIG_IGN)
        raise SystemExit(SIGNALLED + number)

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fresh(folder: Path) -> Path:
    """An empty folder; what an earlier demonstration left there is taken away."""
    mark = folder / "pipeline.yaml"
    try:
        if folder.exists() and any(folder.iterdir()):
            if not (mark.exists() and mark.read_text(encoding="utf-8").startswith(LIVE_MARK)):
                raise ConfigError(
                    f"{folder} holds files that are not the demo's: choose another with --out"
                )
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the output folder {folder} must be writable: {error.strerror}; choose another with "
            "--out"
        ) from error
    return folder


def _write_config(
    folder: Path, series: Series, brokers: list[str], topic: str, membership: str
) -> Path:
    config = folder / "pipeline.yaml"
    text = LIVE_CONFIG.format(
        n_rows=len(series.times),
        brokers=json.dumps(brokers),
        topic=topic,
        membership=membership,
        alerts=quoted((folder / ALERTS).resolve()),
        state=quoted((folder / "state").resolve()),
    )
    config.write_text(text, encoding="utf-8")
    return config


def _prove(folder: Path, series: Series) -> Proof:
    """Replay the rows in one piece, in this process, and compare the events."""
    from streamad.backtest import backtest
    from streamad.config import load_config

    rows = folder / "rows.csv"
    with rows.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ("branch", "time", "flow"))
        writer.writeheader()
        for hour in range(len(series.times)):
            writer.writerows(_row(series, hour, name) for name in COPIES)
    overrides = [text.format(path=quoted(rows.resolve())) for text in SINGLE_PASS]
    single = folder / "single-pass"
    backtest(load_config(folder / "pipeline.yaml", overrides=overrides), single)
    got = [event for path in Listener(folder).files() for event in read_events(path)]
    _gather(folder)
    return compare(read_events(single / "alerts.jsonl"), got)


def _gather(folder: Path) -> None:
    """The alerts of all partitions in one file."""
    parts = [path.read_bytes() for path in Listener(folder).files()]
    (folder / "alerts.jsonl").write_bytes(b"".join(parts))


def _tell_incidents(folder: Path, series: Series) -> None:
    """What was found in the copies, by the alerts of the consumer."""
    from streamad.reporting.episodes import read_episodes

    strongest = read_episodes(folder / "alerts.jsonl", keep=10_000).strongest
    scores = folder / "single-pass" / "scores.parquet"
    found: list[Outcome] = []
    false: list[Episode] = []
    for name in COPIES:
        own = [episode for episode in strongest if episode.series == name]
        its_found, its_false = outcomes(KNOWN, own, Ratios.read(scores, name))
        if name == COPIES[0]:
            verdict(series, its_found, its_false)
        found += its_found
        false += its_false
    say(f"  All {len(COPIES)} copies: {score(found, false)}")


def _tell_proof(proof: Proof, n_killed: int, n_hours: int) -> None:
    from streamad.reporting.words import count

    how = f"The consumer was killed {count(n_killed, 'time')}" if n_killed else "Nothing was killed"
    say(
        f"\n{how}. Its alert events (id, seq, payload) beside those of a single pass over the same "
        f"{n_hours * len(COPIES):,} rows:\n{proof.n_alerts:,} alerts, {proof.n_events:,} events: "
        f"{proof.lost:,} lost, {proof.duplicated:,} duplicated, {proof.changed:,} changed, "
        f"{proof.foreign:,} that should not be."
    )
    if not proof.holds:
        say("THAT IS WRONG: nothing may be lost, duplicated or changed, and there should be events")


def _intro(series: Series, brokers: list[str], topic: str, config: Path, wish: Wish) -> None:
    import streamad

    first, last = day(series.times[0]), day(series.times[-1])
    own = "an embedded broker (Tansu, in memory)" if wish.brokers is None else "the broker"
    say(
        f"streamad {streamad.__version__} demo: water flow in a pipeline branch, {first} to {last} "
        f"2022,\n{len(series.times):,} real hourly values, {len(COPIES)} times under the keys "
        f"{COPIES[0]} to {COPIES[-1]}.\n\n"
        f"  broker    {own} at {', '.join(brokers)}\n"
        f"  topic     {topic}, {N_PARTITIONS} partitions; deleted at the end\n"
        f"  consumer  streamad run {config}\n"
    )
    if wish.n_kills:
        say(f"The consumer will be killed {wish.n_kills} times, at random moments.\n")


def _paths(folder: Path) -> None:
    say("")
    for label, name in (
        ("alerts", "alerts.jsonl"),
        ("config", "pipeline.yaml"),
        ("log", "consumer.log"),
        ("single pass", "single-pass"),
    ):
        say(f"  {label:<12} {folder / name}")
