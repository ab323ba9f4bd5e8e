"""Fit a classifier of pieces to hand-made features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from finetune.baselines.discriminants import fit_discriminants
from finetune.baselines.forest import fit_forest
from symbolic.features.stats import Floats
from symbolic.predict.classifiers.pieces import FeatureClassifier


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
    return model.requires_grad_(False).eval()
