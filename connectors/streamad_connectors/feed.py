"""What stands between the verbs of a file source and its files: rows in an order that repeats."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from streamad.core.data import Schema
from streamad_connectors.pieces import Piece


@dataclass(frozen=True, slots=True)
class Order:
    """What comes next was settled by what lies there now, and must be kept before it is read."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Rows are gone, nobody knows how many; one offset is left out for them."""

    detail: str


Found = Piece | Order | Gap | None
"""What a reading gives; None = nothing is there now, ask again later."""


class Feed(Protocol):
    """Rows of files in an order that repeats."""

    @property
    def schema(self) -> Schema:
        """Channels, and the series of the piece that was read last; may be another one then."""
        ...

    @property
    def identity(self) -> Mapping[str, Any]:
        """What must be the same, or be recalled, when reading goes on after a restart."""
        ...

    @property
    def total_rows(self) -> int | None:
        """Rows in all, where that is known."""
        ...

    @property
    def invalid(self) -> Mapping[str, int]:
        """Values read so far that count as missing, by kind: ``inf``, ``range``."""
        ...

    def read_from(self, offset: int) -> Generator[Found, None, None]:
        """Everything from an offset on; one reading at a time."""
        ...

    def lag(self, offset: int) -> int | None:
        """Rows behind an offset that are there."""
        ...

    def recall(self, identity: Mapping[str, Any]) -> None:
        """Take on the identity of an earlier life."""
        ...

    def forget(self, offset: int) -> None:
        """Nobody will ask for rows before this offset any more."""
        ...

    def close(self) -> None:
        """Close the files."""
        ...
