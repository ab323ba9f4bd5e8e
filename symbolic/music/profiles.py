"""Profiles of keys: how well each pitch class fits a major and a minor key."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

KEY_PROFILES = np.array(
    [
        [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88],
        [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17],
    ]
)
"""(2, 12) major and minor, by semitones above the tonic (Krumhansl & Kessler, 1982, "Tracing the dynamic changes in
perceived tonal organization")."""


def centred(weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scale weights to mean 0 and length 1 along the last axis. Equal weights become 0."""
    about_mean = weights - weights.mean(axis=-1, keepdims=True)
    length = np.sqrt((about_mean**2).sum(axis=-1, keepdims=True))
    return np.asarray(np.where(length > 1e-9, about_mean / np.maximum(length, 1e-9), 0.0))


@cache
def centred_keys() -> NDArray[np.float64]:
    """Return (2, 12, 12) profiles of all keys, by mode, tonic and pitch class, each with mean 0 and length 1."""
    return centred(np.array([[np.roll(mode, tonic) for tonic in range(12)] for mode in KEY_PROFILES]))
