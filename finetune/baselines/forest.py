"""Fit extremely randomised trees to hand-made features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbolic.features.stats import Floats
from symbolic.predict.classifiers.forest import Forest, Tree

TREES = 100
FEWEST = 5
"""Examples in a leaf. The seven stretches of a piece resemble one another, and the forest stays small."""


def fit_forest(features: Floats, labels: NDArray[np.integer], classes: int, trees: int = TREES) -> Forest:
    """Fit a forest. The same examples give the same forest.

    Args:
        features: (P, F).
        labels: (P,) class of each example.
        classes: Number of classes.
        trees: Number of trees.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    fitted = ExtraTreesClassifier(trees, min_samples_leaf=FEWEST, random_state=0).fit(features, labels)
    known = fitted.classes_.astype(np.int64)
    return Forest.of(classes, [_tree(one.tree_, known, classes) for one in fitted.estimators_])


def _tree(tree: Any, known: NDArray[np.int64], classes: int) -> Tree:
    """Convert a tree of scikit-learn, whose leaves have the known classes alone."""
    is_leaf = tree.children_left < 0
    counts = tree.value[is_leaf, 0]
    probabilities = np.zeros((len(counts), classes))
    probabilities[:, known] = counts / counts.sum(axis=1, keepdims=True)
    return Tree(np.where(is_leaf, -1, tree.feature), tree.threshold, tree.children_right, probabilities)
