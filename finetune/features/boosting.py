"""Gradient-boosted trees of hand-made features."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from finetune.features.stats import Floats
from finetune.features.trees import Size, Tree, Trees, size_of

ROUNDS = 120
"""Of trees of every class; fewer where classes are so many that there would be more trees than `TREES`."""
TREES = 480
RATE = 0.1
LEAVES = 31
ASKED = 0.3
"""Share of the features that a node may choose from."""


class Boosting(Trees):
    """Trees that add to the logits of classes, one of each class in a round.

    Friedman, "Greedy function approximation: a gradient boosting machine" (2001), with features in bins as by Ke et
    al., "LightGBM" (2017).

    Args:
        classes: How many.
        size: Of the arrays; those of trees that are to be loaded.
    """

    first: Tensor
    speaks: Tensor

    def __init__(self, classes: int, size: Size) -> None:
        super().__init__(1, size, torch.float32)
        self.register_buffer("first", torch.zeros(classes))  # -inf: a class that no row had
        self.register_buffer("speaks", torch.zeros(size.trees, dtype=torch.int16))  # a tree's class

    @classmethod
    def fit(
        cls, features: NDArray[np.float32], labels: NDArray[np.integer], classes: int, rounds: int = ROUNDS
    ) -> Boosting:
        """The same trees for the same rows.

        Args:
            features: (P, F), finite.
            labels: (P,) class of each row.
            classes: How many there are; those that no row has are never answered.
            rounds: How many trees of each class to grow at most.
        """
        from sklearn.ensemble import HistGradientBoostingClassifier

        known = np.unique(labels).astype(np.int64)
        model = cls(classes, Size())
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
        model = cls(classes, size_of(parts))
        model.take(parts)
        model.first.fill_(-torch.inf)
        model.first[known] = 0
        model.first[spoken] = torch.from_numpy(grown._baseline_prediction[0]).float()
        model.speaks.copy_(torch.from_numpy(np.tile(spoken, len(grown._predictors))))
        return model

    def logits(self, features: NDArray[np.floating]) -> Floats:
        """(P, C) from (P, F) features."""
        said = self.leaf[:, 0].cpu().numpy().astype(np.float64)
        first, speaks = (tensor.cpu().numpy() for tensor in (self.first, self.speaks))
        found = np.tile(first.astype(np.float64), (len(features), 1))
        for rows, leaves in self.reached(features):
            added = said[leaves]
            for name in np.unique(speaks):
                found[rows, name] += added[:, speaks == name].sum(axis=1)
        return found


def _tree(nodes: NDArray[Any]) -> Tree:
    is_leaf = nodes["is_leaf"].astype(bool)
    feature = np.where(is_leaf, -1, nodes["feature_idx"].astype(np.int64))
    return Tree(feature, nodes["num_threshold"], nodes["right"], nodes["value"][is_leaf, None])
