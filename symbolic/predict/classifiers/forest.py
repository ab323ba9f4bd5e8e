"""Extremely randomised trees of hand-made features."""

from __future__ import annotations

import numpy as np
import torch

from symbolic.features.stats import Floats
from symbolic.predict.classifiers.trees import Size, Trees


class Forest(Trees):
    """Trees (Geurts et al., "Extremely randomized trees", 2006) that say what share each class has.

    Args:
        classes: How many.
        size: Of the arrays; those of a forest that is to be loaded.
    """

    def __init__(self, classes: int, size: Size) -> None:
        super().__init__(classes, size, torch.float16)

    def shares(self, features: Floats) -> Floats:
        """(P, C) mean over trees of the shares in the leaves that (P, F) features fall into."""
        said = self.leaf.cpu().numpy().astype(np.float64)
        found = np.empty((len(features), said.shape[1]))
        for rows, leaves in self.reached(features):
            found[rows] = said[leaves].mean(axis=1)
        return found
