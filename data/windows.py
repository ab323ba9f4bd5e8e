"""Windows: the stretches of pieces that a model sees at once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from data.shards import Shards
from symbolic.tokens.vocabulary import BAR


def make_windows(shards: Shards, pieces: NDArray[np.integer], length: int) -> NDArray[np.int64]:
    """Cut pieces into windows of nearly equal length that cover every token once.

    Args:
        shards: Where the pieces lie.
        pieces: (P,) indices of pieces.
        length: Tokens in a window at most.

    Returns:
        (W, 3) int64: first token and token past the end (both global), and the piece. No window crosses a piece
        or spans more bars than the tokenizer's vocabulary has.
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
