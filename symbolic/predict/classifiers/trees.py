"""Decision trees as arrays: no pickle keeps them, and no scikit-learn is needed to ask them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

BLOCK = 1024
"""Rows that walk down the trees at once: memory does not grow with the piece."""
_STEPS = 4
"""Before it is asked whether all have arrived."""


class Size(NamedTuple):
    """How much there is: trees, nodes of all trees, leaves among them."""

    trees: int = 0
    nodes: int = 0
    leaves: int = 0


class Tree(NamedTuple):
    """One tree, its nodes in the order of a walk: the left child follows its parent.

    Attributes:
        feature: (N,) which is asked; negative in a leaf.
        threshold: (N,) float64; who is at most that goes left.
        right: (N,) number of the right child; of no meaning in a leaf.
        leaf: (L, W) what the leaves say, in the order of the nodes.
    """

    feature: NDArray[np.integer]
    threshold: NDArray[np.float64]
    right: NDArray[np.integer]
    leaf: NDArray[np.float64]


class Trees(nn.Module):
    """Trees side by side. A node asks whether a feature is at most a threshold.

    If so, the next node answers, else the one that it names.

    Args:
        width: How many numbers a leaf says.
        size: Of the arrays; those of trees that are to be loaded.
        dtype: Of what leaves say.
    """

    roots: Tensor
    feature: Tensor
    threshold: Tensor
    other: Tensor
    leaf: Tensor

    def __init__(self, width: int, size: Size, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("roots", torch.zeros(size.trees, dtype=torch.int32))
        self.register_buffer("feature", torch.zeros(size.nodes, dtype=torch.int16))  # -1 in a leaf
        self.register_buffer("threshold", torch.zeros(size.nodes))
        self.register_buffer("other", torch.zeros(size.nodes, dtype=torch.int32))  # in a leaf, which
        self.register_buffer("leaf", torch.zeros(size.leaves, width, dtype=dtype))

    @property
    def size(self) -> Size:
        """What `__init__` needs to make room for these trees."""
        return Size(len(self.roots), len(self.feature), len(self.leaf))

    @property
    def numbers(self) -> int:
        """How many were fitted: thresholds, and what leaves say."""
        return self.threshold.numel() + self.leaf.numel()

    def take(self, trees: Sequence[Tree]) -> None:
        """Become these trees, for which `__init__` has made room."""
        node = leaf = 0
        for number, tree in enumerate(trees):
            nodes, leaves = slice(node, node + len(tree.feature)), slice(leaf, leaf + len(tree.leaf))
            is_leaf = tree.feature < 0
            self.roots[number] = node
            self.feature[nodes] = torch.from_numpy(np.where(is_leaf, -1, tree.feature))
            self.threshold[nodes] = torch.from_numpy(np.where(is_leaf, 0, _rounded_down(tree.threshold)))
            other = np.where(is_leaf, np.cumsum(is_leaf) - 1 + leaf, tree.right.astype(np.int64) + node)
            self.other[nodes] = torch.from_numpy(other)
            self.leaf[leaves] = torch.from_numpy(tree.leaf).to(self.leaf.dtype)
            node, leaf = nodes.stop, leaves.stop

    def reached(self, features: NDArray[np.floating]) -> Iterator[tuple[slice, NDArray[np.int64]]]:
        """Which leaf of each tree (P, F) features, taken as 32 bits, fall into: rows, and (R, T) of them, by blocks."""
        values = features.astype(np.float32)  # as the thresholds were chosen
        roots, feature, threshold, other = (
            tensor.cpu().numpy() for tensor in (self.roots, self.feature, self.threshold, self.other)
        )
        # A leaf asks nothing and leads to itself, so that all may walk until the last has arrived.
        is_leaf, itself = feature < 0, np.arange(len(feature))
        left, right = np.where(is_leaf, itself, itself + 1), np.where(is_leaf, itself, other)
        children = np.stack([left, right], axis=1).ravel()
        asked = np.where(is_leaf, 0, feature).astype(np.int64)
        for start in range(0, len(values), BLOCK):
            part = values[start : start + BLOCK]
            row, node = (
                np.arange(len(part))[:, None] * part.shape[1],
                np.tile(roots.astype(np.int64), (len(part), 1)),
            )
            while not is_leaf[node].all():
                for _ in range(_STEPS):
                    more = part.ravel().take(row + asked.take(node)) > threshold.take(node)
                    node = children.take(2 * node + more)
            yield slice(start, start + len(part)), other.take(node).astype(np.int64)


def size_of(trees: Sequence[Tree]) -> Size:
    """What room they need."""
    return Size(len(trees), sum(len(tree.feature) for tree in trees), sum(len(tree.leaf) for tree in trees))


def _rounded_down(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """What is compared is 32 bits wide, and nothing lies between."""
    found = threshold.astype(np.float32)
    return np.where(found > threshold, np.nextafter(found, np.float32(-np.inf)), found)
