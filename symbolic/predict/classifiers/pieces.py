"""Classify pieces by hand-made features: discriminants, trees and pairs of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbolic.arrays import Arrays
from symbolic.features import feature_names
from symbolic.features.stats import Floats
from symbolic.features.stretches import stretch_matrix
from symbolic.predict.classifiers.discriminants import Discriminants, Reason
from symbolic.predict.classifiers.forest import Forest, Size
from symbolic.predict.classifiers.pairs import PairDiscriminants

_LEAST = 1e-3
"""Added to probabilities, so that neither classifier can rule out a class alone."""


class FeatureClassifier(Arrays):
    """Logits of a piece's classes from features of the whole piece and of its stretches.

    Linear discriminants and extremely randomised trees make different errors. Each is fitted to every stretch of a
    piece as one example. Its prediction for a piece is the mean over the stretches. Discriminants of pairs of values
    can be a third. The result is the geometric mean of all.

    Args:
        classes: How many.
        size: Of the trees that are to be loaded.
        pairs: Discriminants of pairs, if it has any.
    """

    def __init__(
        self, classes: int, size: Size | None = None, pairs: PairDiscriminants | None = None
    ) -> None:
        self.discriminants = Discriminants(classes)
        self.forest = Forest(classes, size or Size())
        self.pairs = pairs

    def describe(self) -> dict[str, Any]:
        """Return what `described` needs as JSON values."""
        pairs = {"pairs": self.pairs.describe()} if self.pairs else {}
        return {"features": feature_names(), "forest": list(self.forest.size), **pairs}

    @classmethod
    def described(cls, classes: int, about: Mapping[str, Any]) -> FeatureClassifier | None:
        """Return one whose weights can be loaded. None if it reads other features than this release computes."""
        if about.get("features") != feature_names() or "forest" not in about:
            return None
        pairs = PairDiscriminants.described(classes, about["pairs"]) if "pairs" in about else None
        if "pairs" in about and pairs is None:
            return None
        return cls(classes, Size(*about["forest"]), pairs)

    def check(self) -> None:
        """Refuse damaged trees in which a walk might run for ever.

        Raises:
            CheckpointError: If there are any.
        """
        self.forest.check(len(feature_names()))

    @property
    def numbers(self) -> int:
        """Count the fitted numbers."""
        pairs = self.pairs.numbers if self.pairs else 0
        return self.discriminants.linear.numbers + self.forest.numbers + pairs

    def of_pieces(self, stretches: Sequence[Floats], tokens: Sequence[NDArray[np.integer]]) -> Floats:
        """Return (P, C) logits.

        Args:
            stretches: (S, F) features of each piece's stretches, from `stretch_matrix`.
            tokens: (N, 8) ids of each piece.
        """
        features, known = np.concatenate(stretches), self.discriminants.known
        first = np.cumsum([0, *(len(one) for one in stretches[:-1])])
        counts = np.array([[len(one)] for one in stretches])
        voices = [
            np.add.reduceat(voice.probabilities(features), first) / counts
            for voice in (self.discriminants, self.forest)
        ]
        if self.pairs:
            voices.append(np.stack([self.pairs.probabilities(one) for one in tokens]))
        return np.where(known, np.log(np.add(voices, _LEAST)).mean(axis=0), -np.inf)

    def logits(self, tokens: NDArray[np.integer]) -> Floats:
        """Return (C,) logits of a piece from its (N, 8) ids."""
        return np.asarray(self.of_pieces([stretch_matrix(tokens)], [tokens])[0])

    def classes(self, tokens: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the most likely class of a piece, ()."""
        return np.asarray(self.logits(tokens).argmax())

    def explained(self, tokens: NDArray[np.integer], most: int = 5) -> tuple[Floats, list[Reason]]:
        """Return (C,) logits of a piece and the strongest reasons for and against its most likely class.

        Trees and pairs give no reasons: these are the discriminants' of features, of the piece as a whole.

        Args:
            tokens: (N, 8) ids of the piece.
            most: How many reasons at most.
        """
        features = stretch_matrix(tokens)
        logits = self.of_pieces([features], [tokens])[0]
        return logits, self.discriminants.reasons(features[:1], int(logits.argmax()), most)
