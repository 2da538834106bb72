"""Which files a path means, and that they stay as they were when they were opened."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from streamad.core.errors import ConfigError, ConnectorError

HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
_WILD = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """A file as it was when it was found.

    Attributes
    ----------
    path : str
    stem : str
        File name without its extensions.
    size, mtime_ns, inode : int
        What must not change while it is read.
    partitions : mapping of str to str or None
        Hive partition columns, from folder names ``key=value``.
    """

    path: str
    stem: str
    size: int
    mtime_ns: int
    inode: int
    partitions: Mapping[str, str | None] = field(default_factory=dict)

    def check(self) -> None:
        """Raise ConnectorError if the file is not what it was."""
        found = _stat(self.path)
        if (found.st_size, found.st_mtime_ns, found.st_ino) != (
            self.size,
            self.mtime_ns,
            self.inode,
        ):
            raise ConnectorError(
                f"{self.path} was changed while it was read (expected {self.size} bytes of inode "
                f"{self.inode}, found {found.st_size} of {found.st_ino}): start again on a file "
                "that nobody writes to"
            )


def find_files(path: str, suffixes: Sequence[str]) -> list[PinnedFile]:
    """All files that a path means, sorted by path.

    Parameters
    ----------
    path : str
        A file (with any name), a folder (searched to any depth), or a glob pattern in which ``**``
        stands for any folders.
    suffixes : sequence of str
        How names in a folder must end.

    Returns
    -------
    list of PinnedFile
        Folders named ``key=value`` below the folder, or below the fixed part of the pattern, give
        the partition columns. Names that begin with ``_`` or ``.`` are left out.

    Raises
    ------
    ConfigError
        When there is no such file.
    ConnectorError
        When a file cannot be looked at.
    """
    if not path:
        raise ConfigError("path must name a file, a folder or a glob pattern, got nothing")
    if os.path.isfile(path):
        return [_pin(path, {})]
    names, root = _names(path, suffixes)
    if not names and os.path.isdir(path):
        raise ConfigError(
            f"there is nothing to read at {path}: no file in it ends in {' or '.join(suffixes)}"
        )
    if not names and _WILD & set(path):
        raise ConfigError(f"there is nothing to read at {path}: the pattern matches no file")
    if not names:
        raise ConfigError(f"there is no file or folder {path}: check the path")
    return [_pin(name, _hive(name, root)) for name in names]


def present_files(path: str, suffixes: Sequence[str]) -> list[PinnedFile]:
    """As :func:`find_files`, but none is no error, nor is one that goes away meanwhile."""
    if os.path.isfile(path):
        names, root = [path], Path(path).parent
    else:
        names, root = _names(path, suffixes)
    found = []
    for name in names:
        with suppress(ConnectorError):
            found.append(_pin(name, _hive(name, root)))
    return found


def stem_of(path: str) -> str:
    """Name that a path gives to its series: file name without extensions, or the folder's name.

    Examples
    --------
    >>> stem_of("plant/pump-1.csv.gz"), stem_of("plant/"), stem_of("plant/2024-*.parquet")
    ('pump-1', 'plant', 'plant')
    """
    if _WILD & set(path) and not os.path.exists(path):
        return _fixed_part(path).absolute().name
    if os.path.isdir(path):
        return Path(path).absolute().name
    name = Path(path).name
    for suffix in (".gz", ".csv", ".tsv", ".txt", ".parquet", ".pq"):
        name = name.removesuffix(suffix)
    return name or Path(path).name


def _names(path: str, suffixes: Sequence[str]) -> tuple[list[str], Path]:
    """Files that a folder or a pattern means, sorted, and the folder below which they are."""
    if os.path.isdir(path):
        root, ends = Path(path), tuple(suffixes)
        names = [str(found) for found in root.rglob("*") if found.name.lower().endswith(ends)]
    else:
        root = _fixed_part(path)
        names = glob.glob(path, recursive=True) if _WILD & set(path) else []
    return sorted(n for n in names if os.path.isfile(n) and not _hidden(n, root)), root


def _pin(path: str, partitions: Mapping[str, str | None]) -> PinnedFile:
    found = _stat(path)
    return PinnedFile(
        path, stem_of(path), found.st_size, found.st_mtime_ns, found.st_ino, partitions
    )


def _stat(path: str) -> os.stat_result:
    try:
        return os.stat(path)
    except OSError as error:
        raise ConnectorError(f"{path} cannot be read: {error.strerror}") from error


def _fixed_part(pattern: str) -> Path:
    """The folders before the first one with a wildcard."""
    fixed = []
    for part in Path(pattern).parts:
        if _WILD & set(part):
            break
        fixed.append(part)
    return Path(*fixed) if fixed else Path()


def _below(name: str, root: Path) -> tuple[str, ...]:
    return Path(name).relative_to(root).parts


def _hidden(name: str, root: Path) -> bool:
    return any(part.startswith(("_", ".")) and "=" not in part for part in _below(name, root))


def _hive(name: str, root: Path) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for part in _below(name, root)[:-1]:
        key, equals, value = part.partition("=")
        if equals and key:
            found[unquote(key)] = None if value == HIVE_NULL else unquote(value)
    return found
