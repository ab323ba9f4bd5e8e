"""Features that the trees of the melody model read: nothing that shows the make of a corpus."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symbolic.features.notes import note_matrix, note_names
from symbolic.features.stats import Floats

LEFT_OUT = frozenset(("pitch", "velocity", "metre", "tempo", "progress", "position", "phase"))
"""Absolute values: a corpus has its own key, loudness, speed and bars."""


def line_names() -> tuple[str, ...]:
    """Return the names of the columns of `line_features`."""
    return tuple(name for name in note_names(1) if name not in LEFT_OUT)


def line_features(tokens: NDArray[np.integer], melody: Floats) -> NDArray[np.float32]:
    """Compute features of every note of a piece.

    Args:
        tokens: (N, 8) ids of one piece in canonical order.
        melody: (N,) probability of melody that a network predicts for each note.

    Returns:
        (N, F) float32.
    """
    kept = np.array([name not in LEFT_OUT for name in note_names(1)])
    return np.ascontiguousarray(note_matrix(tokens, melody[:, None])[:, kept])
