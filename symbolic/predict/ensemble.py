"""An ensemble of a network and gradient-boosted trees. Where one is unsure, the other often is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from symbolic.arrays import Arrays
from symbolic.features.stats import Floats, softmax
from symbolic.predict.classifiers.notes import NoteClassifier

SHARES = np.linspace(0, 1, 21)
"""Weights of the trees to choose from."""
Rows = NDArray[np.integer]
_LEAST = 1e-6
"""Least probability of a class, so that neither member can rule one out."""


class Ensemble(Arrays):
    """Trees and their weight beside a network.

    Predictions are the weighted mean of log probabilities (logarithmic opinion pool: Genest & Zidek, 1986).

    Args:
        trees: The trees.
    """

    def __init__(self, trees: NoteClassifier) -> None:
        self.trees, self.share = trees, np.zeros(())

    def weigh(
        self,
        tokens: Sequence[Rows],
        logits: Sequence[NDArray[np.floating]],
        truths: Sequence[NDArray[np.integer]],
        features: Callable[[Rows], NDArray[np.float32]] | None = None,
    ) -> None:
        """Choose the weight by accuracy and among equals by the probability of the true class.

        Args:
            tokens: (N, 8) ids of each piece of a validation set.
            logits: (N, C) logits of each piece from the network.
            truths: (N,) classes of its notes, -1 where there is none.
            features: Remembers the features of a piece. None: they are computed.
        """
        known = [truth >= 0 for truth in truths]
        ours = np.concatenate([_log_probabilities(one)[k] for one, k in zip(logits, known, strict=True)])
        theirs = np.concatenate(
            [
                _log_probabilities(self.trees.logits(one, features(one) if features else None))[k]
                for one, k in zip(tokens, known, strict=True)
            ]
        )
        truth = np.concatenate([one[k] for one, k in zip(truths, known, strict=True)])

        def merit(share: float) -> tuple[float, float]:
            pooled = _log_probabilities(_pooled(ours, theirs, share))
            right = pooled[np.arange(len(truth)), truth]
            return float((pooled.argmax(axis=1) == truth).mean()), float(right.mean())

        self.share[...] = max(SHARES.tolist(), key=merit)

    def joined(
        self, tokens: Rows, logits: NDArray[np.floating], features: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return the (N, C) log probabilities of network and trees together, up to a constant.

        Args:
            tokens: (N, 8) ids of a piece.
            logits: (N, C) logits from the network.
            features: (N, F) from `note_matrix` if they are computed already.
        """
        pooled = _pooled(
            _log_probabilities(logits),
            _log_probabilities(self.trees.logits(tokens, features)),
            float(self.share),
        )
        return pooled.astype(np.float32)


def _pooled(ours: Floats, theirs: Floats, share: float) -> Floats:
    return np.asarray((1 - share) * ours + share * theirs)


def _log_probabilities(logits: NDArray[np.floating]) -> Floats:
    """Return log probabilities along the last axis, none below that of `_LEAST`."""
    return np.asarray(np.log(np.maximum(softmax(logits.astype(np.float64)), _LEAST)))
