"""State folders that are closed after the test."""

from __future__ import annotations

import pytest
from reference.live import MARK, Live

from streamad.runtime.checkpoints import FileStateStore


@pytest.fixture
def state(tmp_path):
    opened = []

    def make(folder="live", kind=FileStateStore, **options):
        opened.append(kind(tmp_path / folder, MARK, exclusive=False, **options))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def live(tmp_path, state):
    """An engine over rows without an end; its state folder is ``live`` unless one is given."""

    def make(**options):
        store = options.pop("store", None) or state()
        return Live(tmp_path, store, **options)

    return make


@pytest.fixture
def calm(tmp_path, state):
    """What a run that nothing happens to hands to its sink."""
    (tmp_path / "calm").mkdir()
    run = Live(tmp_path / "calm", state("calm-state"))
    run.run()
    return run.sink
