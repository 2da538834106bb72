"""An alert document as a record of a topic: plain JSON, or an event of CloudEvents 1.0."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

SCHEMA = "urn:streamad:alert:1"


@dataclass(frozen=True, slots=True)
class Record:
    """What goes into a topic.

    Attributes
    ----------
    key : bytes
    value : bytes
    headers : tuple of (str, bytes)
    """

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


def plain(document: Mapping[str, Any]) -> Record:
    """The document itself."""
    headers = (("content-type", b"application/json"),)
    return Record(document["id"].encode(), orjson.dumps(document), headers)


def structured(document: Mapping[str, Any]) -> Record:
    """An event of CloudEvents in structured mode: one JSON document around ours."""
    event = {**_attributes(document), "datacontenttype": "application/json", "data": document}
    headers = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
    return Record(document["id"].encode(), orjson.dumps(event), headers)


def binary(document: Mapping[str, Any]) -> Record:
    """An event of CloudEvents in binary mode: our document, its attributes as headers."""
    headers = [("content-type", b"application/json")]
    headers += [(f"ce_{name}", text.encode()) for name, text in _attributes(document).items()]
    return Record(document["id"].encode(), orjson.dumps(document), tuple(headers))


FORMATS: dict[str, Callable[[Mapping[str, Any]], Record]] = {
    "json": plain,
    "cloudevents": structured,
    "cloudevents-binary": binary,
}
"""By the name in the configuration; the key is the id of the alert in all of them."""


def _attributes(document: Mapping[str, Any]) -> dict[str, str]:
    """A pure function of the document, the time too: that of the event, not of the sending."""
    return {
        "specversion": "1.0",
        "id": f"{document['id']}:{document['seq']}",
        "source": f"/streamad/{quote(document['pipeline'])}",
        "type": f"io.streamad.alert.{document['event']}.v1",
        "subject": document["series"],
        "time": document["detected_at"],
        "dataschema": SCHEMA,
        "partitionkey": document["id"],
    }
