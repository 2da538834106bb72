"""A token for OAUTHBEARER that lies in a file."""

from __future__ import annotations

from pathlib import Path

from kafka.net.sasl.oauth import AbstractTokenProvider


class FileToken(AbstractTokenProvider):  # type: ignore[misc]  # the client has no types
    """Reads the token again for every connection: whoever renews it replaces the file.

    Parameters
    ----------
    path : str
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = Path(path)

    def token(self) -> str:
        """What the file holds now."""
        return self._path.read_text(encoding="utf-8").strip()
