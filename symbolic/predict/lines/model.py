"""A melody model of trees: they rate each note by hand-made features, then lines decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from symbolic.features.stats import Floats, softmax
from symbolic.predict.classifiers.boosting import BoostedTrees
from symbolic.predict.lines.decoding import LineDecoder
from symbolic.predict.lines.features import line_features, line_names
from symbolic.tokens.vocabulary import DRUM_PITCH, PITCH, RESERVED

CLASSES = 2
"""Melody and the rest, in this order."""
_UNLIKE = (
    "The music is unlike what the model was trained on ({far:.1f} times the usual distance): trust it less."
)


class MelodyLines(nn.Module):
    """Log-probabilities of melody and the rest, for every note of a piece.

    The first trees rate each note. The second read the same features and the first ratings of the notes around, as in
    `NoteClassifier`. Then tracks vote if there are several, and `line_log_odds` sums over the lines that the melody
    could take. A piece of one voice is melody.

    Args:
        sizes: Bytes of the first and the second trees that will be loaded.
    """

    centre: Tensor
    spread: Tensor
    farthest: Tensor

    def __init__(self, sizes: tuple[int, int] = (0, 0)) -> None:
        super().__init__()
        self.first, self.second = (BoostedTrees(CLASSES, size) for size in sizes)
        width = len(line_names(predicted=False))
        self.decoder = LineDecoder()
        self.register_buffer("centre", torch.zeros(width, dtype=torch.float64))
        self.register_buffer("spread", torch.ones(width, dtype=torch.float64))
        self.register_buffer("farthest", torch.full((), torch.inf, dtype=torch.float64))

    def describe(self) -> dict[str, Any]:
        """Return what `described` needs as JSON values."""
        return {
            "features": list(line_names(predicted=True)),
            **self.decoder.describe(),
            "trees": [part.size for part in (self.first, self.second)],
        }

    @classmethod
    def described(cls, classes: int, about: Mapping[str, Any]) -> MelodyLines | None:
        """Return one whose weights can be loaded. None if it was fitted in another way than this release fits."""
        same = about.get("features") == list(line_names(predicted=True))
        if (
            classes != CLASSES
            or not same
            or "trees" not in about
            or not LineDecoder.described(classes, about)
        ):
            return None
        first, second = about["trees"]
        return cls((int(first), int(second)))

    def check(self) -> None:
        """Refuse damaged trees in which a walk might run for ever.

        Raises:
            CheckpointError: If there are any.
        """
        self.first.check(len(line_names(predicted=False)))
        self.second.check(len(line_names(predicted=True)))

    @property
    def numbers(self) -> int:
        """Count the fitted numbers."""
        rest = (self.decoder.values, self.centre, self.spread)
        return self.first.numbers + self.second.numbers + sum(one.numel() for one in rest)

    def logits(self, tokens: NDArray[np.integer]) -> Floats:
        """Return (N, 2) log-probabilities of melody and the rest. Tracks do not vote. Arguments as for `explained`."""
        return self.explained(tokens)[0]

    def classes(self, tokens: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the (N,) most likely class of each note. Tracks do not vote."""
        return np.asarray(self.logits(tokens).argmax(axis=1))

    def explained(
        self, tokens: NDArray[np.integer], tracks: NDArray[np.integer] | None = None
    ) -> tuple[Floats, tuple[str, ...]]:
        """Return (N, 2) log-probabilities of melody and the rest, and reasons to trust them less, as sentences.

        Args:
            tokens: (N, 8) ids of a piece in canonical order.
            tracks: (N,) track of each note. None where they shall not vote.
        """
        features = line_features(tokens)
        odds = self.decoder.log_odds(self.note_log_odds(tokens, features), tokens, tracks)
        pitched = tokens[:, PITCH] < DRUM_PITCH + RESERVED
        warnings = self.warnings(features[pitched]) if pitched.any() else ()
        return np.stack([-np.logaddexp(0, -odds), -np.logaddexp(0, odds)], axis=1), warnings

    def note_log_odds(self, tokens: NDArray[np.integer], features: NDArray[np.float32]) -> Floats:
        """Return (N,) log-odds of melody by the trees alone.

        Args:
            tokens: (N, 8) ids of a piece in canonical order.
            features: (N, F) from `line_features`.
        """
        melody = softmax(self.first.logits(features))[:, 0]
        logits = self.second.logits(line_features(tokens, melody))
        return np.asarray(logits[:, 0] - logits[:, 1])

    def warnings(self, features: NDArray[np.float32]) -> tuple[str, ...]:
        """Return sentences on a piece that is unlike the training pieces; none for others.

        Args:
            features: (N, F) from `line_features`.
        """
        far = self.distance(features) / float(self.farthest)
        return (_UNLIKE.format(far=far),) if far > 1 else ()

    def distance(self, features: NDArray[np.float32]) -> float:
        """Return how far the mean of a piece's features is from the training pieces, in their standard deviations."""
        off = (features.mean(axis=0, dtype=np.float64) - self.centre.numpy()) / self.spread.numpy()
        return float(np.sqrt(np.mean(np.minimum(off**2, 25))))
