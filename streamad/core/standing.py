"""What a source knows about itself beyond its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SourceStanding:
    """Answer of the optional method ``standing()`` of a source; asked once a second at most.

    Attributes
    ----------
    n_bytes : int
        Payload bytes read by this process.
    invalid : mapping of str to int
        Values of channels that were made missing, by kind: ``nan``, ``inf``, ``text``, ``range``,
        ``missing``; by this process.
    joined : bool
        True while a group has given out its partitions, be it none to us.
    silent_s : float
        Seconds since the other side last said anything.
    """

    n_bytes: int = 0
    invalid: Mapping[str, int] = field(default_factory=dict)
    joined: bool = True
    silent_s: float = 0.0
