"""Describe pieces and their halves and quarters: by features, histograms, pairs of values, and states of backbones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from experiments.discriminants import of_numbers, of_products
from symbolic.features import feature_groups
from symbolic.features.pairs import pair_histograms
from symbolic.features.stats import Floats
from symbolic.features.stretches import edges, stretches
from symbolic.predict.layers import note_states
from symbolic.predict.model import MusicModel
from symbolic.predict.windows import Cut, predict_tokens

Rows = NDArray[np.integer]
_GROUP = 16
"""Pieces that a model reads at a time."""


class Input(NamedTuple):
    """Numbers that describe E stretches.

    Attributes:
        numbers: (E, F) numbers, or the (E, E) inner products of more numbers than are worth keeping.
        width: How many numbers there are.
    """

    numbers: NDArray[np.floating]
    width: int

    def log_posteriors(
        self, labels: NDArray[np.integer], pieces: NDArray[np.integer], train: NDArray[np.bool_], classes: int
    ) -> Floats:
        """Return (P, C) log-probabilities of pieces, as `of_numbers` does."""
        if self.numbers.shape[1] == self.width:
            return of_numbers(self.numbers.astype(np.float64), labels, pieces, train, classes)
        return of_products(self.numbers, self.width, labels, pieces, train, classes)


def stretch_owners(pieces: Sequence[Rows]) -> NDArray[np.int64]:
    """Return (E,) the piece of each stretch."""
    return np.repeat(np.arange(len(pieces)), [len(edges(len(tokens))) for tokens in pieces])


def counted(pieces: Sequence[Rows], pitch_classes: bool) -> dict[str, Input]:
    """Return what is counted without learning: "features", "histograms" of relations, "pairs" of their values.

    Args:
        pieces: (N, 8) ids of each piece.
        pitch_classes: Let pairs depend on the key.
    """
    features, histograms = [], []
    for tokens in tqdm(pieces, "features", leave=False, disable=None):
        for part in stretches(tokens):
            groups = feature_groups(part)
            histograms.append(list(groups.pop("relations").values()))
            features.append([value for group in groups.values() for value in group.values()])
    named = {"features": np.array(features), "histograms": np.array(histograms)}
    inputs = {name: Input(numbers, numbers.shape[1]) for name, numbers in named.items()}
    return {**inputs, "pairs": _pairs(pieces, pitch_classes)}


def _pairs(pieces: Sequence[Rows], pitch_classes: bool) -> Input:
    """Return the inner products of all histograms of pairs."""
    histograms = [
        pair_histograms(tokens, pitch_classes=pitch_classes)
        for tokens in tqdm(pieces, "pairs", leave=False, disable=None)
    ]
    products, width = np.float32(0), 0
    for name in list(histograms[0]):
        block = np.concatenate([one.pop(name) for one in histograms])
        block -= block.mean(0)  # discriminants do not depend on it, and single precision suffices
        products, width = products + block @ block.T, width + block.shape[1]
    return Input(np.asarray(products), width)


def states(model: MusicModel, pieces: Sequence[Rows]) -> dict[str, Input]:
    """Return the mean and the deviation over notes of normed states: of all layers, and of the last alone."""
    backbone = model.backbone.eval()

    def of_notes(ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        return note_states(backbone.states(ids, attention_mask))

    rows = []
    for start in tqdm(range(0, len(pieces), _GROUP), f"states of {model.name}", leave=False, disable=None):
        group = pieces[start : start + _GROUP]
        for output in predict_tokens(of_notes, group, Cut(backbone.config.window, 0)):
            parts = [output[a:b] for a, b in edges(len(output))]
            rows += [np.stack([part.mean(0, np.float64), part.std(0, np.float64)]) for part in parts]
    found, last = np.array(rows), backbone.config.dim
    named = {"states": found, "last states": found[..., -last:]}
    return {name: Input(flat := one.reshape(len(one), -1), flat.shape[1]) for name, one in named.items()}


def together(posteriors: Mapping[str, Floats], inputs: Sequence[str]) -> Floats:
    """Return (P, C) sums of the log-probabilities of several inputs: all have the same say."""
    return np.asarray(sum(posteriors[name] for name in inputs))
