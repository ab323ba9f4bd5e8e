"""Maps from the states of one backbone to those of another, learnt from pairs of notes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_RIDGE = 100.0
"""Weight of the penalty, in notes."""
_HIDDEN = 256
"""Width of the hidden layer."""
Labels = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Segments:
    """Segments of pieces with their notes on both sides.

    Attributes:
        source: (S, L, D) states to map, scaled to mean 0 and deviation 1 over unpaired music.
        target: (S, L, D) states to reach, scaled likewise.
        labels: What is true of the target side: (S, L) of notes or (S,) of segments.
    """

    source: Tensor
    target: Tensor
    labels: Labels

    def __getitem__(self, index: Tensor) -> Segments:
        return Segments(
            self.source[index],
            self.target[index],
            {name: one[index] for name, one in self.labels.items()},
        )

    def shuffled(self, generator: torch.Generator) -> Segments:
        """Return the segments with those of the other side in another order: pairs that say nothing."""
        order = torch.randperm(len(self.source), generator=generator)
        return Segments(self.source, self.target[order], {n: one[order] for n, one in self.labels.items()})


class Heads(nn.Module):
    """Predict what is true of notes and of segments from scaled states of the target side.

    Args:
        notes: Linear layer of each label of notes.
        segments: Linear layer of each label of segments, which reads their mean.
    """

    def __init__(self, notes: dict[str, nn.Linear], segments: dict[str, nn.Linear]) -> None:
        super().__init__()
        self.parts = notes, segments
        self.notes, self.segments = nn.ModuleDict(notes), nn.ModuleDict(segments)

    @property
    def classes(self) -> dict[str, int]:
        """The number of classes of each label."""
        return {name: one.out_features for part in self.parts for name, one in part.items()}

    def forward(self, states: Tensor) -> Labels:
        """Return logits by label of (S, L, D) states: (S, L, C) and (S, C)."""
        mean = states.mean(1)
        return {name: one(states) for name, one in self.notes.items()} | {
            name: one(mean) for name, one in self.segments.items()
        }

    def fresh(self) -> Heads:
        """Return heads of the same shape that know nothing."""
        notes, segments = (
            {name: nn.Linear(one.in_features, one.out_features) for name, one in part.items()}
            for part in self.parts
        )
        return Heads(notes, segments)


class Residual(nn.Module):
    """A linear map and a network of one hidden layer that corrects it.

    Args:
        linear: (D, D) the map at the start.
    """

    def __init__(self, linear: Tensor) -> None:
        super().__init__()
        dim = len(linear)
        self.skip = nn.Linear(dim, dim)
        self.inner, self.outer = nn.Linear(dim, _HIDDEN), nn.Linear(_HIDDEN, dim)
        with torch.no_grad():
            self.skip.weight.copy_(linear.T)
            self.skip.bias.zero_()
            self.outer.weight.zero_()
            self.outer.bias.zero_()

    def forward(self, states: Tensor) -> Tensor:
        """Map states of any shape (..., D)."""
        out: Tensor = self.skip(states) + self.outer(F.gelu(self.inner(states)))
        return out


def ridge(pairs: Segments) -> Tensor:
    """Return the (D, D) linear map with the least squares and a penalty."""
    source, target = pairs.source.flatten(0, 1), pairs.target.flatten(0, 1)
    penalty = _RIDGE * torch.eye(source.shape[1])
    found: Tensor = torch.linalg.solve(source.T @ source + penalty, source.T @ target)
    return found


def orthogonal(pairs: Segments) -> Tensor:
    """Return the (D, D) rotation with the least squares (Schönemann, 1966)."""
    left, _, right = torch.linalg.svd(pairs.source.flatten(0, 1).T @ pairs.target.flatten(0, 1))
    found: Tensor = left @ right
    return found


def moments(source: Tensor, target: Tensor) -> Tensor:
    """Return the (D, D) map that gives states the covariance of the other side, from no pairs.

    Args:
        source: (N, D) states of unpaired music.
        target: (M, D) states of other unpaired music.
    """
    return _root(source.T.cov(), -0.5) @ _root(target.T.cov(), 0.5)


def _root(covariance: Tensor, power: float) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    found: Tensor = vectors @ torch.diag(values.clamp(min=1e-3) ** power) @ vectors.T
    return found
