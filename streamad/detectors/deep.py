"""What detectors with a torch model share: the missing extra, the device, the model folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from streamad.core.errors import MissingExtraError, StreamadError

_EXTRA = {"torch", "safetensors"}


@contextmanager
def needs_torch(what: str) -> Iterator[None]:
    """Say which extra to install if what is imported inside the block is not there.

    Parameters
    ----------
    what : str
        What needs it, as the user named it.

    Raises
    ------
    MissingExtraError
        In place of an ImportError of torch or safetensors; others pass.
    """
    try:
        yield
    except ImportError as error:
        if (error.name or "").split(".")[0] in _EXTRA:
            raise MissingExtraError(what, "deep") from error
        raise


@contextmanager
def mapped(kind: type[StreamadError], what: str) -> Iterator[None]:
    """Hand on a ValueError or OSError of the room ``models`` as an error of streamad.

    Parameters
    ----------
    kind : type
        Class of the error raised instead.
    what : str
        Put in front of the message.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        raise kind(f"{what}: {error}") from error
