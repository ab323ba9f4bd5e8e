"""Hand-made features of pieces and notes, as a baseline for pretrained models. See docs/features.md."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symbolic.features import playing, relational, temporal, tonal
from symbolic.features.note_table import NoteTable
from symbolic.features.onsets import Chords, chords, under_another
from symbolic.features.stats import Features, Floats
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
    """Compute the features of a piece by group and name.

    Args:
        tokens: (N, 8) ids of one piece, in canonical order, N > 0.
        vocabulary: The vocabulary of the ids.

    Returns:
        One dictionary of features for each group. No name occurs in two groups.
    """
    voc = vocabulary or Vocabulary()
    table = NoteTable.of(tokens, voc)
    return {
        "register": tonal.register(table.pitched),
        "key": tonal.key(table.pitched),
        "lines": tonal.lines(table.pitched),
        "harmony": tonal.harmony(table.pitched),
        "note_values": temporal.note_values(table),
        "timing": temporal.timing(table),
        "metre": temporal.metre(table, voc),
        "texture": playing.texture(table.pitched),
        "dynamics": playing.dynamics(table.pitched if len(table.pitched) else table),
        "instruments": playing.instruments(table),
        "relations": relational.histograms(tokens, voc),
    }


def piece_features(tokens: NDArray[np.integer], vocabulary: Vocabulary | None = None) -> Features:
    """Compute the features of a piece by name.

    No feature depends on the piece's length. Only those of register, and of the relations `pitch_class` and `octave`,
    depend on its key.

    Args:
        tokens: (N, 8) ids of one piece, in canonical order, N > 0.
        vocabulary: The vocabulary of the ids.
    """
    groups = feature_groups(tokens, vocabulary).values()
    return {name: value for group in groups for name, value in group.items()}


def feature_names() -> list[str]:
    """Return the names of the columns of `feature_matrix`."""
    return list(piece_features(np.full((1, 8), RESERVED, dtype=np.int64)))


def feature_matrix(pieces: list[NDArray[np.integer]], vocabulary: Vocabulary | None = None) -> Floats:
    """Compute the features of several pieces.

    Args:
        pieces: (N, 8) ids for each piece.
        vocabulary: The vocabulary of the ids.

    Returns:
        (P, F) float64, rounded to nine decimals so that rounding errors do not look like information.
    """
    table = [list(piece_features(tokens, vocabulary).values()) for tokens in pieces]
    return np.array(table, dtype=np.float64).reshape(len(pieces), len(feature_names())).round(9)
