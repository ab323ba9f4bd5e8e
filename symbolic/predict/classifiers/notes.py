"""Classify notes by hand-made features: boosted trees and others that read their predictions for the notes around."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbolic.arrays import Arrays
from symbolic.features.notes import note_matrix, note_names
from symbolic.features.stats import Floats, softmax
from symbolic.predict.classifiers.boosting import BoostedTrees


class NoteClassifier(Arrays):
    """Logits of the classes of notes from how each stands among its neighbours.

    The first trees predict each note from its features. The second read the same features and the first predictions
    for the notes around ("auto-context", Tu & Bai, 2010). In training these come from trees fitted to other songs.

    Args:
        classes: Number of classes.
        sizes: Bytes of the first and the second trees that will be loaded.
    """

    def __init__(self, classes: int, sizes: tuple[int, int] = (0, 0)) -> None:
        self.first, self.second = (BoostedTrees(classes, size) for size in sizes)

    def describe(self) -> dict[str, Any]:
        """Return what `described` needs as JSON values."""
        names = list(note_names(len(self.first.known)))
        return {"features": names, "trees": [part.size for part in (self.first, self.second)]}

    @classmethod
    def described(cls, classes: int, about: Mapping[str, Any]) -> NoteClassifier | None:
        """Return one whose weights can be loaded. None if it reads other features than this release computes."""
        if about.get("features") != list(note_names(classes)) or "trees" not in about:
            return None
        first, second = about["trees"]
        return cls(classes, (int(first), int(second)))

    def check(self) -> None:
        """Refuse damaged trees in which a walk might run for ever.

        Raises:
            CheckpointError: If there are any.
        """
        self.first.check(len(note_names()))
        self.second.check(len(note_names(len(self.second.known))))

    @property
    def numbers(self) -> int:
        """Count the fitted numbers."""
        return self.first.numbers + self.second.numbers

    def logits(self, tokens: NDArray[np.integer], features: NDArray[np.float32] | None = None) -> Floats:
        """Return (N, C) logits of a piece's notes.

        Args:
            tokens: (N, 8) ids.
            features: (N, F) from `note_matrix` if they are computed already.
        """
        features = note_matrix(tokens) if features is None else features
        first = softmax(self.first.logits(features))
        return self.second.logits(note_matrix(tokens, first, features))

    def classes(self, tokens: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the (N,) most likely class of each note."""
        return np.asarray(self.logits(tokens).argmax(axis=1))
