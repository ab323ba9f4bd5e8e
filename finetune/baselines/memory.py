"""Remember features of pieces, which several baselines and every fold need."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from symbolic.features.stats import Floats
from symbolic.features.stretches import stretch_matrix

_KNOWN: dict[bytes, Floats] = {}
"""By content of the tokens."""


def remembered_stretches(pieces: Sequence[NDArray[np.integer]]) -> list[Floats]:
    """Return `stretch_matrix` of each piece, computed once in a process."""
    keys = [blake2b(tokens.tobytes(), digest_size=16).digest() for tokens in pieces]
    for key, tokens in zip(keys, pieces, strict=True):
        if key not in _KNOWN:
            _KNOWN[key] = stretch_matrix(tokens)
    return [_KNOWN[key] for key in keys]


def remembered(pieces: Sequence[NDArray[np.integer]]) -> Floats:
    """Return (P, F) features of whole pieces, computed once in a process."""
    return np.stack([one[0] for one in remembered_stretches(pieces)])
