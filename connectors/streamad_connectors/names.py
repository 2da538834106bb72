"""The names of the series of a source without an end, of which most may be gone for ever."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from streamad.core.data import Codes, Schema

AT_LEAST = 65_536
"""New names before a schema is renewed."""


class Names:
    """A schema that begins anew before names that do not come any more fill the memory.

    Parameters
    ----------
    channels : sequence of str

    Attributes
    ----------
    schema : Schema
        Of the rows that are read now; batches keep the one with which they were made.

    Notes
    -----
    Who reads cannot know which series are alive, only which names come back: a schema is renewed
    when more than ``AT_LEAST`` of its names, and more than half of them, were not in the schema
    before it. So with n series that send again and again a schema never holds more than
    ``AT_LEAST + 2 n`` names, and that of up to ``2 * AT_LEAST`` such series is renewed once and
    then stays. Cost: O(1) a name that is new to a schema. State: the schema, and the names of the
    one before.
    """

    def __init__(self, channels: Sequence[str]) -> None:
        self.schema = Schema(channels)
        self._before: frozenset[str] = frozenset()
        self._n_compared = self._n_returned = 0

    def codes(self, names: Sequence[str]) -> Codes:
        """Codes of series within the schema, appended where new."""
        return self.schema.codes(names)

    def renew(self) -> None:
        """Begin a new schema if it is time; to be called between two batches."""
        names = self.schema.series
        if len(names) <= AT_LEAST + 2 * self._n_returned:
            return
        self._n_returned += sum(
            name in self._before for name in islice(names, self._n_compared, None)
        )
        self._n_compared = len(names)
        if len(names) > AT_LEAST + 2 * self._n_returned:
            self._before = frozenset(names)
            self.schema = Schema(self.schema.channels)
            self._n_compared = self._n_returned = 0
