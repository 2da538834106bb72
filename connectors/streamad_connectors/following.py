"""Files that grow, and files that are added, as a feed without an end."""

from __future__ import annotations

import hashlib
import os
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Generator, Mapping
from typing import Any

from streamad.core.data import Schema
from streamad.core.errors import ConfigError
from streamad_connectors.columns import Layout, Options
from streamad_connectors.contract import ChannelContract
from streamad_connectors.feed import Found, Gap, Order
from streamad_connectors.ledger import Ledger, Part, Tracked, read_ledger
from streamad_connectors.names import Names
from streamad_connectors.pieces import Piece

TAIL_BYTES = 1024
"""What stands right before a position must stand there still when reading goes on."""

ROUND_S = 1.0
"""Between two rounds over several files: each is kept in a snapshot before it is read."""

Block = tuple[Piece, int, int, str]
"""Rows, and the position, the number of rows and the tail of the file behind them."""


class Following(ABC):
    """Rows as they come, in rounds, as a :class:`.feed.Feed`.

    Parameters
    ----------
    path : str
        A file, a folder or a glob pattern; nothing needs to be there yet.
    options : Options
        Time and values are named.

    Raises
    ------
    ConfigError
        If they are not: what the first rows look like must not decide what a restart reads.

    Notes
    -----
    A look at the files gives a round: what is new in each of them, in their order. A round that
    only goes on in the file that was read last needs no record: after a crash there is the same
    and perhaps more. Any other round is announced (:class:`.feed.Order`), so that it stands in a
    snapshot before its first row is read; then the rows come in the same order after a crash,
    whatever the files have become meanwhile.

    State: the ledger, with every file that is there, and one mark a block of rows since the last
    commit. Seek costs the block in which the offset lies; without a ledger everything before the
    offset is read and skipped.
    """

    def __init__(self, path: str, options: Options) -> None:
        if not path:
            raise ConfigError("path must name a file, a folder or a glob pattern, got nothing")
        if options.time is None or not options.values:
            raise ConfigError(
                "follow: true needs time and values by name, because there may be no row yet to "
                "look at; `streamad config init FILE` writes them"
            )
        self._path = path
        self._options = options
        self._names = Names(("value",) if options.layout == "series" else tuple(options.values))
        if options.contract is not None:
            ChannelContract(self.schema.channels, options.contract)
        self.total_rows: int | None = None
        self.invalid: Counter[str] = Counter()
        self._ledger = Ledger()
        self._looked_at = -ROUND_S

    @property
    def schema(self) -> Schema:
        """Of the piece that was read last."""
        return self._names.schema

    @property
    def identity(self) -> Mapping[str, Any]:
        """The ledger."""
        return self._ledger.document()

    def recall(self, identity: Mapping[str, Any]) -> None:
        """Go back to an earlier ledger.

        Raises
        ------
        StateError
            If it is none.
        """
        self.close()
        self._ledger = read_ledger(identity)

    def forget(self, offset: int) -> None:
        """Drop the marks that only lead back behind an offset."""
        self._ledger.forget(offset)

    def read_from(self, offset: int) -> Generator[Found, None, None]:
        """Everything from an offset on; None whenever there is nothing more for now."""
        skip = self._ledger.rewind(offset)
        while True:
            if not self._ledger.ahead:
                ahead = self._plan()
                self._ledger.ahead = ahead
                if any(part.gap or part.number != self._ledger.last for part in ahead):
                    yield Order()
                elif not ahead:
                    yield None
                continue
            part = self._ledger.ahead[0]
            if part.gap:
                yield Gap(self._ledger.pass_gap())
                continue
            file = self._ledger.files.get(part.number)
            if file is None:
                self._ledger.ahead[0] = Part(0, 0, "a file that was read before is gone")
                continue
            for piece, position, n_rows, tail in self._blocks(file, part.end):
                self._ledger.advance(len(piece), position, n_rows, tail)
                if skip < len(piece):
                    yield piece.cut(skip, len(piece)) if skip else piece
                skip = max(0, skip - len(piece))
                self._names.renew()
            if self._ledger.ahead[:1] == [part]:
                self._ledger.ahead = []
                self._mistrust(file)
                yield None

    @abstractmethod
    def lag(self, offset: int) -> int | None:
        """Rows behind an offset that are there, about."""

    @abstractmethod
    def close(self) -> None:
        """Close the files."""

    @abstractmethod
    def _review(self) -> list[Part]:
        """Look at the files that are known; what is to be said of those that are lost."""

    @abstractmethod
    def _discover(self) -> None:
        """Follow the files that are not known yet."""

    @abstractmethod
    def _end(self, file: Tracked) -> int:
        """How far a file can be read now."""

    @abstractmethod
    def _blocks(self, file: Tracked, end: int) -> Generator[Block, None, None]:
        """A file from its position to an end; less if it is not what it was."""

    @abstractmethod
    def _mistrust(self, file: Tracked) -> None:
        """A file could not be read as far as it should: the next review looks into it."""

    def _plan(self) -> list[Part]:
        """What is new in all files."""
        ledger = self._ledger
        parts = self._review()
        self._discover()
        files = sorted(ledger.files.values(), key=lambda file: (not file.rotated, _place(file)))
        ends = [(file, self._end(file)) for file in files]
        parts += [Part(file.number, end) for file, end in ends if end > file.position]
        if len(parts) > 1 or (parts and parts[0].number != ledger.last):
            now = time.monotonic()
            if now - self._looked_at < ROUND_S and not parts[0].gap:
                return [part for part in parts if part.number == ledger.last]
            self._looked_at = now
        return parts

    def _layout_names(self, layout: Layout) -> tuple[str, ...]:
        """Columns to read."""
        wanted = (layout.time.name if layout.time else None, layout.key)
        return (*(name for name in wanted if name is not None), *layout.values)


def digest(data: bytes) -> str:
    """Of a few bytes, short: it guards against mistakes, not against malice."""
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def stat_of(path: str) -> os.stat_result | None:
    """None if there is nothing."""
    try:
        return os.stat(path)
    except OSError:
        return None


def _place(file: Tracked) -> tuple[int, str]:
    """Files that lost their name in the order in which they were found, others by name."""
    return (file.number, "") if file.rotated else (0, file.path)
