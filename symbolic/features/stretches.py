"""Cut a piece into halves and quarters, to have more examples in training and in prediction."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from symbolic.features import feature_matrix
from symbolic.features.stats import Floats
from symbolic.tokens.tokenizer import rebase_bars

PARTS = (1, 2, 4)
"""The whole, halves, quarters."""
FEWEST = 48
"""Fewest notes in a part. Shorter pieces are not cut."""


def edges(notes: int) -> list[tuple[int, int]]:
    """Return (start, stop) of the parts of a piece of `notes` tokens, the whole first: one, three or seven."""
    found = [(0, notes)]
    for parts in PARTS[1:]:
        if notes >= parts * FEWEST:
            found += pairwise(np.linspace(0, notes, parts + 1).round().astype(int).tolist())
    return found


def stretches(tokens: NDArray[np.integer]) -> list[NDArray[np.integer]]:
    """Cut a piece into parts, the whole first.

    Args:
        tokens: (N, 8) ids of one piece, in canonical order, N > 0.

    Returns:
        One, three or seven arrays of ids. The bars of each count from its start.
    """
    whole, *parts = edges(len(tokens))
    return [tokens[slice(*whole)], *(rebase_bars(tokens[a:b]) for a, b in parts)]


def stretch_matrix(tokens: NDArray[np.integer]) -> Floats:
    """Compute the (S, F) features of a piece's parts, the whole first."""
    return feature_matrix(stretches(tokens))
