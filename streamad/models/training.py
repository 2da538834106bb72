"""Fit an autoencoder to the windows of one series; the same windows and seed, the same weights."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from streamad.models.autoencoder import forward, masks
from streamad.models.config import AutoencoderConfig, TrainingConfig
from streamad.models.runner import one_thread, prepare


def first_weights(config: AutoencoderConfig, rng: np.random.Generator) -> NDArray[np.float32]:
    """Uniform weights of variance 2 / (fan in + fan out), zero biases: float32 (n_weights,)."""
    parts = []
    for a, b in config.shapes:
        bound = 0.0 if a == 1 else math.sqrt(6.0 / (a + b))
        parts.append(rng.uniform(-bound, bound, a * b))
    return np.concatenate(parts).astype(np.float32)


def fit(
    config: AutoencoderConfig,
    training: TrainingConfig,
    windows: NDArray[np.float32],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Weights that restore hidden patches of these windows.

    Parameters
    ----------
    config : AutoencoderConfig
    training : TrainingConfig
    windows : float32 (n, D)
        Scaled; NaN = missing.
    rng : numpy Generator
        Decides first weights, batches and masks.

    Returns
    -------
    float32 (n_weights,)

    Notes
    -----
    Huber loss on the hidden numbers, Adam. Windows that fit worst half-way are left out afterwards,
    so that anomalies in the warm-up are not learned.
    """
    x, seen = (torch.from_numpy(a) for a in prepare(windows.astype(np.float64)))  # (n, D) each
    hidden = masks(config)  # (passes, D)
    with one_thread(), torch.enable_grad():
        weights = torch.from_numpy(first_weights(config, rng)).requires_grad_()
        optimiser = torch.optim.Adam([weights], lr=training.rate)
        kept = np.arange(len(windows))
        for step in range(training.steps):
            if step == training.steps // 2:
                kept = _typical(config, weights, x, seen, hidden, training.trim)
            chosen = torch.from_numpy(rng.choice(kept, training.batch))
            mask = hidden[torch.from_numpy(rng.integers(0, config.passes, training.batch))]
            loss = _loss(config, weights, x[chosen], seen[chosen], mask).mean()
            optimiser.zero_grad()
            loss.backward()
            for group in optimiser.param_groups:
                group["lr"] = (
                    training.rate * 0.5 * (1.0 + math.cos(math.pi * step / training.steps))
                )
            optimiser.step()
        fitted: NDArray[np.float32] = weights.detach().numpy().copy()
    return fitted


def _loss(
    config: AutoencoderConfig,
    weights: torch.Tensor,
    x: torch.Tensor,
    seen: torch.Tensor,
    mask: torch.Tensor,
) -> torch.Tensor:
    """Huber loss of each window over its hidden numbers: (n,)."""
    restored = forward(config, weights[None], (x * (1.0 - mask))[None])[0]  # (n, D)
    counted = mask * seen
    each = torch.nn.functional.huber_loss(restored, x, reduction="none") * counted
    return each.sum(dim=1) / counted.sum(dim=1).clamp(min=1.0)


def _typical(
    config: AutoencoderConfig,
    weights: torch.Tensor,
    x: torch.Tensor,
    seen: torch.Tensor,
    hidden: torch.Tensor,
    trim: float,
) -> NDArray[np.int64]:
    """Positions of the windows without those that fit worst."""
    with torch.no_grad():
        total = sum(_loss(config, weights, x, seen, mask.expand_as(x)) for mask in hidden)
    order = np.argsort(torch.as_tensor(total).numpy(), kind="stable")
    return np.sort(order[: max(1, len(order) - int(trim * len(order)))])
