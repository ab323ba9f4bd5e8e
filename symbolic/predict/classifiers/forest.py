"""Extremely randomised trees of hand-made features as arrays: no pickle and no scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.arrays import Arrays
from symbolic.errors import CheckpointError
from symbolic.features.stats import Floats

BLOCK = 1024
"""Examples that are looked up at a time: memory does not grow with their number."""
_STEPS = 4
"""Levels between two checks whether all have reached a leaf."""


class Size(NamedTuple):
    """Number of trees, of nodes in all trees and of leaves among them."""

    trees: int = 0
    nodes: int = 0
    leaves: int = 0


class Tree(NamedTuple):
    """One tree, its nodes in depth-first order: the left child follows its parent.

    Attributes:
        feature: (N,) feature of each split. Negative in a leaf.
        threshold: (N,) float64. Examples at most as large go left.
        right: (N,) index of the right child. Unused in a leaf.
        leaf: (L, C) probabilities in the leaves in the order of the nodes.
    """

    feature: NDArray[np.integer]
    threshold: NDArray[np.float64]
    right: NDArray[np.integer]
    leaf: NDArray[np.float64]


class Forest(Arrays):
    """Trees that give class probabilities (Geurts et al., "Extremely randomized trees", 2006).

    Args:
        classes: Number of classes.
        size: Size of the arrays that will be loaded.
    """

    def __init__(self, classes: int, size: Size) -> None:
        self.roots = np.zeros(size.trees, dtype=np.int32)
        self.feature = np.zeros(size.nodes, dtype=np.int16)  # -1 in a leaf
        self.threshold = np.zeros(size.nodes, dtype=np.float32)
        self.other = np.zeros(size.nodes, dtype=np.int32)  # right child, or number of the leaf
        self.leaf = np.zeros((size.leaves, classes), dtype=np.float16)

    def check(self, features: int) -> None:
        """Refuse trees in which a walk could leave its tree or run for ever.

        Args:
            features: Number of features.

        Raises:
            CheckpointError: If a root, a feature, a child, a leaf or a probability is out of its range.
        """
        roots, feature, other = (array.astype(np.int64) for array in (self.roots, self.feature, self.other))
        nodes, is_leaf = np.arange(len(feature)), feature < 0
        inner = nodes[~is_leaf]
        sound = (
            ((roots >= 0) & (roots < len(feature))).all()
            and ((feature >= -1) & (feature < features)).all()
            # Both children come after their parent, so that every walk ends.
            and (
                (other[~is_leaf] > inner) & (other[~is_leaf] < len(feature)) & (inner + 1 < len(feature))
            ).all()
            and ((other[is_leaf] >= 0) & (other[is_leaf] < len(self.leaf))).all()
            and bool(((self.leaf >= 0) & (self.leaf <= 1)).all())
        )
        if not sound:
            raise CheckpointError("The trees are damaged. Copy the checkpoint again, or fit it again.")

    @classmethod
    def of(cls, classes: int, trees: Sequence[Tree]) -> Forest:
        """Build a forest from its trees."""
        sizes = (sum(len(getattr(tree, name)) for tree in trees) for name in ("feature", "leaf"))
        forest, node, leaf = cls(classes, Size(len(trees), *sizes)), 0, 0
        for number, tree in enumerate(trees):
            nodes, leaves = slice(node, node + len(tree.feature)), slice(leaf, leaf + len(tree.leaf))
            is_leaf = tree.feature < 0
            forest.roots[number] = node
            forest.feature[nodes] = np.where(is_leaf, -1, tree.feature)
            forest.threshold[nodes] = np.where(is_leaf, 0, _rounded_down(tree.threshold))
            other = np.where(is_leaf, np.cumsum(is_leaf) - 1 + leaf, tree.right.astype(np.int64) + node)
            forest.other[nodes] = other
            forest.leaf[leaves] = tree.leaf
            node, leaf = nodes.stop, leaves.stop
        return forest

    @property
    def size(self) -> Size:
        """Size of the arrays for `__init__`."""
        return Size(len(self.roots), len(self.feature), len(self.leaf))

    @property
    def numbers(self) -> int:
        """Number of fitted values: thresholds and probabilities of leaves."""
        return self.threshold.size + self.leaf.size

    def probabilities(self, features: NDArray[np.floating]) -> Floats:
        """Return (P, C) probabilities of (P, F) features: the mean over trees. Features are compared as float32."""
        values = features.astype(np.float32)
        roots, feature, threshold, other = self.roots, self.feature, self.threshold, self.other
        in_leaves = self.leaf.astype(np.float64)
        found = np.empty((len(features), in_leaves.shape[1]))
        # A leaf leads to itself, so that all examples can walk until the last has arrived.
        is_leaf, itself = feature < 0, np.arange(len(feature))
        left, right = np.where(is_leaf, itself, itself + 1), np.where(is_leaf, itself, other)
        children = np.stack([left, right], axis=1).ravel()
        split = np.where(is_leaf, 0, feature).astype(np.int64)
        for start in range(0, len(values), BLOCK):
            part = values[start : start + BLOCK]
            first = np.arange(len(part))[:, None] * part.shape[1]
            node = np.tile(roots.astype(np.int64), (len(part), 1))
            while not is_leaf[node].all():
                for _ in range(_STEPS):
                    goes_right = part.ravel().take(first + split.take(node)) > threshold.take(node)
                    node = children.take(2 * node + goes_right)
            found[start : start + BLOCK] = in_leaves[other.take(node)].mean(axis=1)
        return found


def _rounded_down(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """Round to float32 without passing a float32 example."""
    found = threshold.astype(np.float32)
    return np.where(found > threshold, np.nextafter(found, np.float32(-np.inf)), found)
