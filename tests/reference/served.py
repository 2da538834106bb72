"""Sinks whose other side is a server of its own: how they are set, and what has to come there."""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from reference.live_plant import jsonl_events, sqlite_rows
from reference.live_scene import Scene
from reference.servers import Postgres
from reference.web_receiver import Receiver


class _Posted:
    """A receiver, which runs within a ``with`` block.

    Parameters
    ----------
    folder : Path
        Of the dead letters.
    **options
        More settings of the sink.
    """

    def __init__(self, folder: Path, **options: Any) -> None:
        self.receiver = Receiver()
        self.refused = folder / f"refused-by-{type(self).__name__.lower()}.jsonl"
        self._options = options

    def __enter__(self) -> Self:
        self.receiver.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.receiver.stop()


class Webhook(_Posted):
    """Takes every event."""

    @property
    def section(self) -> dict[str, Any]:
        """Of the configuration."""
        url, refused = self.receiver.url, str(self.refused)
        made = {"type": "webhook", "url": url, "dead_letter": refused, "longest_wait": "1s"}
        return made | self._options

    def check(self, scene: Scene) -> None:
        """Every event of the calm run came as it is, and nothing else."""
        found = {(one["id"], one["seq"]): one for one in self.receiver.documents}
        assert found == _unsuppressed(scene)
        assert all(found[one["id"], one["seq"]] == one for one in self.receiver.documents)
        assert not self.refused.exists()


class Database:
    """A Postgres, which runs within a ``with`` block."""

    def __enter__(self) -> Database:
        self._stack = ExitStack()
        folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        self.postgres = self._stack.enter_context(Postgres(folder))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def section(self) -> dict[str, Any]:
        """Of the configuration."""
        url, password = self.postgres.url, self.postgres.password
        made = {"type": "postgres", "url": url, "password": password}
        return made | {"pipeline": "plant", "timeout": "2s"}

    def check(self, scene: Scene) -> None:
        """It holds what the SQLite file of the calm run holds."""
        with self.postgres.connect() as connection:
            found = connection.execute("SELECT id, seq, doc FROM alerts ORDER BY id").fetchall()
            places = connection.execute("SELECT part, next_offset FROM progress ORDER BY part")
            found += places.fetchall()
        assert found == sqlite_rows(scene.calm)


class Alertmanager(_Posted):
    """A recorder of its API."""

    @property
    def section(self) -> dict[str, Any]:
        """Of the configuration."""
        urls, refused = [self.receiver.url.rpartition("/")[0]], str(self.refused)
        made = {"type": "alertmanager", "urls": urls, "dead_letter": refused}
        return made | {"resend_every": "2s", "longest_wait": "1s"} | self._options

    def check(self, scene: Scene) -> None:
        """It was told how every series is; it is told states, so it may have missed episodes."""
        bodies = self.receiver.documents
        heard = [(one["labels"]["series"], one["startsAt"]) for body in bodies for one in body]
        known = [(one["series"], one["start"]) for one in _unsuppressed(scene).values()]
        assert set(heard) <= set(known)
        assert dict(sorted(heard)) == dict(sorted(known))
        assert not self.refused.exists()


def _unsuppressed(scene: Scene) -> dict[tuple[str, int], dict[str, Any]]:
    """Events of the calm run that are sent, by id and number."""
    events = [json.loads(line) for line in jsonl_events(scene.calm)]
    return {(e["id"], e["seq"]): e for e in events if e["suppressed"] is None}
