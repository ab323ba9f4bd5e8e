"""Gradient-boosted trees of hand-made features."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symbolic.features.stats import Floats
from symbolic.predict.classifiers.trees import Size, Trees


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
