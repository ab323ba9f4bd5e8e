"""Fit gradient-boosted trees to hand-made features."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from symbolic.predict.classifiers.boosting import Boosting
from symbolic.predict.classifiers.trees import Size, Tree, size_of

ROUNDS = 120
"""Of trees of every class; fewer where classes are so many that there would be more trees than `TREES`."""
TREES = 480
RATE = 0.1
LEAVES = 31
ASKED = 0.3
"""Share of the features that a node may choose from."""


def fit_boosting(
    features: NDArray[np.float32], labels: NDArray[np.integer], classes: int, rounds: int = ROUNDS
) -> Boosting:
    """Fit boosted trees; the same rows give the same trees.

    Args:
        features: (P, F), finite.
        labels: (P,) class of each row.
        classes: How many there are; those that no row has are never answered.
        rounds: How many trees of each class to grow at most.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    known = np.unique(labels).astype(np.int64)
    model = Boosting(classes, Size())
    model.first.fill_(-torch.inf)
    if len(known) == 1:  # there is nothing to tell apart, and scikit-learn refuses
        model.first[known] = 0
        return model
    grown = HistGradientBoostingClassifier(
        learning_rate=RATE,
        max_iter=min(rounds, max(1, TREES // len(known))),
        max_leaf_nodes=LEAVES,
        max_features=ASKED,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=0,
    ).fit(features, labels)
    # Of two classes, trees speak for the second alone.
    spoken = known[1:] if len(known) == 2 else known
    parts = [_tree(one.nodes) for turn in grown._predictors for one in turn]
    model = Boosting(classes, size_of(parts))
    model.take(parts)
    model.first.fill_(-torch.inf)
    model.first[known] = 0
    model.first[spoken] = torch.from_numpy(grown._baseline_prediction[0]).float()
    model.speaks.copy_(torch.from_numpy(np.tile(spoken, len(grown._predictors))))
    return model


def _tree(nodes: NDArray[Any]) -> Tree:
    is_leaf = nodes["is_leaf"].astype(bool)
    feature = np.where(is_leaf, -1, nodes["feature_idx"].astype(np.int64))
    return Tree(feature, nodes["num_threshold"], nodes["right"], nodes["value"][is_leaf, None])
