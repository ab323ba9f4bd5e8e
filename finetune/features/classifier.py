"""Hand-made features as a classifier of pieces: linear discriminants, fitted at once and kept like any other model."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from finetune.features import feature_matrix, feature_names
from finetune.features.stats import Floats


class Reason(NamedTuple):
    """What one feature has to do with an answer.

    Attributes:
        feature: Its name.
        deviations: How far the piece lies from the mean of the training pieces, in their standard deviations.
        weight: What that adds to the logit of the answer, above what it adds to those of all classes in the mean.
    """

    feature: str
    deviations: float
    weight: float


class FeatureClassifier(nn.Module):
    """Features, standardised, and a linear layer: logits of a piece's classes from its rows.

    Its weights are those of Fisher's linear discriminants with the shrunken covariance of Ledoit & Wolf (2004), so
    there is nothing to choose and nothing random about it; `fit` makes them.

    Args:
        classes: How many.
    """

    centre: Tensor
    deviation: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        width = len(feature_names())
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))
        self.linear = nn.Linear(width, classes)

    @classmethod
    def fit(cls, features: Floats, labels: NDArray[np.integer], classes: int) -> FeatureClassifier:
        """A classifier of these pieces.

        Args:
            features: (P, F) from `feature_matrix`.
            labels: (P,) class of each.
            classes: How many there are; those that no piece has are never answered.
        """
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(features)
        known = np.unique(labels)
        weight = np.zeros((classes, features.shape[1]))
        bias = np.full(classes, -np.inf)
        bias[known] = 0
        if len(known) > 1:
            found = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
            found.fit(scaler.transform(features), labels)
            # Of two classes there is one discriminant, for the second.
            answered = known if len(known) > 2 else known[1:]
            weight[answered], bias[answered] = found.coef_, found.intercept_
        model = cls(classes)
        fitted = {
            "centre": scaler.mean_,
            "deviation": scaler.scale_,
            "linear.weight": weight,
            "linear.bias": bias,
        }
        model.load_state_dict({name: torch.from_numpy(values) for name, values in fitted.items()})
        return model.requires_grad_(False).eval()

    def of_features(self, features: Floats) -> Floats:
        """(P, C) logits from (P, F) features, on the processor: the widest features need its precision."""
        return np.asarray(
            self._standardised(features) @ _double(self.linear.weight).T + _double(self.linear.bias)
        )

    def logits(self, rows: NDArray[np.integer]) -> Floats:
        """(C,) logits of a piece from its (N, 8) ids."""
        return np.asarray(self.of_features(feature_matrix([rows]))[0])

    def classes(self, rows: NDArray[np.integer]) -> NDArray[np.int64]:
        """The likeliest class of a piece, ()."""
        return np.asarray(self.logits(rows).argmax())

    def reasons(self, rows: NDArray[np.integer], most: int = 5) -> list[Reason]:
        """What speaks most, for or against, of a piece's likeliest class.

        Args:
            rows: (N, 8) ids of the piece.
            most: How many at most.
        """
        features = feature_matrix([rows])
        answer = int(self.of_features(features)[0].argmax())
        moved = self._standardised(features)[0]
        added, names = moved * self.weights()[answer], feature_names()
        strongest = np.argsort(-np.abs(added), kind="stable")[:most]
        return [Reason(names[i], float(moved[i]), float(added[i])) for i in strongest if added[i]]

    def weights(self) -> Floats:
        """(C, F) what one standard deviation of a feature adds to a class, above the mean over classes with pieces."""
        weight, known = _double(self.linear.weight), np.isfinite(_double(self.linear.bias))
        return np.asarray(weight - weight[known].mean(axis=0))

    def _standardised(self, features: Floats) -> Floats:
        return np.asarray((features - _double(self.centre)) / _double(self.deviation))


def _double(tensor: Tensor) -> Floats:
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64)
