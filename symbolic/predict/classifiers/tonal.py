"""Recognise keys and chords: one regression that scores all twelve tonics alike, from histograms of pitch classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbolic.arrays import Arrays
from symbolic.features.harmony import CHORD_KINDS, KEY_KINDS, STEPS, chord_histograms, key_histograms
from symbolic.features.onsets import times
from symbolic.features.stats import Floats, Ints
from symbolic.predict.tonality import MODES

SPANS = {"piece": KEY_KINDS, "beat": CHORD_KINDS}
"""What is recognised once for a piece, and for each beat, with the histograms that are read."""
_TONICS = (np.arange(STEPS)[:, None] + np.arange(STEPS)) % STEPS


class TonalClassifier(Arrays):
    """Logits of the degree of each note in its key or chord, by a conditional logit model (McFadden, 1973).

    Each mode has one weight for every histogram and degree above the tonic. The weights are the same for all tonics, so
    that predictions move with the music.

    Args:
        span: A name of `SPANS`.
    """

    def __init__(self, span: str) -> None:
        self.span = span
        self.weight = np.zeros((len(MODES), len(SPANS[span]) * STEPS), dtype=np.float32)
        self.bias = np.zeros(len(MODES), dtype=np.float32)

    def describe(self) -> dict[str, Any]:
        """Return what `described` needs as JSON values."""
        return {"span": self.span, "histograms": list(SPANS[self.span])}

    @classmethod
    def described(cls, classes: int, about: Mapping[str, Any]) -> TonalClassifier | None:
        """Return one whose weights can be loaded. None if it reads other histograms than this release computes."""
        span = about.get("span")
        known = SPANS.get(span) if isinstance(span, str) else None
        if known is None or about.get("histograms") != list(known) or classes != len(MODES) * STEPS:
            return None
        return cls(str(span))

    def check(self) -> None:
        """Accept any weights: all are finite, which the checkpoint has made sure of."""

    @property
    def numbers(self) -> int:
        """Count the fitted numbers."""
        return self.weight.size + self.bias.size

    def tonality_logits(self, tokens: NDArray[np.integer]) -> tuple[Floats, Ints]:
        """Return logits of each key or chord.

        Args:
            tokens: (N, 8) ids.

        Returns:
            (P, 24) logits by tonic plus twelve times the mode, of the piece or of each beat, and (N,) the place of
            each note among them.
        """
        seen, place = histograms(self.span, tokens)
        weight, bias = (one.astype(np.float64) for one in (self.weight, self.bias))
        scores = np.einsum("ptf,mf->pmt", seen, weight) + bias[:, None]
        return scores.reshape(len(scores), -1), place

    def logits(self, tokens: NDArray[np.integer]) -> Floats:
        """Return (N, 24) logits of `symbolic.predict.tonality.TONAL_CLASSES` of the (N, 8) tokens of a piece."""
        found, place = self.tonality_logits(tokens)
        tonic = (times(tokens)[2][:, None] - np.arange(STEPS)) % STEPS
        of_notes = found[place]
        return np.take_along_axis(of_notes, np.concatenate([tonic, tonic + STEPS], axis=1), axis=1)

    def classes(self, tokens: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the (N,) most likely class of each note."""
        return np.asarray(self.logits(tokens).argmax(axis=1))


def histograms(span: str, tokens: NDArray[np.integer]) -> tuple[Floats, Ints]:
    """Return histograms as every tonic sees them.

    Args:
        span: A name of `SPANS`.
        tokens: (N, 8) ids.

    Returns:
        (P, 12, F) of P places, twelve tonics, and histograms by degree above the tonic. And (N,) the place of each
        note.
    """
    if span == "piece":
        found, place = key_histograms(tokens)[None], np.zeros(len(tokens), dtype=np.int64)
    else:
        found, place = chord_histograms(tokens)
    turned = found[:, :, _TONICS]
    return turned.transpose(0, 2, 1, 3).reshape(len(found), STEPS, -1), place
