"""Give numpy arrays and torch tensors the few operations that relations need."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = Any
"""A numpy array or a torch tensor. What both do by the same operator or method is used directly."""


class Operations(Protocol):
    """The operations that the two libraries spell differently."""

    def columns(self, tokens: Array) -> Array:
        """Turn (B, L, F) integers into (F, B, L) int64, each column in one piece of memory."""

    def range(self, count: int, like: Array) -> Array:
        """Return (count,) int64 from 0, on the device of `like`."""

    def integers(self, values: Array) -> Array:
        """Convert to int64."""

    def where(self, condition: Array, one: Array, other: int) -> Array:
        """Choose element by element; `other` is one number."""

    def order(self, keys: Array) -> Array:
        """Sort (B, L) keys along the last axis, stably. Return the places they came from."""

    def take(self, values: Array, places: Array) -> Array:
        """Take along the last axis."""

    def put(self, values: Array, places: Array) -> Array:
        """Put each value at its place along the last axis. The places are a permutation."""

    def highest_so_far(self, values: Array) -> Array:
        """Return the running maximum along the last axis."""

    def lowest(self, values: Array, segments: Array, count: int, start: int) -> Array:
        """Return the (count,) minimum of each segment of flat values; `start` where a segment is empty."""

    def total(self, values: Array, segments: Array, count: int) -> Array:
        """Return the (count,) sum of each segment of flat integers."""

    def join(self, parts: list[Array]) -> Array:
        """Concatenate along the last axis."""

    def stack(self, parts: list[Array]) -> Array:
        """Stack along a new last axis."""


class _Numpy:
    def columns(self, tokens: Array) -> Array:
        return np.ascontiguousarray(np.moveaxis(tokens, -1, 0), dtype=np.int64)

    def range(self, count: int, like: Array) -> Array:
        return np.arange(count)

    def integers(self, values: Array) -> Array:
        return values.astype(np.int64)

    def where(self, condition: Array, one: Array, other: int) -> Array:
        return np.where(condition, one, other)

    def order(self, keys: Array) -> Array:
        return np.argsort(keys, axis=-1, kind="stable")

    def take(self, values: Array, places: Array) -> Array:
        return np.take_along_axis(values, places, axis=-1)

    def put(self, values: Array, places: Array) -> Array:
        found = np.empty_like(values)
        np.put_along_axis(found, places, values, axis=-1)
        return found

    def highest_so_far(self, values: Array) -> Array:
        return np.maximum.accumulate(values, axis=-1)

    def lowest(self, values: Array, segments: Array, count: int, start: int) -> Array:
        found = np.full(count, start, dtype=values.dtype)
        np.minimum.at(found, segments, values)
        return found

    def total(self, values: Array, segments: Array, count: int) -> Array:
        return np.bincount(segments, weights=values, minlength=count).astype(np.int64)

    def join(self, parts: list[Array]) -> Array:
        return np.concatenate(parts, axis=-1)

    def stack(self, parts: list[Array]) -> Array:
        return np.stack(parts, axis=-1)


class _Torch:
    def columns(self, tokens: Array) -> Array:
        return tokens.long().movedim(-1, 0).contiguous()

    def range(self, count: int, like: Array) -> Array:
        import torch

        return torch.arange(count, device=like.device)

    def integers(self, values: Array) -> Array:
        return values.long()

    def where(self, condition: Array, one: Array, other: int) -> Array:
        return one.masked_fill(~condition, other)

    def order(self, keys: Array) -> Array:
        return keys.argsort(dim=-1, stable=True)

    def take(self, values: Array, places: Array) -> Array:
        return values.gather(-1, places)

    def put(self, values: Array, places: Array) -> Array:
        return values.scatter(-1, places, values)

    def highest_so_far(self, values: Array) -> Array:
        return values.cummax(-1).values

    def lowest(self, values: Array, segments: Array, count: int, start: int) -> Array:
        return values.new_full((count,), start).scatter_reduce(0, segments, values, "amin")

    def total(self, values: Array, segments: Array, count: int) -> Array:
        return values.new_zeros(count).scatter_add(0, segments, values)

    def join(self, parts: list[Array]) -> Array:
        import torch

        return torch.cat(parts, dim=-1)

    def stack(self, parts: list[Array]) -> Array:
        import torch

        return torch.stack(parts, dim=-1)


def operations_of(values: Array) -> Operations:
    """Return the operations of the library that `values` belongs to. Torch is not imported for numpy arrays."""
    return _Numpy() if isinstance(values, np.ndarray) else _Torch()


class Table:
    """A constant table for arrays of either library. Its copies on devices are kept. So no step waits for one.

    Args:
        values: The table.
    """

    def __init__(self, values: NDArray[Any]) -> None:
        self._values = values
        self._copies: dict[Any, Array] = {}

    def like(self, other: Array) -> Array:
        """Return the table in the library, and on the device, of `other`."""
        if isinstance(other, np.ndarray):
            return self._values
        if other.device not in self._copies:
            import torch

            self._copies[other.device] = torch.as_tensor(self._values, device=other.device)
        return self._copies[other.device]

    def __getitem__(self, places: Array) -> Array:
        """Look up an array of places."""
        return self.like(places)[places]
