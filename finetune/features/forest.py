"""Extremely randomised trees of hand-made features, kept as arrays: no pickle, and no scikit-learn to ask them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from finetune.features.stats import Floats

TREES = 100
FEWEST = 5
"""Rows in a leaf: of the seven stretches of a piece hardly one is told from the others, and a forest stays small."""


class Size(NamedTuple):
    """How much a forest holds: trees, nodes of all trees, leaves among them."""

    trees: int = 0
    nodes: int = 0
    leaves: int = 0


class Forest(nn.Module):
    """Trees (Geurts et al., "Extremely randomized trees", 2006) that say what share each class has.

    A node asks whether a feature is at most a threshold. If so, the next node answers, else the one that it names.

    Args:
        classes: How many.
        size: Of the arrays; those of a forest that is to be loaded.
    """

    roots: Tensor
    feature: Tensor
    threshold: Tensor
    other: Tensor
    leaf: Tensor

    def __init__(self, classes: int, size: Size) -> None:
        super().__init__()
        self.register_buffer("roots", torch.zeros(size.trees, dtype=torch.int32))
        self.register_buffer("feature", torch.zeros(size.nodes, dtype=torch.int16))  # -1 in a leaf
        self.register_buffer("threshold", torch.zeros(size.nodes))
        self.register_buffer("other", torch.zeros(size.nodes, dtype=torch.int32))  # in a leaf, which
        self.register_buffer("leaf", torch.zeros(size.leaves, classes, dtype=torch.float16))

    @property
    def size(self) -> Size:
        """What `__init__` needs to make room for these trees."""
        return Size(len(self.roots), len(self.feature), len(self.leaf))

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
        parts = [_arrays(one.tree_) for one in grown.estimators_]
        nodes = np.cumsum([0, *(len(part["feature"]) for part in parts)])
        leaves = np.cumsum([0, *(len(part["leaf"]) for part in parts)])
        forest = cls(classes, Size(trees, int(nodes[-1]), int(leaves[-1])))
        forest.roots.copy_(torch.from_numpy(nodes[:-1]))
        for name in ("feature", "threshold"):
            getattr(forest, name).copy_(torch.from_numpy(np.concatenate([part[name] for part in parts])))
        others = [
            part["other"] + np.where(part["feature"] < 0, leaf, node)
            for part, node, leaf in zip(parts, nodes[:-1], leaves[:-1], strict=True)
        ]
        forest.other.copy_(torch.from_numpy(np.concatenate(others)))
        shares = np.zeros((int(leaves[-1]), classes))
        shares[:, grown.classes_.astype(np.int64)] = np.concatenate([part["leaf"] for part in parts])
        forest.leaf.copy_(torch.from_numpy(shares))
        return forest

    def shares(self, features: Floats) -> Floats:
        """(P, C) mean over trees of the shares in the leaves that (P, F) features fall into."""
        values = features.astype(np.float32)  # as the thresholds were chosen
        feature, threshold, other = (
            tensor.cpu().numpy() for tensor in (self.feature, self.threshold, self.other)
        )
        node = np.repeat(self.roots.cpu().numpy()[None], len(values), axis=0)
        rows = np.arange(len(values))[:, None]
        while (asking := feature[node] >= 0).any():
            stays = values[rows, feature[node]] <= threshold[node]
            node = np.where(asking, np.where(stays, node + 1, other[node]), node)
        found: Floats = self.leaf.cpu().numpy().astype(np.float64)[other[node]].mean(axis=1)
        return found


def _arrays(tree: Any) -> dict[str, NDArray[Any]]:
    """One of scikit-learn's trees, whose nodes stand in the order of a walk: the left child follows its parent."""
    is_leaf = tree.children_left < 0
    threshold = tree.threshold.astype(np.float32)
    # Rounded down: what is compared is 32 bits wide, and nothing lies between.
    threshold = np.where(threshold > tree.threshold, np.nextafter(threshold, np.float32(-np.inf)), threshold)
    shares = tree.value[is_leaf, 0]
    return {
        "feature": np.where(is_leaf, -1, tree.feature),
        "threshold": np.where(is_leaf, 0, threshold),
        "other": np.where(is_leaf, np.cumsum(is_leaf) - 1, tree.children_right),
        "leaf": shares / shares.sum(axis=1, keepdims=True),
    }
