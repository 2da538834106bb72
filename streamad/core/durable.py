"""What a file system has to be told so that a file, or its name, survives a crash."""

from __future__ import annotations

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Make what is in a file, or the names in a folder, durable.

    Raises
    ------
    OSError
        If it is not there, or the disk refuses.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
