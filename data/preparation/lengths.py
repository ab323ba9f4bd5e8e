"""Durations of pieces, computed from their tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data.shards import Shards
from symbolic.tokens.tokenizer import Tokenizer


def piece_seconds(shards: Shards, pieces: Sequence[int] | NDArray[np.integer]) -> NDArray[np.float64]:
    """Compute the seconds from the first bar of each piece to the end of its last note.

    Tokens hold tempos in bins of a twelfth of an octave. A duration is therefore exact to 3 % and less exact for
    tempos outside the vocabulary. A hidden tempo counts as 120 quarter notes a minute.

    Args:
        shards: The prepared corpus.
        pieces: (P,) indices of pieces.

    Returns:
        (P,) float64.
    """
    tokenizer = Tokenizer.load(shards.tokenizer_file)
    lengths = np.zeros(len(pieces))
    for i, piece in enumerate(pieces):
        music = tokenizer.decode(shards.tokens(int(shards.offsets[piece]), int(shards.offsets[piece + 1])))
        ends = music.notes["onset"] + music.notes["duration"]
        lengths[i] = music.seconds(ends.max(initial=0))
    return lengths
