"""Fit extremely randomised trees to hand-made features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbolic.features.stats import Floats
from symbolic.predict.classifiers.forest import Forest
from symbolic.predict.classifiers.trees import Tree, size_of

TREES = 100
FEWEST = 5
"""Rows in a leaf: of the seven stretches of a piece hardly one is told from the others, and a forest stays small."""


def fit_forest(features: Floats, labels: NDArray[np.integer], classes: int, trees: int = TREES) -> Forest:
    """Fit a forest; the same rows give the same forest.

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
    forest = Forest(classes, size_of(parts))
    forest.take(parts)
    return forest


def _tree(tree: Any, known: NDArray[np.int64], classes: int) -> Tree:
    """One of scikit-learn's trees, whose leaves know of those classes alone that were shown."""
    is_leaf = tree.children_left < 0
    counts = tree.value[is_leaf, 0]
    shares = np.zeros((len(counts), classes))
    shares[:, known] = counts / counts.sum(axis=1, keepdims=True)
    return Tree(np.where(is_leaf, -1, tree.feature), tree.threshold, tree.children_right, shares)
