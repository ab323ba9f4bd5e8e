"""Extremely randomised trees of hand-made features."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from finetune.features.stats import Floats
from finetune.features.trees import Size, Tree, Trees, size_of

TREES = 100
FEWEST = 5
"""Rows in a leaf: of the seven stretches of a piece hardly one is told from the others, and a forest stays small."""


class Forest(Trees):
    """Trees (Geurts et al., "Extremely randomized trees", 2006) that say what share each class has.

    Args:
        classes: How many.
        size: Of the arrays; those of a forest that is to be loaded.
    """

    def __init__(self, classes: int, size: Size) -> None:
        super().__init__(classes, size, torch.float16)

    @classmethod
    def fit(cls, features: Floats, labels: NDArray[np.integer], classes: int, trees: int = TREES) -> Forest:
        """The same forest for the same rows.

        Args:
            features: (P, F).
            labels: (P,) class of each row.
            classes: How many there are.
            trees: How many to grow.
        """
        from sklearn.ensemble import ExtraTreesClassifier

        grown = ExtraTreesClassifier(trees, min_samples_leaf=FEWEST, random_state=0).fit(features, labels)
        known = grown.classes_.astype(np.int64)
        parts = [_tree(one.tree_, known, classes) for one in grown.estimators_]
        forest = cls(classes, size_of(parts))
        forest.take(parts)
        return forest

    def shares(self, features: Floats) -> Floats:
        """(P, C) mean over trees of the shares in the leaves that (P, F) features fall into."""
        said = self.leaf.cpu().numpy().astype(np.float64)
        found = np.empty((len(features), said.shape[1]))
        for rows, leaves in self.reached(features):
            found[rows] = said[leaves].mean(axis=1)
        return found


def _tree(tree: Any, known: NDArray[np.int64], classes: int) -> Tree:
    """One of scikit-learn's trees, whose leaves know of those classes alone that were shown."""
    is_leaf = tree.children_left < 0
    counts = tree.value[is_leaf, 0]
    shares = np.zeros((len(counts), classes))
    shares[:, known] = counts / counts.sum(axis=1, keepdims=True)
    return Tree(np.where(is_leaf, -1, tree.feature), tree.threshold, tree.children_right, shares)
