"""Classify pieces by how often values meet: linear discriminants of thousands of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbolic.arrays import Arrays, Linear
from symbolic.features.pairs import pair_matrix, pair_width
from symbolic.features.stats import Floats, softmax
from symbolic.features.stretches import PARTS

ROWS = tuple(accumulate(PARTS))
"""Numbers of stretches: the whole, with halves, with quarters."""


class PairDiscriminants(Arrays):
    """Probabilities of a piece's classes from `pair_matrix`: the mean over its stretches.

    Args:
        classes: How many.
        pitch_classes: Whether pairs depend on the key.
        rows: Most stretches of a piece, one of `ROWS`.
    """

    def __init__(self, classes: int, pitch_classes: bool = False, rows: int = ROWS[-1]) -> None:
        self.pitch_classes, self.rows = pitch_classes, rows
        self.linear = Linear(pair_width(pitch_classes), classes)

    def describe(self) -> dict[str, Any]:
        """Return the arguments but for the classes as JSON values, and the number of pairs."""
        return {"pitch_classes": self.pitch_classes, "rows": self.rows, "width": self.linear.weight.shape[1]}

    @classmethod
    def described(cls, classes: int, about: Any) -> PairDiscriminants | None:
        """Return one whose weights can be loaded. None if it counts other pairs than this release."""
        if not isinstance(about, Mapping) or not {"pitch_classes", "rows", "width"} <= set(about):
            return None
        keys, rows = about["pitch_classes"], about["rows"]
        sound = isinstance(keys, bool) and rows in ROWS and about["width"] == pair_width(keys)
        return cls(classes, keys, rows) if sound else None

    @property
    def numbers(self) -> int:
        """Count the fitted numbers."""
        return self.linear.numbers

    def matrix(self, tokens: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the (S, V) numbers that are read of a piece."""
        return pair_matrix(tokens, self.pitch_classes)[: self.rows]

    def probabilities(self, tokens: NDArray[np.integer]) -> Floats:
        """Return (C,) probabilities of a piece from its (N, 8) ids."""
        return np.asarray(softmax(self.linear(self.matrix(tokens))).mean(axis=0))
