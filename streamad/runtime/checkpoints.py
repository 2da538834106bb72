"""Snapshots on disk: immutable files, written whole or not at all, checked when read."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import re
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import numpy as np

from streamad.core.data import Arrays, Checkpoint
from streamad.core.durable import sync
from streamad.core.errors import ConfigError, FingerprintMismatch, StateError, StateLost

log = logging.getLogger(__name__)

MAGIC = b"streamad-checkpoint-1\n"
_NAME = re.compile(r"(?P<partition>.+)@(?P<offset>\d{20})-(?P<fingerprint>[0-9a-f]{12})\.ckpt")
_SUM_BYTES = 32
_FOREIGN_S = 3600.0
_MAX_HEADER_BYTES = 1 << 28
_KINDS = frozenset("biuf")
_passes: dict[str, int] = {}


def crash_point(name: str) -> None:
    """Die here by SIGKILL if ``STREAMAD_CRASH_AT=name:n`` says so, on the n-th pass.

    Armed only with ``STREAMAD_TESTING=1``: the tests of the checkpoint protocol use it.
    """
    armed = os.environ.get("STREAMAD_CRASH_AT")
    if armed is None or os.environ.get("STREAMAD_TESTING") != "1":
        return
    point, _, nth = armed.partition(":")
    if point == name:
        _passes[name] = _passes.get(name, 0) + 1
        if _passes[name] == int(nth or 1):
            os.kill(os.getpid(), signal.SIGKILL)


class FileStateStore:
    """One file a snapshot, named by partition, next offset and configuration fingerprint.

    Parameters
    ----------
    folder : path
        Created with mode 0700 if it is missing.
    fingerprint : str
        Hexadecimal digest over the parts of the configuration that touch state.
    exclusive : bool
        Lock the folder for this process. Members of a group share it: each writes the partitions
        that it owns.

    Raises
    ------
    StateError
        If the folder cannot be created or written, or another process holds it.

    Notes
    -----
    A snapshot is written to a temporary file beside its name, synced, renamed, and the folder is
    synced: on return of :meth:`save` it survives a crash. A file that fails its checksum is
    reported and passed over for the one before it. The lock is held until :meth:`close` or the
    death of the process; it refuses members of a group as well.
    """

    def __init__(
        self, folder: str | os.PathLike[str], fingerprint: str, *, exclusive: bool = True
    ) -> None:
        self.folder = Path(folder)
        self.fingerprint = fingerprint
        self._damaged: set[Path] = set()
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock: IO[bytes] = open(self.folder / "lock", "ab+")  # noqa: SIM115
        except OSError as error:
            raise StateError(
                f"the state folder {self.folder} must be writable: {error.strerror}"
            ) from error
        self._take_lock(fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        for left_over in self.folder.glob("*.tmp"):
            self._sweep(left_over, 0.0 if exclusive else _FOREIGN_S)

    def save(self, checkpoint: Checkpoint) -> None:
        """Write durably.

        Raises
        ------
        StateError
            If the disk refuses; earlier snapshots stay intact and the temporary file is gone.
        """
        target = self.folder / self._file_name(checkpoint.partition, checkpoint.next_offset)
        try:
            handle, path = tempfile.mkstemp(dir=self.folder, suffix=".tmp")
            try:
                with os.fdopen(handle, "wb") as file:
                    _write(file, checkpoint)
                    file.flush()
                    os.fsync(file.fileno())
                crash_point("before_rename")
                os.replace(path, target)
                self._damaged.discard(target)
            except BaseException:
                Path(path).unlink(missing_ok=True)
                raise
            crash_point("after_rename")
            sync(self.folder)
        except OSError as error:
            raise StateError(
                f"could not write the snapshot {target}: {error.strerror}; earlier snapshots are "
                "intact, make room or mend the folder"
            ) from error

    def load(self, partition: str, at_most: int | None = None) -> Checkpoint | None:
        """Newest valid snapshot of this partition and fingerprint, or None if there never was one.

        Parameters
        ----------
        partition : str
        at_most : int, optional
            Snapshots whose next offset is beyond it are left out.

        Raises
        ------
        FingerprintMismatch
            If there are snapshots, but all were made by another configuration.
        StateLost
            If there are snapshots of this configuration, but none is intact.
        """
        found = sorted(self._files(partition), key=lambda entry: entry[1], reverse=True)
        own = [
            path
            for path, offset, fingerprint in found
            if self.fingerprint.startswith(fingerprint) and (at_most is None or offset <= at_most)
        ]
        if found and not any(self.fingerprint.startswith(mark) for _, _, mark in found):
            raise FingerprintMismatch(
                f"the snapshots of partition {partition!r} in {self.folder} were made by the "
                f"configuration {found[0][2]}, this one is {self.fingerprint[:12]}: go back to "
                "that configuration, or move the folder away (on Kafka with state.on_lost: fresh "
                "or rebuild)"
            )
        reasons = []
        for path in own:
            try:
                return read_checkpoint(path)
            except StateError as error:
                self._damaged.add(path)
                reasons.append(str(error))
                log.warning("%s; going back to the snapshot before it", error)
        if own:
            raise StateLost(
                f"partition {partition!r}: none of its {len(own)} snapshots in {self.folder} is "
                f"intact ({'; '.join(reasons)})",
                max(offset for path, offset, _ in found if path in own),
            )
        return None

    def prune(self, partition: str, keep: int) -> None:
        """Delete all but the newest ``keep`` snapshots of this partition and fingerprint.

        One that was found damaged is none of them; it is deleted when it is older than they are.
        """
        own = sorted(
            (offset, path)
            for path, offset, fingerprint in self._files(partition)
            if self.fingerprint.startswith(fingerprint)
        )
        intact = [offset for offset, path in own if path not in self._damaged]
        oldest = min(intact[-keep:], default=0)
        for offset, path in own:
            if offset < oldest:
                path.unlink(missing_ok=True)
                self._damaged.discard(path)

    def close(self) -> None:
        """Give the folder free."""
        self._lock.close()

    def _sweep(self, left_over: Path, age_s: float) -> None:
        """Delete what a dead process began to write; a young file may be that of a living one."""
        with suppress(FileNotFoundError):
            if age_s == 0.0 or time.time() - left_over.stat().st_mtime > age_s:
                left_over.unlink()

    def _take_lock(self, kind: int) -> None:
        try:
            fcntl.flock(self._lock, kind | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.seek(0)
            holder = self._lock.read().decode(errors="replace").strip()
            self._lock.close()
            raise StateError(
                f"the state folder {self.folder} is locked by process {holder}: stop it first, or "
                "use another folder"
            ) from error
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()).encode())
        self._lock.flush()

    def _file_name(self, partition: str, offset: int) -> str:
        return f"{quote(partition, safe='')}@{offset:020d}-{self.fingerprint[:12]}.ckpt"

    def _files(self, partition: str) -> Iterator[tuple[Path, int, str]]:
        for path, name, offset, fingerprint in list_checkpoints(self.folder):
            if name == quote(partition, safe=""):
                yield path, offset, fingerprint


def list_checkpoints(folder: Path) -> Iterator[tuple[Path, str, int, str]]:
    """Snapshot files of a folder: (path, quoted partition, next offset, fingerprint start)."""
    for path in sorted(folder.glob("*.ckpt")):
        match = _NAME.fullmatch(path.name)
        if match:
            yield path, match["partition"], int(match["offset"]), match["fingerprint"]


def newest_offsets(folder: Path) -> dict[str, int]:
    """Next offset of the newest snapshot of each (quoted) partition of a folder."""
    newest: dict[str, int] = {}
    for _, partition, offset, _ in list_checkpoints(folder):
        newest[partition] = max(offset, newest.get(partition, 0))
    return newest


def read_checkpoint(path: Path) -> Checkpoint:
    """Read and verify one snapshot file.

    Raises
    ------
    StateError
        If it is unreadable, torn, altered or from a newer version.
    """
    try:
        body = path.read_bytes()
    except OSError as error:
        raise StateError(f"cannot read the snapshot {path}: {error.strerror}") from error
    if not body.startswith(MAGIC):
        raise StateError(
            f"{path} is not a snapshot of this version (it does not start with the "
            f"mark {MAGIC.strip().decode()!r})"
        )
    payload, digest = body[:-_SUM_BYTES], body[-_SUM_BYTES:]
    if hashlib.sha256(payload).digest() != digest:
        raise StateError(f"the snapshot {path} is damaged: its checksum does not match")
    start = len(MAGIC) + 8
    size = int.from_bytes(payload[len(MAGIC) : start], "little")
    if size > min(_MAX_HEADER_BYTES, len(payload) - start):
        raise StateError(f"the snapshot {path} is damaged: its header claims {size} bytes")
    header = json.loads(payload[start : start + size])
    arrays: Arrays = {}
    position = start + size
    for entry in header["arrays"]:
        dtype = np.dtype(entry["dtype"])
        if dtype.kind not in _KINDS:
            raise StateError(f"the snapshot {path} holds an array of dtype {dtype}: not allowed")
        shape = tuple(entry["shape"])
        n_bytes = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        raw = payload[position : position + n_bytes]
        arrays[entry["name"]] = np.frombuffer(raw, dtype).reshape(shape).copy()
        position += n_bytes
    return Checkpoint(
        header["partition"], header["next_offset"], header["fingerprint"], arrays, header["meta"]
    )


def _write(file: IO[bytes], checkpoint: Checkpoint) -> None:
    arrays = {name: np.ascontiguousarray(a) for name, a in sorted(checkpoint.arrays.items())}
    for name, array in arrays.items():
        if array.dtype.kind not in _KINDS:
            raise ConfigError(f"state {name!r} has dtype {array.dtype}: only numbers are kept")
    header: Mapping[str, Any] = {
        "partition": checkpoint.partition,
        "next_offset": checkpoint.next_offset,
        "fingerprint": checkpoint.fingerprint,
        "meta": dict(checkpoint.meta),
        "arrays": [
            {"name": name, "dtype": array.dtype.str, "shape": list(array.shape)}
            for name, array in arrays.items()
        ],
    }
    text = json.dumps(header, sort_keys=True).encode()
    checksum = hashlib.sha256()
    views = [memoryview(part) for part in (MAGIC, len(text).to_bytes(8, "little"), text)]
    views += [array.reshape(-1).view(np.uint8).data for array in arrays.values()]
    for view in views:
        checksum.update(view)
        file.write(view)
    file.write(checksum.digest())
