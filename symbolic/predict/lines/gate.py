"""Decide for each piece how far its highest line is the melody, and whether its music is unlike the training music."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from symbolic.features.stats import Floats
from symbolic.predict.lines.texture import MAKES, TEXTURE

LIKELY = 0.4
"""Least log-odds of a note on the skyline, where the skyline is the better melody: else a piece could have none."""
BEST_TRACK = TEXTURE.index("best_track")
LEADING = 0.4
"""Share of all melody on a track that leads, in music of any kind."""
MOST = 4.0
"""Largest log-odds of the line that count beside the skyline."""


class Gate(nn.Module):
    """Fitted numbers that read the `texture` of a piece.

    Attributes:
        centre, spread: (T,) mean and standard deviation of each number over the training pieces.
        skyline: (2, T + 1) weights of the numbers and a constant: log-odds that the skyline is the better melody.
            The second line is for files whose tracks vote.
        right: (T + 2,) weights of the numbers, of a note's log-odds on the line, and a constant: log-odds that a note
            on the skyline is melody where the skyline is the better melody.
        wrong: (2,) likewise without numbers: log-odds that another note is melody there.
        whitening: (M, M) from the standardised numbers of `MAKES` to uncorrelated ones of variance one.
        farthest: Distance from the training music beyond which music is unlike it.
    """

    centre: Tensor
    spread: Tensor
    skyline: Tensor
    right: Tensor
    wrong: Tensor
    whitening: Tensor
    farthest: Tensor

    def __init__(self) -> None:
        super().__init__()
        width, makes = len(TEXTURE), len(MAKES)

        def buffer(name: str, value: Tensor) -> None:
            self.register_buffer(name, value.to(torch.float64))

        buffer("centre", torch.zeros(width))
        buffer("spread", torch.ones(width))
        buffer("skyline", torch.zeros(2, width + 1))
        buffer("right", torch.zeros(width + 2))
        buffer("wrong", torch.zeros(2))
        buffer("whitening", torch.eye(makes))
        buffer("farthest", torch.full((), torch.inf))

    def distance(self, numbers: Floats) -> float:
        """Return how far a piece is from the training pieces, in standard deviations (Mahalanobis, by dimension).

        Args:
            numbers: (T,) from `texture`.
        """
        makes = self._standard(numbers)[: len(MAKES)] @ self.whitening
        return float(makes.square().mean().sqrt())

    def share(self, numbers: Floats, tracked: bool) -> float:
        """Return the probability that the skyline is the better melody of a piece.

        Args:
            numbers: (T,) from `texture`.
            tracked: Whether the tracks of the file vote.
        """
        weights = self.skyline[int(tracked)]
        return float(torch.sigmoid(self._standard(numbers) @ weights[:-1] + weights[-1]))

    def skyline_log_odds(self, line: Floats, above: NDArray[np.bool_], numbers: Floats) -> Floats:
        """Return (N,) log-odds of melody where the skyline is the better melody: its notes are always the likelier.

        Args:
            line: (N,) calibrated log-odds of the line.
            above: (N,) whether a note is on the skyline.
            numbers: (T,) from `texture`.
        """
        line = np.clip(line, -MOST, MOST)
        weights = self.right[torch.arange(len(self.right)) != len(TEXTURE)]
        # Weights hold where they were fitted: farther away the border counts.
        near = min(1.0, float(self.farthest) / max(self.distance(numbers), 1e-9))
        top = (
            float(self._standard(numbers) * near @ weights[:-1] + weights[-1])
            + float(self.right[len(TEXTURE)]) * line
        )
        return np.where(
            above,
            np.maximum(np.maximum(top, line), LIKELY),
            float(self.wrong[0]) * line + float(self.wrong[1]),
        )

    def blended(self, line: Floats, above: NDArray[np.bool_], numbers: Floats, tracked: bool) -> Floats:
        """Return (N,) log-odds of melody: of the line and of the skyline, each as far as the piece asks for it.

        Music unlike the training music gets its skyline, for there a model may fail in any way. A track that has
        most of the melody is trusted in all music.

        Args:
            line: (N,) calibrated log-odds of the line.
            above: (N,) whether a note is on the skyline.
            numbers: (T,) from `texture`.
            tracked: Whether the tracks of the file vote.
        """
        lost = self.distance(numbers) > float(self.farthest) and numbers[BEST_TRACK] < LEADING
        share = 1.0 if lost else self.share(numbers, tracked)
        skyline = self.skyline_log_odds(line, above, numbers)
        mixed = share * _chance(skyline) + (1 - share) * _chance(line)
        return np.asarray(np.log(mixed) - np.log1p(-mixed))

    def _standard(self, numbers: Floats) -> Tensor:
        return ((torch.from_numpy(numbers) - self.centre) / self.spread).clamp(-6, 6)


def _chance(odds: Floats) -> Floats:
    """Probabilities, none so near 0 or 1 that it has no log-odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -20, 20))))
