"""Model folders: ``weights.safetensors`` beside ``manifest.json`` with its sha256."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamad.models.config import AutoencoderConfig

KIND = "streamad.autoencoder/1"
MANIFEST, WEIGHTS = "manifest.json", "weights.safetensors"


def save_model(
    folder: str | os.PathLike[str], config: AutoencoderConfig, weights: NDArray[np.float32]
) -> None:
    """Write a model folder.

    Parameters
    ----------
    folder : path
        Created if it is missing.
    config : AutoencoderConfig
    weights : float32 (n_weights,)
    """
    from safetensors.numpy import save

    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    body = save({"weights": np.ascontiguousarray(weights, np.float32)})
    (target / WEIGHTS).write_bytes(body)
    manifest = {
        "kind": KIND,
        "config": asdict(config),
        "files": {WEIGHTS: hashlib.sha256(body).hexdigest()},
    }
    (target / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def load_model(folder: str | os.PathLike[str]) -> tuple[AutoencoderConfig, NDArray[np.float32]]:
    """Read a model folder; the checksum is compared before anything is parsed.

    Raises
    ------
    ValueError
        If a file is missing, altered, or of another kind.
    """
    from safetensors.numpy import load

    target = Path(folder)
    try:
        manifest = json.loads((target / MANIFEST).read_text())
        body = (target / WEIGHTS).read_bytes()
    except (OSError, ValueError) as error:
        raise ValueError(
            f"the model folder {target} should hold {MANIFEST} and {WEIGHTS}: {error}"
        ) from error
    if manifest.get("kind") != KIND:
        raise ValueError(f"{target} is a model of kind {manifest.get('kind')!r}, not {KIND!r}")
    if hashlib.sha256(body).hexdigest() != manifest["files"][WEIGHTS]:
        raise ValueError(f"{target / WEIGHTS} was altered: its sha256 is not that of the manifest")
    config = AutoencoderConfig(**manifest["config"])
    weights: NDArray[np.float32] = load(body)["weights"]
    if weights.shape != (config.n_weights,):
        raise ValueError(
            f"{target} should hold {config.n_weights} weights, got shape {weights.shape}"
        )
    return config, weights
