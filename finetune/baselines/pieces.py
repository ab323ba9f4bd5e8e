"""Fit classifiers of pieces to hand-made features and to pairs of values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from finetune.baselines.discriminants import fit_discriminants
from finetune.baselines.forest import fit_forest
from finetune.baselines.products import fit_products
from symbolic.features.stats import Floats
from symbolic.features.stretches import edges
from symbolic.predict.classifiers.pairs import ROWS, PairDiscriminants
from symbolic.predict.classifiers.pieces import FeatureClassifier

MOST_EXAMPLES = 4000
"""Stretches to which pairs are fitted: inner products of more take minutes."""
_BLOCK = 2048
"""Columns that are computed with at a time."""


def fit_piece_classifier(
    pieces: Sequence[Floats], labels: NDArray[np.integer], classes: int
) -> FeatureClassifier:
    """Fit a classifier of these pieces.

    Args:
        pieces: (S, F) of each from `stretch_matrix`.
        labels: (P,) class of each.
        classes: How many there are. Those without a piece are never predicted.
    """
    features = np.concatenate(pieces)
    repeated = np.repeat(labels, [len(one) for one in pieces])
    model = FeatureClassifier(classes)
    model.discriminants = fit_discriminants(features, repeated, classes)
    model.forest = fit_forest(features, repeated, classes)
    return model


def fit_pairs(
    pieces: Sequence[NDArray[np.integer]],
    labels: NDArray[np.integer],
    classes: int,
    pitch_classes: bool = False,
    most: int = MOST_EXAMPLES,
) -> PairDiscriminants | None:
    """Fit discriminants of pairs of values. Where there are too many pieces for quarters or halves, they are left out.

    Args:
        pieces: (N, 8) ids of each.
        labels: (P,) class of each.
        classes: How many there are. Those without a piece are never predicted.
        pitch_classes: Whether pairs may depend on the key.
        most: Most examples, which bounds time and memory.

    Returns:
        The discriminants. None if there are more pieces than `most`.
    """
    lengths = [len(edges(len(tokens))) for tokens in pieces]
    rows = next((n for n in reversed(ROWS) if sum(min(n, length) for length in lengths) <= most), None)
    if rows is None:
        return None
    model = PairDiscriminants(classes, pitch_classes, rows)
    parts = [model.matrix(tokens).astype(np.float16) for tokens in pieces]
    owners = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    known, place = np.unique(labels[owners], return_inverse=True)
    examples, width = np.concatenate(parts), model.linear.weight.shape[1]
    blocks = [slice(start, start + _BLOCK) for start in range(0, width, _BLOCK)]
    products = np.zeros((len(examples), len(examples)), dtype=np.float32)
    centre = examples.mean(axis=0, dtype=np.float32)
    for block in blocks:
        moved = examples[:, block] - centre[block]
        products += moved @ moved.T
    weights, biases = fit_products(products, width, place, owners)
    linear = np.concatenate([(examples[:, block] - centre[block]).T @ weights for block in blocks]).T
    model.linear.bias[:] = -np.inf
    model.linear.weight[known], model.linear.bias[known] = linear, biases - linear @ centre
    return model
