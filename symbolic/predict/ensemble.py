"""Boosted trees that vote with a network: what one of them takes for sure and the other doubts is mostly so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from symbolic.features.stats import Floats, softmax
from symbolic.predict.note_classifier import NoteClassifier

SHARES = np.linspace(0, 1, 21)
"""Of the trees in the vote, to choose from."""
Rows = NDArray[np.integer]
_LEAST = 1e-6
"""Probability that a class has at least, so that no voter can forbid one."""


class Ensemble(nn.Module):
    """Trees, and their share in the vote.

    The vote is the weighted mean of log probabilities (a logarithmic opinion pool: Genest & Zidek, 1986).

    Args:
        trees: That vote.
    """

    share: Tensor

    def __init__(self, trees: NoteClassifier) -> None:
        super().__init__()
        self.trees = trees
        self.register_buffer("share", torch.zeros((), dtype=torch.float64))

    def weigh(
        self,
        tokens: Sequence[Rows],
        logits: Sequence[NDArray[np.floating]],
        truths: Sequence[NDArray[np.integer]],
    ) -> None:
        """Choose the share by accuracy, and among equals by cross-entropy.

        Args:
            tokens: (N, 8) ids of each of some pieces that neither voter has learnt from.
            logits: (N, C) of each, from the network.
            truths: (N,) classes of its notes, -1 where there is none.
        """
        known = [truth >= 0 for truth in truths]
        ours = np.concatenate([_surely(one)[k] for one, k in zip(logits, known, strict=True)])
        theirs = np.concatenate(
            [_surely(self.trees.logits(one))[k] for one, k in zip(tokens, known, strict=True)]
        )
        truth = np.concatenate([one[k] for one, k in zip(truths, known, strict=True)])

        def merit(share: float) -> tuple[float, float]:
            pooled = _surely(_pooled(ours, theirs, share))
            right = pooled[np.arange(len(truth)), truth]
            return float((pooled.argmax(axis=1) == truth).mean()), float(right.mean())

        self.share.fill_(max(SHARES.tolist(), key=merit))

    def joined(
        self, tokens: Rows, logits: NDArray[np.floating], features: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """(N, C) log probabilities, but for a constant.

        Args:
            tokens: (N, 8) ids of a piece.
            logits: (N, C) from the network.
            features: As of `NoteClassifier.logits`.
        """
        pooled = _pooled(_surely(logits), _surely(self.trees.logits(tokens, features)), float(self.share))
        return pooled.astype(np.float32)


def _pooled(ours: Floats, theirs: Floats, share: float) -> Floats:
    return np.asarray((1 - share) * ours + share * theirs)


def _surely(logits: NDArray[np.floating]) -> Floats:
    """Log probabilities along the last axis, none below that of `_LEAST`."""
    return np.asarray(np.log(np.maximum(softmax(logits.astype(np.float64)), _LEAST)))
