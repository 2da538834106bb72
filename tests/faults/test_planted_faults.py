"""Three faults that lose something, planted one at a time: the crash suite finds each."""

from __future__ import annotations

import pytest
from reference.live_plant import Plant
from reference.live_runner import RUNNER
from reference.live_scene import Scene

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def killed_once(broker, folder, change, crash_at, sinks=("jsonl",)):
    """A consumer with a fault, killed at a point and started again."""
    scene = Scene(
        broker, folder, Plant(n_steps=300), sinks, program=(*RUNNER, change),
        source__instance_id="a", runtime__batch_rows=100,
    )  # fmt: skip
    scene.fill()
    with scene.start(crash_at=crash_at) as process:
        assert process.wait() == -9
    scene.finish()
    return scene


def test_offsets_that_are_committed_before_the_state_are_found(broker, tmp_path):
    scene = killed_once(broker, tmp_path, "offsets_first", "after_flush:20", ("parquet",))
    with pytest.raises(AssertionError, match="the scores differ"):
        scene.check()


def test_open_episodes_that_are_left_out_of_the_snapshot_are_found(broker, tmp_path):
    scene = killed_once(broker, tmp_path, "no_episodes", "after_batch:40")
    with pytest.raises(AssertionError, match=r"events are (lost|wrong)"):
        scene.check()


@pytest.mark.deep
def test_random_state_that_is_left_out_of_the_snapshot_is_found(broker, tmp_path):
    """The weights are drawn from it when the warm-up ends, after the crash."""
    params = {"length": 32, "hop": 4, "warm_up": 16, "hidden": 8, "steps": 30}
    scene = Scene(
        broker, tmp_path, Plant(n_series=8, n_steps=160), ("parquet",),
        program=(*RUNNER, "no_random_state"), source__instance_id="a",
        detectors=[
            {"type": "reconstruction", "params": params, "threshold": {"type": "fixed", "value": 2}}
        ],
    )  # fmt: skip
    scene.fill(60)
    with scene.start() as process:
        process.until(scene.is_done, "the first rows are consumed")
        process.kill()
    scene.fill()
    scene.finish()
    with pytest.raises(AssertionError, match="the scores differ"):
        scene.check()
