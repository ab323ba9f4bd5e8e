"""Hand-made features of a piece and of its notes: what a score tells without any learning.

They feed the baselines. A pretrained model that does not clear them has not earned its name. docs/features.md
says what they measure and how far they reach.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symbolic.features import playing, temporal, tonal
from symbolic.features.onsets import Chords, chords, under_another
from symbolic.features.stats import Features, Floats
from symbolic.features.view import View
from symbolic.tokens.vocabulary import RESERVED, Vocabulary

__all__ = [
    "Chords",
    "chords",
    "feature_groups",
    "feature_matrix",
    "feature_names",
    "piece_features",
    "under_another",
]


def feature_groups(tokens: NDArray[np.integer], vocabulary: Vocabulary | None = None) -> dict[str, Features]:
    """Features of a piece by group, then by name; names are unique across groups.

    Args:
        tokens: (N, 8) ids of one piece, in canonical order, N > 0.
        vocabulary: What the ids mean.
    """
    voc = vocabulary or Vocabulary()
    view = View.of(tokens, voc)
    return {
        "register": tonal.register(view.pitched),
        "key": tonal.key(view.pitched),
        "lines": tonal.lines(view.pitched),
        "harmony": tonal.harmony(view.pitched),
        "note_values": temporal.note_values(view),
        "timing": temporal.timing(view),
        "metre": temporal.metre(view, voc),
        "texture": playing.texture(view.pitched),
        "dynamics": playing.dynamics(view.pitched if len(view.pitched) else view),
        "instruments": playing.instruments(view),
    }


def piece_features(tokens: NDArray[np.integer], vocabulary: Vocabulary | None = None) -> Features:
    """Features of a piece, by name; none depends on its length or, but for register, its key.

    Args:
        tokens: (N, 8) ids of one piece, in canonical order, N > 0.
        vocabulary: What the ids mean.
    """
    groups = feature_groups(tokens, vocabulary).values()
    return {name: value for group in groups for name, value in group.items()}


def feature_names() -> list[str]:
    """Names of the columns of `feature_matrix`."""
    return list(piece_features(np.full((1, 8), RESERVED, dtype=np.int64)))


def feature_matrix(pieces: list[NDArray[np.integer]], vocabulary: Vocabulary | None = None) -> Floats:
    """(P, F) features of several pieces, each (N, 8) ids, to nine decimals: what does not vary is then constant."""
    table = [list(piece_features(tokens, vocabulary).values()) for tokens in pieces]
    return np.array(table, dtype=np.float64).reshape(len(pieces), len(feature_names())).round(9)
