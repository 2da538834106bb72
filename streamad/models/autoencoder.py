"""A dense masked-patch autoencoder whose weights are one flat vector, so that many run at once."""

from __future__ import annotations

import torch
from torch import Tensor

from streamad.models.config import AutoencoderConfig


def masks(config: AutoencoderConfig) -> Tensor:
    """1 where a number is hidden, per pass: float32 (passes, D)."""
    patch_of = torch.arange(config.length) // config.patch
    hidden = patch_of[None, :] % config.passes == torch.arange(config.passes)[:, None]
    return hidden.float().repeat_interleave(config.channels, dim=1)  # (passes, D)


def forward(config: AutoencoderConfig, weights: Tensor, x: Tensor) -> Tensor:
    """Restore windows, each group with weights of its own.

    Parameters
    ----------
    config : AutoencoderConfig
    weights : float32 (G, n_weights)
    x : float32 (G, R, D)
        Hidden and missing numbers are 0.

    Returns
    -------
    float32 (G, R, D)
    """
    start = 0
    layers = []
    for a, b in config.shapes:
        layers.append(weights[:, start : start + a * b].reshape(-1, a, b))  # (G, a, b)
        start += a * b
    for i in range(0, len(layers), 2):
        x = torch.baddbmm(layers[i + 1], x, layers[i])  # (G, R, width)
        if i < len(layers) - 2:
            x = torch.relu(x)
    return x


def errors(config: AutoencoderConfig, weights: Tensor, x: Tensor, seen: Tensor) -> Tensor:
    """Error of every patch and channel, restored while it was hidden.

    Parameters
    ----------
    config : AutoencoderConfig
    weights : float32 (G, n_weights)
    x : float32 (G, R, D)
        Missing numbers are 0.
    seen : float32 (G, R, D)
        0 where a number is missing, else 1.

    Returns
    -------
    float32 (G, R, P, C)
        Mean absolute error over the numbers that came; 0 where none did.
    """
    hidden = masks(config).to(x)
    wrong = torch.zeros_like(x)
    for mask in hidden:  # (D,)
        restored = forward(config, weights, x * (1.0 - mask))  # (G, R, D)
        wrong = wrong + (restored - x).abs() * mask
    shape = (*x.shape[:2], config.patches, config.patch, config.channels)
    total = (wrong * seen).reshape(shape).sum(dim=3)  # (G, R, P, C)
    return total / seen.reshape(shape).sum(dim=3).clamp(min=1.0)
