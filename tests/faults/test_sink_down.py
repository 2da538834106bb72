"""A sink that is away for some time gets everything afterwards, and health says so meanwhile.

The environment variable STREAMAD_KILLS above 10 asks for the long form: two minutes instead of
seconds. Health speaks of a sink after a minute, so only the long form hears it.
"""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import contextmanager

import pytest
from reference.live_plant import Plant
from reference.live_scene import Scene
from reference.served import Alertmanager, Database, Webhook
from reference.servers import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

LONG = int(os.environ.get("STREAMAD_KILLS", "3")) > 10
AWAY_S = 120 if LONG else 6
LONGEST_S = 20
STEPS_A_SECOND = 10
LATE_ROWS = 24 * STEPS_A_SECOND
"""A second of the plant: nothing is as late that is only not yet in a snapshot."""
SPOOL_BYTES = 20_000
"""Some twenty alerts: an outage of seconds fills it."""


class Outage:
    """A consumer under load whose sink is away for some time.

    Attributes
    ----------
    scene : Scene
    reasons : set of str
        What ``/readyz`` said was missing while the sink was away.
    """

    def __init__(self, broker, folder, sink):
        port = free_port()
        n_steps = STEPS_A_SECOND * (AWAY_S + 30)
        self._url = f"http://127.0.0.1:{port}"
        self.scene = Scene(
            broker, folder, Plant(n_steps=n_steps), ("jsonl", "sqlite"), more=[sink],
            web__port=port, runtime__batch_rows=100,
        )  # fmt: skip
        self.reasons = set()
        self.held_back = False

    @contextmanager
    def running(self):
        """Reads, and is ready."""
        with self.scene.start() as process:
            self.process = process
            self.scene.fill(100)
            process.until(lambda: self.scene.is_done() and not self.missing(), "it is ready")
            yield self
            self.scene.fill()
            process.until(self.scene.is_done, "all rows are consumed", 120)
            process.until(lambda: not self.missing(), "it is ready again")
            process.stop()

    def go_on(self, *, patient=False):
        """Rows come while the sink is away; if patient, until snapshots wait for it."""
        end = time.monotonic() + AWAY_S
        while time.monotonic() < end or (
            patient and not self.held_back and time.monotonic() < end + LONGEST_S
        ):
            self.scene.fill(1)
            self.reasons.update(self.missing())
            time.sleep(1 / STEPS_A_SECOND)
            self.held_back = self.scene.n - self.scene.consumed() > LATE_ROWS

    def was_told_of(self, sink):
        """Snapshots waited for this sink, and the process was not ready because of it."""
        assert self.held_back
        assert not LONG or any(
            sink in reason for reason in self.reasons if reason.startswith("503")
        ), self.reasons

    def missing(self):
        """What ``/readyz`` says is missing."""
        try:
            with urllib.request.urlopen(f"{self._url}/readyz", timeout=5):
                return []
        except urllib.error.HTTPError as error:
            with error:
                return [f"{error.code}: {error.read().decode()}"]
        except urllib.error.URLError:
            return ["no answer"]


@pytest.mark.parametrize("spool", [None, "spool"], ids=["without-spool", "spool"])
def test_a_webhook_that_was_away_gets_every_event_once(broker, tmp_path, spool):
    options = {"spool": spool and str(tmp_path / spool), "spool_max_bytes": SPOOL_BYTES}
    with Webhook(tmp_path, **options) as webhook:
        outage = Outage(broker, tmp_path, webhook.section)
        with outage.running():
            webhook.receiver.stop()
            outage.go_on(patient=True)
            kept = sum(file.stat().st_size for file in tmp_path.glob("spool/**/*.*"))
            webhook.receiver.start()
        outage.scene.check()
    outage.was_told_of("webhook")
    assert (0 < kept < 3 * SPOOL_BYTES) if spool else kept == 0
    webhook.check(outage.scene)
    sent = Counter((one["id"], one["seq"]) for one in webhook.receiver.documents)
    assert max(sent.values()) == 1


def test_a_database_that_was_away_gets_every_alert(broker, tmp_path):
    with Database() as database:
        outage = Outage(broker, tmp_path, database.section)
        with outage.running():
            database.postgres.stop()
            outage.go_on(patient=True)
            database.postgres.start()
        outage.scene.check()
        database.check(outage.scene)
    outage.was_told_of("postgres")


def test_an_alertmanager_that_was_away_hears_how_every_series_is(broker, tmp_path):
    """Its states are in the snapshots, so nothing waits for it."""
    with Alertmanager(tmp_path) as manager:
        outage = Outage(broker, tmp_path, manager.section)
        with outage.running():
            manager.receiver.stop()
            outage.go_on()
            manager.receiver.start()
            outage.scene.fill()
            outage.process.until(outage.scene.is_done, "all rows are consumed", 120)
            n = len(manager.receiver.requests)
            outage.process.until(lambda: len(manager.receiver.requests) > n + 2, "rounds go on")
        outage.scene.check()
    manager.check(outage.scene)
