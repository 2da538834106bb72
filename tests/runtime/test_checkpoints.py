"""The state store: what is written survives, what is damaged is never believed."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from streamad.core.data import Checkpoint
from streamad.core.errors import FingerprintMismatch, StateError, StateLost
from streamad.runtime.checkpoints import FileStateStore, list_checkpoints, read_checkpoint

MARK = "ab" * 32
OTHER = "cd" * 32


def checkpoint(offset: int, fingerprint: str = MARK, partition: str = "files") -> Checkpoint:
    arrays = {
        "a/mean": np.linspace(0, 1, 7) * offset,
        "a/count": np.array(offset, np.int64),
        "b": np.zeros((0, 3), np.float32),
        "flags": np.array([True, False]),
    }
    return Checkpoint(partition, offset, fingerprint, arrays, {"sinks": [{"bytes": offset}]})


@pytest.fixture
def store(tmp_path):
    made = FileStateStore(tmp_path / "state", MARK)
    yield made
    made.close()


def newest(store: FileStateStore):
    return max(path for path, *_ in list_checkpoints(store.folder))


def test_a_snapshot_comes_back_as_it_was_written(store):
    store.save(checkpoint(5))
    found = store.load("files")
    assert found.next_offset == 5
    assert found.meta == {"sinks": [{"bytes": 5}]}
    for name, array in checkpoint(5).arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype


def test_the_newest_snapshot_is_loaded_and_a_partition_sees_only_its_own(store):
    for offset in (5, 12, 9):
        store.save(checkpoint(offset))
    store.save(checkpoint(99, partition="other/0"))
    assert store.load("files").next_offset == 12
    assert store.load("other/0").next_offset == 99
    assert store.load("third") is None


def test_prune_keeps_the_newest(store):
    for offset in range(6):
        store.save(checkpoint(offset))
    store.prune("files", 3)
    assert [offset for _, _, offset, _ in list_checkpoints(store.folder)] == [3, 4, 5]


def test_damaged_snapshots_do_not_take_the_place_of_those_that_are_made_after_them(store):
    for offset in (50, 60, 70):
        store.save(checkpoint(offset))
        newest(store).write_bytes(b"damaged")
    with pytest.raises(StateLost, match="none of its 3 snapshots"):
        store.load("files")
    for offset in (10, 20, 30, 40):
        store.save(checkpoint(offset))
        store.prune("files", 3)
    assert [found[2] for found in list_checkpoints(store.folder)] == [20, 30, 40, 50, 60, 70]
    assert store.load("files").next_offset == 40
    store.save(checkpoint(70))
    store.save(checkpoint(80))
    store.prune("files", 3)
    assert [found[2] for found in list_checkpoints(store.folder)] == [40, 50, 60, 70, 80]
    assert store.load("files").next_offset == 80


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "foreign"])
def test_a_damaged_newest_snapshot_gives_way_to_the_one_before(store, caplog, damage):
    store.save(checkpoint(5))
    store.save(checkpoint(9))
    path = newest(store)
    body = bytearray(path.read_bytes())
    if damage == "flip":
        body[len(body) // 2] ^= 1
    elif damage == "truncate":
        del body[-40:]
    elif damage == "empty":
        body.clear()
    else:
        body[:] = b"\x80\x04pickled"
    path.write_bytes(body)
    assert store.load("files").next_offset == 5
    assert "going back to the snapshot before it" in caplog.text


def test_only_damaged_snapshots_are_an_error_and_never_a_silent_fresh_start(store):
    store.save(checkpoint(5))
    newest(store).write_bytes(b"")
    with pytest.raises(StateError, match="none of its 1 snapshots"):
        store.load("files")


def test_snapshots_of_another_configuration_are_refused(store, tmp_path):
    store.save(checkpoint(5))
    store.close()
    other = FileStateStore(tmp_path / "state", OTHER)
    with pytest.raises(FingerprintMismatch, match=MARK[:12]):
        other.load("files")
    other.close()


def test_a_second_process_is_told_who_holds_the_folder(store):
    code = (
        "import sys; from streamad.runtime.checkpoints import FileStateStore\n"
        "FileStateStore(sys.argv[1], 'ab' * 32)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(store.folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert f"locked by process {os.getpid()}" in done.stderr


def test_files_of_the_folder_are_private(store):
    store.save(checkpoint(5))
    assert newest(store).stat().st_mode & 0o777 == 0o600
    assert store.folder.stat().st_mode & 0o777 == 0o700


def test_left_over_temporary_files_are_swept_at_the_start(tmp_path):
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "half.tmp").write_bytes(b"half")
    FileStateStore(folder, MARK).close()
    assert not list(folder.glob("*.tmp"))


def test_an_array_of_objects_is_refused_when_reading(store):
    store.save(checkpoint(5))
    path = newest(store)
    body = path.read_bytes()[:-32].replace(b'"<f8"', b'"|O8"')
    import hashlib

    path.write_bytes(body + hashlib.sha256(body).digest())
    with pytest.raises(StateError, match="not allowed"):
        read_checkpoint(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a tmpfs needs root")
def test_a_full_disk_leaves_the_earlier_snapshots_intact(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=False
    )
    if mounted.returncode != 0:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        store = FileStateStore(disk / "state", MARK)
        store.save(checkpoint(5))
        big = Checkpoint("files", 6, MARK, {"big": np.ones(1 << 20)}, {})
        with pytest.raises(StateError, match=r"No space left.*earlier snapshots are intact"):
            store.save(big)
        assert store.load("files").next_offset == 5
        assert not list((disk / "state").glob("*.tmp"))
        store.close()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_snapshots_beyond_an_offset_are_left_out(tmp_path):
    store = FileStateStore(tmp_path, "ab" * 32)
    for offset in (10, 20, 30):
        store.save(Checkpoint("p", offset, store.fingerprint, {}, {}))
    assert store.load("p", 29).next_offset == 20
    assert store.load("p", 30).next_offset == 30
    assert store.load("p", 9) is None
    store.close()
