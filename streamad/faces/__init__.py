"""Detectors for the habits of other libraries: river's dictionaries, scikit-learn's tables.

Everything named here is imported on first use, so that neither library is loaded before its face.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamad.faces.one_series import OneSeries
    from streamad.faces.river_face import RiverFace
    from streamad.faces.sklearn_face import SklearnFace

_HOMES = {
    "OneSeries": "streamad.faces.one_series",
    "RiverFace": "streamad.faces.river_face",
    "SklearnFace": "streamad.faces.sklearn_face",
}

__all__ = ["OneSeries", "RiverFace", "SklearnFace"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'streamad.faces' has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
