"""Hand-made features as a classifier of notes: boosted trees, and others that hear what those say of notes around."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from symbolic.features.notes import note_matrix, note_names
from symbolic.features.stats import Floats, softmax
from symbolic.predict.classifiers.boosting import Boosting
from symbolic.predict.classifiers.trees import Size

Rows = NDArray[np.integer]


class NoteClassifier(nn.Module):
    """Logits of the classes of notes, from how each stands among its neighbours.

    Boosted trees say what each note is likely to be. Others learn from the same features and from what was said of the
    notes around ("auto-context", Tu & Bai, 2010): in training, by trees that had not seen the song.

    Args:
        classes: How many.
        sizes: Of the trees, first and second, that are to be loaded.
    """

    def __init__(self, classes: int, sizes: tuple[Size, Size] = (Size(), Size())) -> None:
        super().__init__()
        self.first, self.second = (Boosting(classes, size) for size in sizes)

    def describe(self) -> dict[str, Any]:
        """What `described` needs, as JSON values."""
        names = list(note_names(len(self.first.first)))
        return {"features": names, "trees": [list(part.size) for part in (self.first, self.second)]}

    @classmethod
    def described(cls, classes: int, about: Mapping[str, Any]) -> NoteClassifier | None:
        """One whose weights are to be loaded; None if it hears other features than this release makes."""
        if about.get("features") != list(note_names(classes)) or "trees" not in about:
            return None
        first, second = about["trees"]
        return cls(classes, (Size(*first), Size(*second)))

    @property
    def numbers(self) -> int:
        """How many were fitted."""
        return self.first.numbers + self.second.numbers

    def logits(self, tokens: Rows, features: NDArray[np.float32] | None = None) -> Floats:
        """(N, C) logits of a piece's notes.

        Args:
            tokens: Its (N, 8) ids.
            features: (N, F) that `note_matrix` makes of them, where that is done already.
        """
        said = softmax(self.first.logits(note_matrix(tokens) if features is None else features))
        return self.second.logits(note_matrix(tokens, said))

    def classes(self, tokens: Rows) -> NDArray[np.int64]:
        """(N,) the likeliest class of each note."""
        return np.asarray(self.logits(tokens).argmax(axis=1))
