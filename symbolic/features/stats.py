"""Summaries that features are made of. All of them are 0 where there is nothing to sum up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Features = dict[str, float]

SHORTEST = 1 / 64
"""Floor of times, in seconds or quarters, before logarithms."""


def moments(name: str, values: NDArray[Any]) -> Features:
    """Mean and standard deviation, as two features."""
    return {f"{name}_mean": mean(values), f"{name}_sd": deviation(values)}


def named(name: str, kinds: Iterable[object], values: Iterable[float]) -> Features:
    """One feature for each kind."""
    return {f"{name}_{kind}": float(value) for kind, value in zip(kinds, values, strict=True)}


def mean(values: NDArray[Any]) -> float:
    """The mean, or the share of what is true."""
    return float(values.mean()) if len(values) else 0.0


def deviation(values: NDArray[Any]) -> float:
    """The standard deviation."""
    return float(values.std()) if len(values) else 0.0


def shares(counts: NDArray[Any]) -> Floats:
    """Counts, or weights, as parts of their sum along the last axis."""
    return np.asarray(counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1e-12), dtype=np.float64)


def softmax(logits: Floats) -> Floats:
    """Logits as probabilities along the last axis."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def entropy(parts: Floats) -> Floats:
    """In bits, along the last axis."""
    return np.asarray(-(parts * np.log2(np.maximum(parts, 1e-12))).sum(axis=-1))


def correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Pearson's; 0 where either is constant."""
    if len(one) == 0 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    a, b = one - one.mean(), other - other.mean()
    return float((a @ b) / np.sqrt((a @ a) * (b @ b)))


def logs(times: Floats) -> Floats:
    """Times in octaves above one second, or quarter."""
    return np.asarray(np.log2(np.maximum(times, SHORTEST)))


def blocks(values: NDArray[Any], size: int) -> NDArray[Any]:
    """(B, size, ...) whole blocks of consecutive values; all as one block where there are fewer than `size`.

    What is measured in blocks and averaged does not grow with the length of a piece.
    """
    count = len(values) // size
    return values[: count * size].reshape(count, size, *values.shape[1:]) if count else values[None]
