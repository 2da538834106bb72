"""The command ``streamad`` with one thing about it changed: ``python live_runner.py CHANGE ...``.

The changes are faults that the crash suite has to find, and ``stops``: crash points freeze the
process where it stands, instead of ending it.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np

RUNNER = (sys.executable, str(Path(__file__)))


def stops() -> None:
    """Freeze at the crash point; SIGCONT goes on."""
    from streamad.runtime import checkpoints

    checkpoints.signal = SimpleNamespace(SIGKILL=signal.SIGSTOP)


def offsets_first() -> None:
    """Commit offsets before the state is saved, and begin at the committed ones."""
    from kafka import TopicPartition
    from streamad_connectors.kafka.member import Member

    from streamad.runtime.assignment import Assignment
    from streamad.runtime.checkpointing import Checkpointer

    save, assign = Checkpointer.save, Assignment._assign

    def commit_then_save(self, partitions, deadline=None):
        held = list(partitions)
        for part in held:
            if part.begin_offset is not None and part.dirty:
                self._source.commit({part.name: part.next_offset})
        return save(self, held, deadline)

    def assign_at_committed(self, name):
        found = assign(self, name)
        offset = Member.committed_offset(self._source._member, name)
        if offset is not None:
            self._source.seek(name, offset)
            self.held[name].next_offset, self.held[name].dirty = offset, True
        return found

    def committed_offset(self, name):
        topic, _, number = name.rpartition("/")
        return self._consumer.committed(TopicPartition(topic, int(number)), timeout_ms=5000)

    Member.committed_offset = committed_offset
    Checkpointer.save, Assignment._assign = commit_then_save, assign_at_committed


def no_episodes() -> None:
    """Leave open episodes out of the snapshot."""
    from streamad.alerting import EpisodeMachine

    whole = EpisodeMachine.snapshot

    def forgetful(self):
        return {
            name: np.zeros_like(array) if name.startswith("slab") else array
            for name, array in whole(self).items()
        }

    EpisodeMachine.snapshot = forgetful


def no_random_state() -> None:
    """Leave the random state of a detector out of the snapshot."""
    from streamad.detectors.reconstruction import Reconstruction

    whole = Reconstruction.snapshot

    def forgetful(self):
        return {
            name: np.zeros_like(array) if name.endswith("seed") else array
            for name, array in whole(self).items()
        }

    Reconstruction.snapshot = forgetful


def deadly() -> None:
    """End the process, with nothing written, on values above a thousand."""
    from streamad.detectors.ewma import Ewma

    step = Ewma.step

    def step_or_die(self, windows):
        if (windows.values > 1000.0).any():
            os._exit(70)
        return step(self, windows)

    Ewma.step = step_or_die


CHANGES = {f.__name__: f for f in (stops, offsets_first, no_episodes, no_random_state, deadly)}

if __name__ == "__main__":
    CHANGES[sys.argv.pop(1)]()
    from streamad.cli import main

    main()
