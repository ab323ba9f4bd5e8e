"""Fit gradient-boosted trees to hand-made features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbolic.predict.classifiers.boosting import BoostedTrees, canonical
from symbolic.predict.classifiers.lightgbm_library import library

ROUNDS = 120
"""Trees of every class; fewer where there would be more than `TREES` in all."""
TREES = 480
LEARNING_RATE = 0.1
L2 = 1.0
MIN_HESSIAN = 1e-3


def lightgbm_settings(classes: int) -> dict[str, Any]:
    """Return LightGBM's settings for this number of classes, two or more."""
    # LightGBM multiplies the Hessians of its multiclass objective by this factor, which shortens every step.
    # The scaled settings undo that. Two classes keep the rate: the trees of both move the margin.
    factor = classes / (classes - 1)
    return {
        "objective": "multiclass",
        "num_class": classes,
        "learning_rate": LEARNING_RATE * (factor if classes > 2 else 1),
        "num_leaves": 31,
        "min_data_in_leaf": 20,
        "min_sum_hessian_in_leaf": MIN_HESSIAN * factor,
        "lambda_l2": L2 * factor,
        "feature_fraction_bynode": 0.3,
        # The same notes give the same trees, on every machine.
        "seed": 0,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }


def fit_boosting(
    features: NDArray[np.float32],
    labels: NDArray[np.integer],
    classes: int,
    rounds: int = ROUNDS,
    most: int = TREES,
) -> BoostedTrees:
    """Fit boosted trees with LightGBM. The same examples give the same trees.

    Args:
        features: (P, F), finite.
        labels: (P,) class of each example.
        classes: Number of classes. Those without an example are never predicted.
        rounds: Most trees of each class.
        most: Most trees in all.

    Raises:
        ImportError: If LightGBM cannot be imported.
    """
    library()  # its errors tell the remedy
    import lightgbm  # it takes a second

    known, place = np.unique(labels, return_inverse=True)
    model = BoostedTrees(classes)
    if len(known) == 1:  # there is nothing to decide
        return model.take("", known)
    booster = lightgbm.train(
        lightgbm_settings(len(known)),
        lightgbm.Dataset(features, place),
        min(rounds, max(1, most // len(known))),
    )
    return model.take(canonical(booster.model_to_string(), len(known), features.shape[1]), known)
