"""Linear discriminants of hand-made features, fitted at once; they say why."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from finetune.features import feature_names
from finetune.features.stats import Floats, softmax

_LEAST_DEVIATION = 1e-6
"""Of a feature, as a share of its mean or of 1; one that varies less is passed over."""
_FARTHEST = 10.0
"""Standard deviations: music that lies farther off is taken to lie there, lest one feature answer alone."""
_FEWEST = 3
"""Pieces of a class that its covariance can be told from."""
_RIDGE = 1e-3
"""Added to the covariance, as a share of its mean variance, where shrinking leaves it singular."""


class Reason(NamedTuple):
    """What one feature has to do with an answer.

    Attributes:
        feature: Its name.
        deviations: How far the piece lies from the mean of the training pieces, in their standard deviations.
        weight: What that adds to the discriminants' logit of the answer, above what it adds to those of all classes in
            the mean.
    """

    feature: str
    deviations: float
    weight: float


class Discriminants(nn.Module):
    """Features, standardised, and a linear layer: logits of classes.

    Its weights are those of Fisher's linear discriminants. The covariance within classes is the mean of the classes'
    own, each shrunken as Ledoit & Wolf (2004) say, so that nothing is to be chosen; `fit` makes them.

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
    def fit(cls, features: Floats, labels: NDArray[np.integer], classes: int) -> Discriminants:
        """The discriminants of these pieces.

        Args:
            features: (P, F) from `feature_matrix`.
            labels: (P,) class of each.
            classes: How many there are; those that no piece has are never answered.
        """
        centre, deviation = features.mean(axis=0), features.std(axis=0)
        # What hardly varies here would weigh all the more in music where it does.
        deviation[deviation < _LEAST_DEVIATION * np.maximum(np.abs(centre), 1)] = np.inf
        model = cls(classes)
        model.centre.copy_(torch.from_numpy(centre))
        model.deviation.copy_(torch.from_numpy(deviation))
        moved = model._standardised(features)
        known, place, count = np.unique(labels, return_inverse=True, return_counts=True)
        means = np.stack([moved[place == index].mean(axis=0) for index in range(len(known))])
        weight = np.linalg.solve(_within(moved - means[place], place), means.T).T
        bias = np.log(count / len(labels)) - (weight * means).sum(axis=1) / 2
        with torch.no_grad():
            model.linear.weight.zero_()
            model.linear.bias.fill_(-torch.inf)
            model.linear.weight[known] = torch.from_numpy(weight).float()
            model.linear.bias[known] = torch.from_numpy(bias).float()
        return model.requires_grad_(False).eval()

    def of_features(self, features: Floats) -> Floats:
        """(P, C) logits from (P, F) features, on the processor: the widest features need its precision."""
        return np.asarray(
            self._standardised(features) @ _double(self.linear.weight).T + _double(self.linear.bias)
        )

    def shares(self, features: Floats) -> Floats:
        """(P, C) probabilities from (P, F) features."""
        return softmax(self.of_features(features))

    def reasons(self, features: Floats, answer: int, most: int = 5) -> list[Reason]:
        """What speaks most, for or against, of a class.

        Args:
            features: (1, F) of the piece.
            answer: The class.
            most: How many at most.
        """
        moved = self._standardised(features)[0]
        added, names = moved * self.weights()[answer], feature_names()
        strongest = np.argsort(-np.abs(added), kind="stable")[:most]
        return [Reason(names[i], float(moved[i]), float(added[i])) for i in strongest if added[i]]

    @property
    def known(self) -> NDArray[np.bool_]:
        """(C,) which classes had pieces to learn from."""
        return np.isfinite(_double(self.linear.bias))

    def weights(self) -> Floats:
        """(C, F) what one standard deviation of a feature adds to a class, above the mean over those with pieces."""
        weight = _double(self.linear.weight)
        return np.asarray(weight - weight[self.known].mean(axis=0))

    def _standardised(self, features: Floats) -> Floats:
        moved = (features - _double(self.centre)) / _double(self.deviation)
        return np.asarray(moved.clip(-_FARTHEST, _FARTHEST))


def _within(moved: Floats, place: NDArray[np.integer]) -> Floats:
    """(F, F) covariance within classes, positive definite however few the pieces.

    Args:
        moved: (P, F) standardised features, less the mean of their class.
        place: (P,) class of each.
    """
    from sklearn.covariance import ledoit_wolf

    (pieces, width), classes = moved.shape, np.unique(place)
    identity, total = np.eye(width), np.zeros((width, width))
    for index in classes:
        own = moved[place == index]
        # Of two pieces a covariance is one direction, which the estimate would not shrink.
        few = len(own) < _FEWEST or not own.any()
        shrunken = (own**2).mean() * identity if few else ledoit_wolf(own, assume_centered=True)[0]
        total += len(own) / pieces * shrunken
    size = np.trace(total) / width
    if size == 0:
        return identity
    return np.asarray((total + _RIDGE * size * identity) * pieces / max(pieces - len(classes), 1))


def _double(tensor: Tensor) -> Floats:
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64)
