"""Give numpy arrays and torch tensors the few operations that relations need."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

Array = Any
"""A numpy array or a torch tensor. What both do by the same operator or method is used directly."""


class Operations(Protocol):
    """The operations that the two libraries spell differently."""

    def integers(self, values: Array) -> Array:
        """Convert to int64."""

    def like(self, table: np.ndarray, values: Array) -> Array:
        """Convert a numpy table to the library, and the device, of `values`."""

    def where(self, condition: Array, one: Array, other: Array) -> Array:
        """Choose element by element."""

    def order(self, keys: Array) -> Array:
        """Sort (B, L) keys along the last axis, stably; return the places they came from."""

    def take(self, values: Array, places: Array) -> Array:
        """Take along the last axis."""

    def bins(self, edges: np.ndarray, values: Array) -> Array:
        """Return how many of the rising edges are at most each value."""

    def lowest(self, values: Array, segments: Array, count: int, start: int) -> Array:
        """Return the (count,) minimum of each segment of flat values; `start` where a segment is empty."""

    def total(self, values: Array, segments: Array, count: int) -> Array:
        """Return the (count,) sum of each segment of flat values."""


class _Numpy:
    def integers(self, values: Array) -> Array:
        return values.astype(np.int64)

    def like(self, table: np.ndarray, values: Array) -> Array:
        return table

    def where(self, condition: Array, one: Array, other: Array) -> Array:
        return np.where(condition, one, other)

    def order(self, keys: Array) -> Array:
        return np.argsort(keys, axis=-1, kind="stable")

    def take(self, values: Array, places: Array) -> Array:
        return np.take_along_axis(values, places, axis=-1)

    def bins(self, edges: np.ndarray, values: Array) -> Array:
        return np.searchsorted(edges, values, side="right")

    def lowest(self, values: Array, segments: Array, count: int, start: int) -> Array:
        found = np.full(count, start, dtype=values.dtype)
        np.minimum.at(found, segments, values)
        return found

    def total(self, values: Array, segments: Array, count: int) -> Array:
        return np.bincount(segments, weights=values, minlength=count)


class _Torch:
    def integers(self, values: Array) -> Array:
        return values.long()

    def like(self, table: np.ndarray, values: Array) -> Array:
        import torch

        return torch.as_tensor(table, device=values.device)

    def where(self, condition: Array, one: Array, other: Array) -> Array:
        import torch

        return torch.where(condition, one, other)

    def order(self, keys: Array) -> Array:
        return keys.argsort(dim=-1, stable=True)

    def take(self, values: Array, places: Array) -> Array:
        return values.gather(-1, places)

    def bins(self, edges: np.ndarray, values: Array) -> Array:
        import torch

        return torch.searchsorted(self.like(edges, values), values.contiguous(), right=True)

    def lowest(self, values: Array, segments: Array, count: int, start: int) -> Array:
        return values.new_full((count,), start).scatter_reduce(0, segments, values, "amin")

    def total(self, values: Array, segments: Array, count: int) -> Array:
        import torch

        # float32: the counts are small, and some accelerators have no float64.
        return torch.zeros(count, device=values.device).scatter_add(0, segments, values.float())


def operations_of(values: Array) -> Operations:
    """Return the operations of the library that `values` belongs to; torch is not imported for numpy arrays."""
    return _Numpy() if isinstance(values, np.ndarray) else _Torch()
