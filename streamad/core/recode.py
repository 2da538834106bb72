"""Codes of one list of names as codes of another, taking over only the names that are met."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamad.core.data import Codes, Schema


class Recoder:
    """Codes within names of somebody else as codes of a schema of one's own.

    Parameters
    ----------
    schema : Schema
        Takes the names of the codes that come, and no others.

    Notes
    -----
    A name is looked up once, when its code is first seen; another list of names begins anew. The
    list may only be appended to. State: four bytes a name of the list.

    Examples
    --------
    >>> own = Schema(())
    >>> recoder = Recoder(own)
    >>> recoder.codes(["a", "b", "c"], np.array([2, 0, 2], np.int32)).tolist()
    [1, 0, 1]
    >>> own.series
    ['a', 'c']
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._names: Sequence[str] = ()
        self._known: Codes = np.empty(0, np.int32)

    def codes(self, names: Sequence[str], codes: Codes) -> Codes:
        """Own codes of rows that have these codes within these names."""
        if names is not self._names:
            self._names, self._known = names, np.empty(0, np.int32)
        self._known = grown(self._known, len(names))
        found: Codes = self._known[codes]
        if len(found) and found.min() < 0:
            new = np.unique(codes[found < 0])
            self._known[new] = self._schema.codes([names[code] for code in new.tolist()])
            found = self._known[codes]
        return found

    def renumber(self, schema: Schema, place: Codes) -> None:
        """Go on with another schema.

        Parameters
        ----------
        schema : Schema
        place : int32 (own codes + 1,)
            Code in the new schema at the index of that in the old one, -1 = not there; the last is
            -1, too.
        """
        self._schema = schema
        self._known = place[self._known]


def grown(codes: Codes, n: int) -> Codes:
    """At least n codes, -1 where there was none; room doubles, so growing costs O(1) a code."""
    if n <= len(codes):
        return codes
    longer = np.full(max(n, 2 * len(codes)), -1, np.int32)
    longer[: len(codes)] = codes
    return longer
