"""Channels that come but are not listed: named once, then left alone."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from streamad_connectors.payloads.options import Fields, show_path

log = logging.getLogger(__name__)

_MOST = 100
"""Names that are warned of."""


class Unlisted:
    """Warns once of each number that no channel reads.

    Parameters
    ----------
    fields : Fields
    """

    def __init__(self, fields: Fields) -> None:
        self._parent = fields.parent
        self._known = {path[-1] for path in fields.values}
        self._known |= {path[-1] for path in (fields.key, fields.time) if path}
        self._warned: set[str] = set()

    def notice(self, document: Any) -> None:
        """Look at the numbers of a record, where the channels are the fields of an object."""
        for name in self._parent or ():
            document = document.get(name) if isinstance(document, dict) else None
        if self._parent is not None and isinstance(document, dict):
            self.names(
                name
                for name, value in document.items()
                if isinstance(value, (int, float)) and not isinstance(value, bool)
            )

    def names(self, names: Iterable[str]) -> None:
        """Look at names of columns that hold numbers."""
        if self._parent is None:
            return
        for name in names:
            if name in self._known or name in self._warned or len(self._warned) == _MOST:
                continue
            self._warned.add(name)
            path = show_path((*self._parent, name[:_MOST]))
            log.warning("%r is a number but no channel: it is ignored; list it to use it", path)
