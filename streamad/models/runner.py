"""One fixed, padded batch for the windows of all series: the same bits however they arrive."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

log = logging.getLogger(__name__)

Model = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(weights (G, n), x (G, R, D), seen (G, R, D)) -> (G, R, ...)."""

CLIP = 8.0
_one_at_a_time = threading.RLock()
"""The number of threads belongs to the whole process: models of one process take turns."""


def choose_device(wanted: str) -> torch.device:
    """The device behind ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    ValueError
        If ``cuda`` is wanted and there is none.
    """
    found = torch.cuda.is_available()
    if wanted == "cuda" and not found:
        raise ValueError("device 'cuda' is wanted, but torch sees no CUDA device: use auto or cpu")
    if wanted == "auto":
        wanted = "cuda" if found else "cpu"
        log.info("models run on %s", wanted)
    return torch.device(wanted)


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch to one thread: sums do not depend on how many there are."""
    with _one_at_a_time:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)


class BatchRunner:
    """Runs a model over windows of many groups, every call in tensors of one shape.

    Parameters
    ----------
    model : callable
        ``(weights, x, seen)`` to anything of shape (G, R, ...).
    groups, rows : int
        G and R: each of G tiles takes up to R windows that share their weights.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    half : bool
        Half precision on a GPU.

    Raises
    ------
    ValueError
        If the device is not there.

    Notes
    -----
    On a CPU the result of a window depends on the window and its weights alone: not on its place
    in the batch, on the other windows, on the number of threads. On a GPU this is not promised.
    """

    def __init__(
        self,
        model: Model,
        *,
        groups: int = 32,
        rows: int = 8,
        device: str = "auto",
        half: bool = False,
    ) -> None:
        self.device = choose_device(device)
        self._model = model
        self._groups, self._rows = groups, rows
        self._half = half and self.device.type == "cuda"

    def run(
        self,
        windows: NDArray[np.float64],
        group: NDArray[np.int64],
        weights: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Result of every window.

        Parameters
        ----------
        windows : float64 (n, L, C)
            Scaled; NaN = missing.
        group : int64 (n,)
            Row of ``weights`` for each window.
        weights : float32 (m, n_weights)

        Returns
        -------
        float32 (n, ...)
        """
        n = len(windows)
        order = np.argsort(group, kind="stable")
        tiles = list(self._tiles(group[order]))
        x, seen = prepare(windows.reshape(n, -1))
        out: NDArray[np.float32] | None = None
        for first in range(0, len(tiles), self._groups):
            some = tiles[first : first + self._groups]
            result = self._call(x, seen, order, some, weights)
            for (start, stop, _), rows in zip(some, result, strict=False):
                if out is None:
                    out = np.empty((n, *rows.shape[1:]), np.float32)
                out[order[start:stop]] = rows[: stop - start]
        return np.empty((0,), np.float32) if out is None else out

    def _tiles(self, group: NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
        """Spans of at most R windows of one group: (start, stop, group)."""
        edges = np.flatnonzero(np.diff(group)) + 1
        for start, stop in zip([0, *edges], [*edges, len(group)], strict=True):
            for first in range(int(start), int(stop), self._rows):
                yield first, min(first + self._rows, int(stop)), int(group[first])

    def _call(
        self,
        x: NDArray[np.float32],
        seen: NDArray[np.float32],
        order: NDArray[np.int64],
        tiles: list[tuple[int, int, int]],
        weights: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        shape = (self._groups, self._rows, x.shape[1])
        batch, known = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        own = np.zeros((self._groups, weights.shape[1]), np.float32)
        for g, (start, stop, group) in enumerate(tiles):
            batch[g, : stop - start] = x[order[start:stop]]
            known[g, : stop - start] = seen[order[start:stop]]
            own[g] = weights[group]
        with torch.inference_mode(), one_thread():
            result = self._model(self._move(own), self._move(batch), self._move(known))
            moved: NDArray[np.float32] = result.float().cpu().numpy()
        return moved

    def _move(self, array: NDArray[np.float32]) -> Tensor:
        tensor = torch.from_numpy(array)
        if self.device.type == "cuda":
            tensor = tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.half() if self._half else tensor


def prepare(flat: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Clip, compress by arcsinh, and turn NaN into a mask: (x, seen), float32 (n, D) each."""
    seen = ~np.isnan(flat)
    x = np.arcsinh(np.clip(np.where(seen, flat, 0.0), -CLIP, CLIP))
    return x.astype(np.float32), seen.astype(np.float32)
