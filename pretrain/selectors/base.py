"""What a selector is: it ranks rows; how many of them are masked follows from the schedule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from symbolic.backbone.config import BackboneConfig


@dataclass(frozen=True)
class Schedule:
    """How many rows of a window are masked (arXiv 2407.08306): min(U(low, high) x unfrozen, cap x real).

    Args:
        low: Smallest share of the unfrozen rows.
        high: Largest share of the unfrozen rows.
        cap: Largest share of the real rows.
    """

    low: float = 0.1
    high: float = 0.3
    cap: float = 0.15

    def counts(self, real: Tensor, frozen: Tensor, generator: torch.Generator) -> Tensor:
        """(B,) int64, rows to mask in each window; at least one where any row is unfrozen.

        Args:
            real: (B, L) bool, false where padded.
            frozen: (B, L) bool.
            generator: On the device of `real`.
        """
        total = real.sum(1)
        unfrozen = (real & ~frozen).sum(1)
        share = torch.empty(len(real), device=real.device).uniform_(self.low, self.high, generator=generator)
        wanted = torch.minimum(share * unfrozen, self.cap * total).round().long()
        return torch.minimum(wanted.clamp(min=1), unfrozen)


class Choice(NamedTuple):
    """Rows chosen to be masked, with a fixed K, so that shapes never depend on the data.

    Attributes:
        places: (B, K) int64, rows of the window.
        valid: (B, K) bool, false where fewer than K rows were chosen.
    """

    places: Tensor
    valid: Tensor


def choose(ranking: Tensor, candidates: Tensor, counts: Tensor, most: int) -> Choice:
    """The `counts` highest-ranked candidates of each window.

    Args:
        ranking: (B, L), higher is chosen first.
        candidates: (B, L) bool; nothing else is ever chosen.
        counts: (B,) int64.
        most: K, at least the largest count that can occur.
    """
    masked = ranking.masked_fill(~candidates, -torch.inf)
    places = masked.topk(min(most, ranking.shape[1]), dim=1).indices
    counts = torch.minimum(counts, candidates.sum(1))
    valid = torch.arange(places.shape[1], device=places.device) < counts[:, None]
    return Choice(places, valid)


class Selector(nn.Module, ABC):
    """Ranks the rows of a window; those ranked highest are masked.

    Args:
        schedule: How many rows are masked.
        sizes: Ids of each field.
        backbone: Shape of the backbone it plays against.
        exploration: How far a learned selector strays from its own ranking, see `ranking`.
    """

    name: ClassVar[str]
    learns: ClassVar[bool] = False
    """Whether `scores` are those of a network that `loss` trains."""
    retires: ClassVar[bool] = False
    """Whether rows are frozen as training goes on, so that the mask rate follows the freezing schedule."""
    spares_frozen: ClassVar[bool] = True
    """Whether frozen rows are never chosen; a control may follow the schedule alone."""

    def __init__(
        self, schedule: Schedule, sizes: Sequence[int], backbone: BackboneConfig, exploration: float = 1.0
    ) -> None:
        super().__init__()
        self.schedule, self.exploration = schedule, exploration

    @abstractmethod
    def scores(self, rows: Tensor, real: Tensor | None, generator: torch.Generator) -> Tensor:
        """(B, L) ranking of clean rows, higher is chosen first.

        Args:
            rows: (B, L, 8) int64 ids, clean.
            real: (B, L) bool, or None where no row is padded.
            generator: For chance, on the device of `rows`.
        """

    def ranking(self, scores: Tensor, generator: torch.Generator) -> Tensor:
        """(B, L) what rows are chosen by in training: the scores, unless a selector explores."""
        return scores

    def counts(self, real: Tensor, frozen: Tensor, generator: torch.Generator) -> Tensor:
        """(B,) rows to mask in each window; by default the schedule's."""
        return self.schedule.counts(real, frozen, generator)

    def most(self, length: int) -> int:
        """The largest count that can occur in a window of `length` rows."""
        return max(1, round(self.schedule.cap * length))

    def loss(self, scores: Tensor, recovery: Tensor, valid: Tensor) -> Tensor:
        """Scalar loss of a learned selector.

        Args:
            scores: (B, K) what `scores` said of the chosen rows, with gradient.
            recovery: (B, K) the backbone's loss on them, without gradient.
            valid: (B, K) bool, false where nothing was chosen.
        """
        raise NotImplementedError(f"{self.name} learns nothing")
