"""A process whose state is gone or damaged: it stops, reads again, or goes on, and says so."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import pytest
from reference.kafka_rows import records
from reference.live_plant import Plant, final_states, jsonl_events, live_config, saved_offsets
from reference.live_process import LiveProcess

from streamad.core.errors import StateError

pytestmark = pytest.mark.kafka

PLANT = Plant(n_series=6, n_steps=300, partitions=2)


class Site:
    """A topic that a process has read to its end, and the folder of that process."""

    def __init__(self, broker, folder):
        self.broker, self.folder = broker, folder
        self.topic = broker.create_topic("lost", PLANT.partitions)
        self.n = PLANT.fill(broker, self.topic)
        self.run()
        self.states = final_states(folder)
        self.events = jsonl_events(folder)
        self.read = saved_offsets(folder)

    def config(self, on_lost="stop"):
        return live_config(self.folder, self.broker, self.topic, state__on_lost=on_lost)

    def run(self, on_lost="stop"):
        """Read all that is there, and end well."""
        with LiveProcess(self.config(on_lost)) as process:
            process.until(self.has_all, "it has all")
            process.stop()

    def has_all(self):
        """Whether the newest snapshots are intact and cover everything."""
        try:
            states = final_states(self.folder)
        except StateError:
            return False
        return sum(state["next_offset"] for state in states.values()) == self.n

    def lose(self, how):
        """Lose the snapshots, or all of them but their beginnings."""
        if how == "gone":
            shutil.rmtree(self.folder / "state")
        else:
            for path in self.folder.glob("state/plant/*.ckpt"):
                path.write_bytes(path.read_bytes()[:100])

    def notices(self):
        """Dead letters that tell of it: partition and offset."""
        files = self.folder.glob("state/plant/rejects-*.jsonl")
        found = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return sorted((one["partition"], one["offset"], one["reason"]) for one in found)


@pytest.fixture
def site(broker, tmp_path):
    return Site(broker, tmp_path)


def split(events):
    """Events of series, counted, and those that tell of a lost state."""
    lost = [line for line in events if json.loads(line)["reason"] == "state_lost"]
    return Counter(line for line in events if line not in lost), lost


@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_it_stops_with_five_and_a_list(site, how):
    site.lose(how)
    with LiveProcess(site.config()) as process:
        assert process.wait() == 5
        told = process.tail()
    for number, offset in site.read.items():
        said = f"'{site.topic}/{number}' was read up to offset {offset}"
        if how == "damaged":
            said = f"'{site.topic}/{number}': none of its"
        assert said in told
    assert "state.on_lost: rebuild" in told
    assert jsonl_events(site.folder) == site.events


@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_it_reads_again_and_finds_the_same(site, how):
    site.lose(how)
    site.run("rebuild")
    again, lost = split(jsonl_events(site.folder))
    assert again == Counter(dict.fromkeys(site.events, 2))
    assert len(lost) == 2 * PLANT.partitions
    assert [found[0] for found in site.notices()] == [f"{site.topic}/{n}" for n in (0, 1)]
    for number, state in final_states(site.folder).items():
        differ = {key for key in state if state[key] != site.states[number][key]}
        assert differ == {"counters"}


@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_it_goes_on_behind_what_was_read(site, how):
    site.lose(how)
    more = records(range(20), series="late-pump")
    site.n += site.broker.produce(site.topic, more, partition=1)
    site.run("fresh")
    again, lost = split(jsonl_events(site.folder))
    assert again == Counter(site.events)
    assert len(lost) == 2 * PLANT.partitions
    assert site.notices() == [
        (f"{site.topic}/{n}", offset, "state_lost") for n, offset in sorted(site.read.items())
    ]
    rows = {n: state["counters"]["rows"] for n, state in final_states(site.folder).items()}
    assert sum(rows.values()) == 20
