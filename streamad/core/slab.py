"""State of many series in contiguous arrays: one row (slot) a series, no Python object each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from streamad.core.data import Arrays, Codes
from streamad.core.errors import StateError

Layout = Mapping[str, tuple[tuple[int, ...], DTypeLike, float]]
"""Name -> (shape of one slot, dtype, fill value)."""


class Slab:
    """Named arrays that share their first axis: the slot of a series.

    Parameters
    ----------
    layout : mapping of str to (shape, dtype, fill)
        Shape of one slot without the slot axis, dtype, and the value of a fresh slot.

    Notes
    -----
    Capacity doubles, so admitting n series costs O(n). ``slab["name"]`` is the live array of shape
    (capacity, ...): fetch it anew after :meth:`admit`, which may replace it.

    Examples
    --------
    >>> slab = Slab({"count": ((), np.int64, 0), "mean": ((2,), np.float64, np.nan)})
    >>> slab.admit(np.array([0, 3], np.int32))
    >>> len(slab), slab["mean"].shape[1:]
    (4, (2,))
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = dict(layout)
        self._size = 0
        self._arrays: Arrays = {
            name: np.full((0, *shape), fill, dtype)
            for name, (shape, dtype, fill) in self.layout.items()
        }

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[name]

    @property
    def bytes_per_slot(self) -> int:
        """Bytes that one series takes."""
        return sum(
            int(np.dtype(dtype).itemsize * np.prod(shape, dtype=np.int64))
            for shape, dtype, _ in self.layout.values()
        )

    def admit(self, codes: Codes) -> None:
        """Give these slots fresh state, growing the arrays where needed."""
        if len(codes) == 0:
            return
        size = max(self._size, int(codes.max()) + 1)
        for name, (shape, dtype, fill) in self.layout.items():
            array = self._arrays[name]
            if size > len(array):
                grown = np.full((max(size, 2 * len(array)), *shape), fill, dtype)
                grown[: self._size] = array[: self._size]
                self._arrays[name] = array = grown
            array[codes] = fill
        self._size = size

    def snapshot(self) -> Arrays:
        """Owned copies of the used part of every array."""
        return {name: array[: self._size].copy() for name, array in self._arrays.items()}

    def restore(self, snapshot: Arrays) -> None:
        """Take over the state of a snapshot, copying it.

        Raises
        ------
        StateError
            If an array is missing or has another shape or dtype than the layout says.
        """
        sizes = set()
        for name, (shape, dtype, _) in self.layout.items():
            array = snapshot.get(name)
            if array is None or array.shape[1:] != shape or array.dtype != np.dtype(dtype):
                came = "nothing" if array is None else f"{array.dtype} {array.shape}"
                raise StateError(
                    f"state {name!r} should be {np.dtype(dtype)} (slots, {shape}), got {came}; "
                    "the snapshot belongs to other parameters or another version"
                )
            sizes.add(len(array))
        if len(sizes) > 1:
            raise StateError(f"arrays of one slab differ in their number of slots: {sorted(sizes)}")
        self._arrays = {name: snapshot[name].copy() for name in self.layout}
        self._size = sizes.pop() if sizes else 0


def pack_names(names: Sequence[str]) -> Arrays:
    """Names as two arrays, for a snapshot: UTF-8 bytes and the length of each."""
    parts = [name.encode("utf-8", "surrogatepass") for name in names]
    return {
        "bytes": np.frombuffer(b"".join(parts), np.uint8).copy(),
        "lengths": np.array([len(part) for part in parts], np.int64),
    }


def unpack_names(arrays: Mapping[str, NDArray[Any]]) -> list[str]:
    """Inverse of :func:`pack_names`."""
    blob = arrays["bytes"].tobytes()
    ends = np.cumsum(arrays["lengths"]).tolist()
    return [
        blob[start:end].decode("utf-8", "surrogatepass")
        for start, end in zip([0, *ends], ends, strict=False)
    ]


def nest(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """The same arrays under ``prefix/name``, to join several snapshots in one."""
    return {f"{prefix}/{name}": array for name, array in arrays.items()}


def unnest(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """Inverse of :func:`nest`: the arrays of one part, without the prefix."""
    start = prefix + "/"
    return {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}
