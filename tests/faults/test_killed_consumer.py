"""``streamad run`` killed, frozen and driven out of its group loses nothing and repeats nothing.

The environment variable STREAMAD_KILLS (kills at random moments, 3 unless it is set) above 10 asks
for the long form: every point with every sink, long faults.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack

import numpy as np
import pytest
from reference.live_plant import Plant
from reference.live_runner import RUNNER
from reference.live_scene import EVERY, Scene
from reference.served import Alertmanager, Database, Webhook

from streamad.testing.crash import CRASH_POINTS

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

KILLS = int(os.environ.get("STREAMAD_KILLS", "3"))
LONG = KILLS > 10
POINTS = tuple(point for point in CRASH_POINTS if point != "after_finish")
"""A topic has no end, so nothing finishes."""
RARE = ("after_commit", "after_prune")
"""Once a checkpoint; the others come once a batch, or once a partition that is saved."""
TRANSACTIONAL = ("jsonl", "kafka_transactional")
MANY_WRITERS = ("jsonl", "parquet", "sqlite", "kafka")
SINGLE = [(sink,) for sink in (*EVERY, "kafka_transactional")]


SERVED = {
    "webhook": Webhook,
    "spooled_webhook": lambda folder: Webhook(folder, spool=str(folder / "spool")),
    "postgres": lambda _: Database(),
    "alertmanager": Alertmanager,
}
"""Sinks whose other side outlives the consumer."""


def killed_in_turn(broker, folder, sinks, points, more=()):
    """A consumer that is killed at each of these points, one after the other."""
    scene = Scene(
        broker, folder, Plant(n_steps=100 * len(points)), sinks, more=more,
        source__instance_id="a", runtime__batch_rows=100,
    )  # fmt: skip
    for number, point in enumerate(points):
        scene.fill(100)
        with scene.start(crash_at=f"{point}:{2 if point in RARE else 5 + number % 3}") as process:
            assert process.wait() == -9, f"it never came to {point}: {process.tail()}"
    scene.finish()
    scene.check()
    return scene


@pytest.mark.parametrize(
    ("sinks", "points"),
    [
        pytest.param(EVERY, POINTS, id="all-others"),
        pytest.param(
            TRANSACTIONAL, ("after_flush", "after_rename", "after_commit"), id="transactional"
        ),
    ],
)
def test_kills_at_named_points_in_turn_do_not_show(broker, tmp_path, sinks, points):
    killed_in_turn(broker, tmp_path, sinks, points)


@pytest.mark.skipif(not LONG, reason="the long form is asked for by STREAMAD_KILLS=50")
@pytest.mark.parametrize("sinks", SINGLE, ids=lambda sinks: sinks[0])
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_point_does_not_show_in_any_sink(broker, tmp_path, point, sinks):
    killed_in_turn(broker, tmp_path, sinks, [point] * 2)


@pytest.mark.parametrize(
    ("kinds", "points"),
    [
        (("spooled_webhook", "postgres", "alertmanager"), POINTS),
        *([((kind,), [point] * 2) for kind in SERVED for point in POINTS] if LONG else ()),
    ],
    ids=lambda names: "-".join(dict.fromkeys(names)) if len(names) < len(POINTS) else "all",
)
def test_kills_do_not_show_at_the_servers_that_are_told(broker, tmp_path, kinds, points):
    with ExitStack() as stack:
        served = [stack.enter_context(SERVED[kind](tmp_path)) for kind in kinds]
        more = [one.section for one in served]
        scene = killed_in_turn(broker, tmp_path, ("jsonl", "sqlite"), points, more)
        for one in served:
            one.check(scene)


@pytest.mark.any_broker
@pytest.mark.parametrize("sinks", [EVERY, TRANSACTIONAL] if LONG else [EVERY], ids=lambda s: s[-1])
def test_kills_at_random_moments_do_not_show(broker, tmp_path, sinks):
    """Most of them while rows come, some while the process starts or joins its group."""
    rng = np.random.default_rng(29)
    scene = Scene(
        broker, tmp_path, Plant(n_steps=100 * (KILLS + 1)), sinks,
        source__session_timeout="2s", runtime__batch_rows=100,
    )  # fmt: skip
    for number in range(KILLS):
        scene.fill(100)
        before = scene.consumed()
        with scene.start() as process:
            if number % 4:
                process.until(lambda before=before: scene.consumed() > before, "it reads")
                process.until_killed(rng.uniform(0, 0.6))
            else:
                process.until_killed(rng.uniform(0.2, 4.0))
    scene.fill()
    scene.finish()
    scene.check()


@pytest.mark.any_broker
@pytest.mark.parametrize("n_zombies", [3 if LONG else 1])
@pytest.mark.parametrize("sinks", [MANY_WRITERS, TRANSACTIONAL] if LONG else [MANY_WRITERS])
def test_a_frozen_member_does_no_harm_when_it_wakes(broker, tmp_path, sinks, n_zombies):
    """Stopped for longer than its session, somewhere, while another one takes over."""
    scene = Scene(
        broker, tmp_path, Plant(n_steps=450 * n_zombies), sinks,
        source__session_timeout="2s", runtime__batch_rows=100,
    )  # fmt: skip
    with scene.start() as first:
        for worker in range(1, n_zombies + 1):
            before = scene.consumed()
            scene.fill(150)
            first.until(lambda before=before: scene.consumed() > before, "it reads")
            scene.freeze(first)
            scene.fill(150)
            with scene.start(worker=worker) as second:
                second.until(scene.is_done, "another one has taken over")
                first.thaw()
                scene.fill(150)
                second.until(scene.is_done, "both go on")
                second.stop()
        first.until(scene.is_done, "it goes on alone")
        first.stop()
    scene.check()


@pytest.mark.parametrize("point", POINTS if LONG else ["after_flush"])
def test_a_member_frozen_in_its_checkpoint_does_no_harm_when_it_wakes(broker, tmp_path, point):
    """What it writes after it woke is what its successor has written, too, at the same places."""
    scene = Scene(
        broker, tmp_path, Plant(n_steps=600), MANY_WRITERS,
        program=(*RUNNER, "stops"), source__session_timeout="2s", runtime__batch_rows=100,
    )  # fmt: skip
    scene.fill(300)
    with scene.start(crash_at=f"{point}:{9 if point in RARE else 13}") as first:
        first.until(first.is_frozen, "it stands still")
        with scene.start(worker=1) as second:
            second.until(scene.is_done, "another one has taken over")
            first.thaw()
            scene.fill()
            second.until(scene.is_done, "both go on")
            first.stop()
            second.stop()
    scene.check()


@pytest.mark.any_broker
def test_a_broker_that_stands_still_is_waited_for(broker, tmp_path):
    scene = Scene(broker, tmp_path, Plant(n_steps=800), runtime__batch_rows=100)
    scene.fill(400)
    with scene.start() as process:
        process.until(lambda: scene.consumed() > 0, "it reads")
        broker.freeze()
        time.sleep(10 if LONG else 5)
        broker.thaw()
        scene.fill()
        process.until(scene.is_done, "it goes on")
        process.stop()
    scene.check()


@pytest.mark.parametrize("sinks", [EVERY, TRANSACTIONAL] if LONG else [EVERY], ids=lambda s: s[-1])
def test_a_broker_that_dies_and_comes_back_is_waited_for(broker, tmp_path, sinks):
    scene = Scene(broker, tmp_path, Plant(n_steps=800), sinks, runtime__batch_rows=100)
    scene.fill(400)
    with scene.start() as process:
        process.until(lambda: scene.consumed() > 0, "it reads")
        broker.stop(9)
        time.sleep(1)
        broker.start()
        scene.fill()
        process.until(scene.is_done, "it goes on")
        process.stop()
    scene.check()


@pytest.mark.any_broker
@pytest.mark.parametrize("seconds", [120 if LONG else 8])
def test_members_that_come_and_go_do_not_show(broker, tmp_path, seconds):
    """Up to three of them; some leave in good order, some are killed."""
    rng = np.random.default_rng(5)
    scene = Scene(
        broker, tmp_path, Plant(n_steps=20 * seconds + 400), MANY_WRITERS,
        source__session_timeout="3s",
    )  # fmt: skip
    end = time.monotonic() + seconds
    members, worker = [], 0
    while time.monotonic() < end:
        scene.fill(20)
        if len(members) < 3 and rng.random() < 0.7:
            members.append(scene.start(worker=worker))
            worker += 1
        elif len(members) > 1:
            leaving = members.pop(int(rng.integers(len(members))))
            if rng.random() < 0.5:
                leaving.stop()
            else:
                leaving.kill()
        time.sleep(rng.uniform(0.5, 3.0))
    scene.fill()
    members[0].until(scene.is_done, "all rows are consumed")
    for member in members:
        member.stop()
    scene.check()
