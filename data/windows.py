"""Windows: the stretches of pieces that a model reads at once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from data.shards import Shards
from symbolic.tokens.vocabulary import BAR


def make_windows(shards: Shards, pieces: NDArray[np.integer], length: int) -> NDArray[np.int64]:
    """Cut pieces into windows of nearly equal length that hold every token once.

    Args:
        shards: The prepared corpus.
        pieces: (P,) indices of pieces.
        length: Largest number of tokens in a window.

    Returns:
        (W, 3) int64: start and end in the tokens of the corpus and the piece. No window crosses a piece or spans more
        bars than the vocabulary has.
    """
    found: list[tuple[int, int, int]] = []
    for piece in pieces:
        start, stop = int(shards.offsets[piece]), int(shards.offsets[piece + 1])
        if stop == start:
            continue
        count = -(-(stop - start) // length)
        edges = np.linspace(start, stop, count + 1).round().astype(np.int64)
        bars = shards.tokens(start, stop)[:, BAR].astype(np.int64)
        for low, high in pairwise(edges):
            cut = int(low)
            while cut < high:
                # Sparse music may run out of bars before it runs out of tokens.
                reach = np.searchsorted(bars, bars[cut - start] + shards.max_bars) + start
                end = min(int(high), int(reach))
                found.append((cut, end, int(piece)))
                cut = end
    return np.array(found, dtype=np.int64).reshape(-1, 3)
