"""Three faults that lose something, planted one at a time: the crash suite finds each."""

from __future__ import annotations

import pytest
from reference.live_plant import Plant
from reference.live_runner import RUNNER
from reference.live_scene import Scene

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

PLANT = Plant(n_steps=300)


def make_scene(broker, folder, change, sink, plant=PLANT, **changes):
    """A consumer with a fault."""
    return Scene(
        broker, folder, plant, (sink,), program=(*RUNNER, change), source__instance_id="a",
        runtime__batch_rows=100, **changes,
    )  # fmt: skip


def killed_between(scene, n_steps):
    """Killed when it has consumed these steps, before the others come, and started again."""
    scene.fill(n_steps)
    with scene.start() as process:
        process.until(scene.is_done, "the first rows are consumed")
        process.kill()
    scene.fill()
    scene.finish()


def test_offsets_that_are_committed_before_the_state_are_found(broker, tmp_path):
    scene = make_scene(broker, tmp_path, "offsets_first", "parquet")
    scene.fill()
    with scene.start(crash_at="after_flush:20") as process:
        assert process.wait() == -9
    scene.finish()
    with pytest.raises(AssertionError, match="the scores differ"):
        scene.check()


def test_open_episodes_that_are_left_out_of_the_snapshot_are_found(broker, tmp_path):
    scene = make_scene(broker, tmp_path, "no_episodes", "jsonl")
    killed_between(scene, 150)
    with pytest.raises(AssertionError, match=r"events are (lost|wrong)"):
        scene.check()


@pytest.mark.deep
def test_random_state_that_is_left_out_of_the_snapshot_is_found(broker, tmp_path):
    """The weights are drawn from it when the warm-up ends, after the crash."""
    params = {"length": 32, "hop": 4, "warm_up": 16, "hidden": 8, "steps": 30}
    line = {"type": "fixed", "value": 2}
    scene = make_scene(
        broker, tmp_path, "no_random_state", "parquet", Plant(n_series=8, n_steps=160),
        detectors=[{"type": "reconstruction", "params": params, "threshold": line}],
    )  # fmt: skip
    killed_between(scene, 60)
    with pytest.raises(AssertionError, match="the scores differ"):
        scene.check()
