"""Statistics for features. Each is 0 for empty input."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Features = dict[str, float]

SHORTEST = 1 / 64
"""Smallest time, in seconds or quarters, of which a logarithm is taken."""


def moments(name: str, values: NDArray[Any]) -> Features:
    """Return the mean and standard deviation as two features."""
    return {f"{name}_mean": mean(values), f"{name}_sd": deviation(values)}


def named(name: str, kinds: Iterable[object], values: Iterable[float]) -> Features:
    """Return one feature for each kind."""
    return {f"{name}_{kind}": float(value) for kind, value in zip(kinds, values, strict=True)}


def mean(values: NDArray[Any]) -> float:
    """Return the mean or the share of true values."""
    return float(values.mean()) if len(values) else 0.0


def deviation(values: NDArray[Any]) -> float:
    """Return the standard deviation."""
    return float(values.std()) if len(values) else 0.0


def standard(values: Floats) -> Floats:
    """Return values with mean zero and deviation one, or zeros where they hardly vary."""
    return np.asarray((values - values.mean()) / max(float(values.std()), 1e-3))


def shares(counts: NDArray[Any]) -> Floats:
    """Divide counts or weights by their sum along the last axis."""
    return np.asarray(counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1e-12), dtype=np.float64)


def softmax(logits: Floats) -> Floats:
    """Turn logits into probabilities along the last axis."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def entropy(parts: Floats) -> Floats:
    """Compute the entropy in bits, along the last axis."""
    return np.asarray(-(parts * np.log2(np.maximum(parts, 1e-12))).sum(axis=-1))


def correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Compute Pearson's correlation. It is 0 if either side is constant."""
    if len(one) == 0 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    a, b = one - one.mean(), other - other.mean()
    return float((a @ b) / np.sqrt((a @ a) * (b @ b)))


def logs(times: Floats) -> Floats:
    """Convert times to octaves above one second or above one quarter."""
    return np.asarray(np.log2(np.maximum(times, SHORTEST)))


def blocks(values: NDArray[Any], size: int) -> NDArray[Any]:
    """Cut values into whole blocks of consecutive values as (B, size, ...).

    If there are fewer than `size` values, they make one block. Averages over blocks do not depend on the length of
    a piece.
    """
    count = len(values) // size
    return values[: count * size].reshape(count, size, *values.shape[1:]) if count else values[None]
