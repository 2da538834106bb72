"""Model folders: safetensors and a manifest that vouches for them; never pickles."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = "streamad.model/1"
MANIFEST = "manifest.json"
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, slots=True)
class SavedModel:
    """What a model folder holds.

    Attributes
    ----------
    kind : str
        Family of the model.
    config : dict of str to int
        Arguments of its configuration.
    tensors : dict of str to ndarray
    sha256 : bytes
        Digest (32,) of the file of weights.
    """

    kind: str
    config: dict[str, Any]
    tensors: dict[str, NDArray[Any]]
    sha256: bytes


def save_model(
    folder: Path, kind: str, config: Mapping[str, int], tensors: Mapping[str, NDArray[np.float32]]
) -> None:
    """Write a model folder; the manifest comes last, so a folder with one is complete.

    Raises
    ------
    ValueError
        If the folder holds something already: another version is another folder.
    """
    from safetensors.numpy import save

    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty: save a model into a new folder")
    data = save({name: np.ascontiguousarray(array) for name, array in tensors.items()})
    (folder / WEIGHTS).write_bytes(data)
    manifest = {
        "format": FORMAT,
        "kind": kind,
        "config": dict(config),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def load_model(folder: Path) -> SavedModel:
    """Read a model folder; the weights are parsed only once their digest is the manifest's.

    Raises
    ------
    ValueError
        If the folder is missing or incomplete, holds any other file (a pickle, say), has a
        manifest of another format, or weights that are not those of the manifest.
    """
    manifest = _manifest(folder)
    data = (folder / WEIGHTS).read_bytes()
    digest = hashlib.sha256(data)
    if digest.hexdigest() != manifest["sha256"]:
        raise ValueError(
            f"{folder / WEIGHTS} should have sha256 {manifest['sha256']}, got "
            f"{digest.hexdigest()}: it was changed or damaged, copy the folder anew"
        )
    return SavedModel(manifest["kind"], manifest["config"], _tensors(folder, data), digest.digest())


def _manifest(folder: Path) -> dict[str, Any]:
    """The manifest, with every field checked."""
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if not {MANIFEST, WEIGHTS} <= found:
        raise ValueError(
            f"{folder} should be a folder with {MANIFEST} and {WEIGHTS}, got "
            f"{sorted(found) or 'no folder or an empty one'}: give the folder of a saved model"
        )
    if others := found - {MANIFEST, WEIGHTS}:
        raise ValueError(
            f"{folder} should hold {MANIFEST} and {WEIGHTS} alone, got {sorted(others)} beside "
            "them: pickles and other files are never read, remove them"
        )
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{folder / MANIFEST} is not JSON: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        came = manifest.get("format") if isinstance(manifest, dict) else manifest
        raise ValueError(
            f"{folder / MANIFEST} should have format {FORMAT!r}, got {came!r}: it was written by "
            "another version"
        )
    wanted = {"kind": str, "config": dict, "sha256": str}
    for name, kind in wanted.items():
        if not isinstance(manifest.get(name), kind):
            raise ValueError(  # noqa: TRY004  (a fault of the file, not of a caller's type)
                f"{folder / MANIFEST}: {name} should be a {kind.__name__}, got "
                f"{manifest.get(name)!r}"
            )
    return manifest


def _tensors(folder: Path, data: bytes) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors: dict[str, NDArray[Any]] = load(data)
    except SafetensorError as error:
        raise ValueError(f"{folder / WEIGHTS} is not in safetensors format: {error}") from error
    return tensors
