"""A piece and its parts, each of which has features: more to learn from, and more to be asked, than the whole alone."""

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
"""Notes in a part at least; a piece is not cut any finer than that."""


def stretches(tokens: NDArray[np.integer]) -> list[NDArray[np.integer]]:
    """The parts of a piece, the whole first.

    Args:
        tokens: (N, 8) ids of one piece, in canonical order, N > 0.

    Returns:
        One, three or seven arrays of tokens, the bars of each counted from its beginning.
    """
    found = [tokens]
    for parts in PARTS[1:]:
        if len(tokens) >= parts * FEWEST:
            edges = np.linspace(0, len(tokens), parts + 1).round().astype(np.int64)
            found += [rebase_bars(tokens[a:b]) for a, b in pairwise(edges)]
    return found


def stretch_matrix(tokens: NDArray[np.integer]) -> Floats:
    """(S, F) features of a piece's stretches, the whole first."""
    return feature_matrix(stretches(tokens))
