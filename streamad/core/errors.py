"""Every error raised on purpose.

::

    StreamadError
    ├── ConfigError            the configuration or an argument is wrong: mend it and start again
    ├── ShapeError             an array of the wrong shape or dtype (also a ValueError)
    ├── DetectorError          a detector raised and its state is undefined: go back to a snapshot
    ├── DrainTimedOut          a stopped process could not hand everything over in time
    ├── NotFittedError         a detector or threshold was asked before it was opened or fitted
    ├── MissingExtraError      an optional dependency is needed: the message names the extra
    ├── StateError             a snapshot or model file cannot be used
    │   ├── FingerprintMismatch    it was made by another configuration
    │   └── StateLost              it was there once: rows were read and no snapshot is left
    └── ConnectorError         a source or sink failed
        ├── Disconnected       the other side cannot be reached; may work again later
        ├── Refused            it is there and does not let us: rights, passwords, missing topics
        ├── DataLost           rows were gone before they were read
        ├── DecodeError        data that cannot be read
        └── Backpressure       try again after ``retry_after_s`` seconds

A message says what was expected, what came and what to do.
"""

from __future__ import annotations


class StreamadError(Exception):
    """Root of all errors raised on purpose."""


class ConfigError(StreamadError):
    """The configuration or an argument is wrong."""


class ShapeError(StreamadError, ValueError):
    """An array has the wrong shape or dtype."""


class NotFittedError(StreamadError):
    """The object was asked for an answer before it was opened or fitted."""


class DetectorError(StreamadError):
    """A detector raised while it took in windows; its state is undefined.

    Parameters
    ----------
    message : str
    detector : str
        Name of its stage.
    """

    def __init__(self, message: str, detector: str) -> None:
        super().__init__(message)
        self.detector = detector


class DrainTimedOut(StreamadError):  # noqa: N818  (says what happened, like the others)
    """A stopped process could not hand everything over in time; nothing is lost, some is redone."""


class MissingExtraError(StreamadError, ImportError):
    """An optional dependency is not installed.

    Parameters
    ----------
    what : str
        What needs it, as the user named it.
    extra : str
        Name of the extra that brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs the extra {extra!r}: pip install 'streamad-engine[{extra}]'"
        )
        self.extra = extra


class StateError(StreamadError):
    """A snapshot or a model file is damaged, foreign or too new."""


class FingerprintMismatch(StateError):  # noqa: N818  (the name is part of the published contract)
    """State was written by another configuration."""


class StateLost(StateError):  # noqa: N818  (says what happened, like the others)
    """A partition was read before, and no snapshot of it is left that can be used.

    Parameters
    ----------
    message : str
        What there is instead.
    read_up_to : int
        Offset up to which it was read, as far as one can tell.
    """

    def __init__(self, message: str, read_up_to: int) -> None:
        super().__init__(message)
        self.read_up_to = read_up_to


class ConnectorError(StreamadError):
    """A source or a sink failed."""


class Disconnected(ConnectorError):  # noqa: N818  (the name is part of the published contract)
    """The other side cannot be reached; it may be reachable again later."""


class Refused(ConnectorError):  # noqa: N818  (says what happened, like the others)
    """The other side is there and does not let us, and somebody has to change that."""


class DataLost(ConnectorError):  # noqa: N818  (says what happened, like the others)
    """Rows were gone before they were read, and the configuration says to stop then."""


class DecodeError(ConnectorError):
    """Data that cannot be decoded."""


class Backpressure(ConnectorError):  # noqa: N818  (the name is part of the published contract)
    """The sink is full.

    Parameters
    ----------
    message : str
        What is full and why.
    retry_after_s : float
        Seconds after which a new attempt is sensible.
    """

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
