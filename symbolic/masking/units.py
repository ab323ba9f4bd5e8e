"""Units of choice: what a selector hides in one piece, from whole tokens to single fields.

A unit is a set of *cells* of a window, a cell being one field of one token. Choosing units by their ranking within a
budget of cells is the same for all; what differs is which cells belong together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from symbolic.tokens.vocabulary import BAR, FIELDS, RESERVED

_FIELDS = len(FIELDS)


class Choice(NamedTuple):
    """What was chosen to be recovered, with a fixed K, so that shapes never depend on the data.

    Attributes:
        places: (B, K) int64, tokens of the window.
        cells: (B, K, 8) bool, the chosen fields of these tokens; all false where fewer than K tokens are concerned.
        units: (B, K or U) int64, the units looked at, and
        taken: of the same shape, bool, whether each was chosen.
    """

    places: Tensor
    cells: Tensor
    units: Tensor
    taken: Tensor

    def spread(self, length: int) -> Tensor:
        """(B, length, 8) bool, the chosen cells of the whole window."""
        spread = torch.zeros(len(self.places), length, _FIELDS, dtype=torch.bool, device=self.places.device)
        return spread.scatter_(1, self.places[..., None].expand(-1, -1, _FIELDS), self.cells)


class Unit(ABC):
    """What is hidden together.

    Args:
        sizes: Ids of each field.
    """

    name: ClassVar[str]
    outputs: ClassVar[int]
    """Scores that a network gives a token: one, or one a field."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = tuple(sizes)

    @abstractmethod
    def pool(self, scores: Tensor, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """(B, L, outputs) scores of a network -> (B, U) scores of units."""

    @abstractmethod
    def exist(self, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """(B, U) bool, units that have a cell in a real token."""

    @abstractmethod
    def tokens_of(self, scores: Tensor, tokens: Tensor) -> Tensor:
        """(B, U) values of units -> (B, L) values of tokens, the mean over their fields."""

    @abstractmethod
    def cells_of(self, values: Tensor, tokens: Tensor) -> Tensor:
        """(B, U) values of units -> (B, L, 8 or 1) values of their cells."""

    @abstractmethod
    def count(self, length: int) -> int:
        """U, how many units a window of `length` tokens has."""

    @abstractmethod
    def choose(
        self, ranking: Tensor, tokens: Tensor, candidates: Tensor, counts: Tensor, most: int
    ) -> Choice:
        """The highest-ranked units that fit a budget.

        Args:
            ranking: (B, U), higher is chosen first.
            tokens: (B, L, 8) clean ids.
            candidates: (B, L) bool; no cell of another token is ever chosen.
            counts: (B,) int64, how many tokens' worth of cells; at least one unit is taken where there is one.
            most: The largest count that can occur.
        """

    @abstractmethod
    def hardness(
        self, loss: Tensor, evidence: Tensor, choice: Choice, tokens: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Recovery loss of the units looked at.

        Args:
            loss: (B, K, 8) recovery loss of cells.
            evidence: (B, K, 8) bool, chosen cells whose content was truly withheld.
            choice: The choice.
            tokens: (B, L, 8) clean ids.

        Returns:
            Of the shape of `choice.units`: mean loss over a unit's cells, and bool, whether there was any.
        """


class RowUnit(Unit):
    """A whole note: all fields of one token (arXiv 2407.08306)."""

    name = "token"
    outputs = 1

    def pool(self, scores: Tensor, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """(B, L, 1) -> (B, L)."""
        return scores.squeeze(-1)

    def exist(self, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """(B, L), the real ones."""
        return attention_mask

    def tokens_of(self, scores: Tensor, tokens: Tensor) -> Tensor:
        """(B, L), as they are."""
        return scores

    def cells_of(self, values: Tensor, tokens: Tensor) -> Tensor:
        """(B, L) -> (B, L, 1)."""
        return values[..., None]

    def count(self, length: int) -> int:
        """One a token."""
        return length

    def choose(
        self, ranking: Tensor, tokens: Tensor, candidates: Tensor, counts: Tensor, most: int
    ) -> Choice:
        """The `counts` highest-ranked tokens."""
        masked = ranking.masked_fill(~candidates, -torch.inf)
        # Stable, unlike topk: of a run of equal rank, the first tokens are taken and not any.
        places = masked.argsort(dim=1, descending=True, stable=True)[:, :most]
        counts = torch.minimum(counts, candidates.sum(1))
        taken = torch.arange(places.shape[1], device=places.device) < counts[:, None]
        return Choice(places, taken[..., None].expand(-1, -1, _FIELDS), places, taken)

    def hardness(
        self, loss: Tensor, evidence: Tensor, choice: Choice, tokens: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Loss summed over a token's fields."""
        return loss.sum(-1), evidence.any(-1)


class _CellUnit(Unit):
    """Units finer than tokens: cells are sorted into them by number."""

    outputs = _FIELDS

    @abstractmethod
    def _number(self, tokens: Tensor) -> Tensor:
        """(B, L, 8) int64, the unit of each cell."""

    def pool(self, scores: Tensor, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """The mean over each unit's cells; 0 for units without any."""
        return self._mean(scores, attention_mask[..., None].expand_as(scores), tokens)[0]

    def exist(self, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """Whether any cell belongs to each."""
        return self._sum(attention_mask[..., None].expand(tokens.shape).float(), tokens) > 0

    def tokens_of(self, scores: Tensor, tokens: Tensor) -> Tensor:
        """The mean over the units of a token's eight cells."""
        return self.cells_of(scores, tokens).mean(-1)

    def cells_of(self, values: Tensor, tokens: Tensor) -> Tensor:
        """(B, U) -> (B, L, 8)."""
        return values.gather(1, self._number(tokens).flatten(1)).view(tokens.shape)

    def choose(
        self, ranking: Tensor, tokens: Tensor, candidates: Tensor, counts: Tensor, most: int
    ) -> Choice:
        """The highest-ranked units whose cells together stay within eight times `counts`."""
        # A field that is withheld for good has nothing to recover.
        eligible = candidates[..., None] & (tokens >= RESERVED)
        size = self._sum(eligible.float(), tokens)
        order = ranking.masked_fill(size == 0, -torch.inf).argsort(dim=1, descending=True, stable=True)
        ordered = size.gather(1, order)
        budget = (_FIELDS * counts)[:, None]
        # The first unit may exceed the budget by itself; without it the window would teach nothing.
        fits = ((ordered.cumsum(1) <= budget) | (torch.arange(order.shape[1], device=order.device) == 0)) & (
            ordered > 0
        )
        taken = torch.zeros_like(fits).scatter_(1, order, fits & (counts > 0)[:, None])
        places = torch.arange(tokens.shape[1], device=tokens.device).expand(tokens.shape[:2])
        units = torch.arange(taken.shape[1], device=tokens.device).expand(taken.shape)
        return Choice(places, self.cells_of(taken, tokens) & eligible, units, taken)

    def hardness(
        self, loss: Tensor, evidence: Tensor, choice: Choice, tokens: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The mean over a unit's cells."""
        mean, size = self._mean(loss, evidence, tokens)
        return mean, choice.taken & (size > 0)

    def _sum(self, values: Tensor, tokens: Tensor) -> Tensor:
        """(B, L, 8) cells -> (B, U) sums."""
        zeros = values.new_zeros(len(tokens), self.count(tokens.shape[1]))
        return zeros.scatter_add(1, self._number(tokens).flatten(1), values.flatten(1))

    def _mean(self, values: Tensor, counted: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """(B, U) means over counted cells, and how many were counted."""
        size = self._sum(counted.to(values.dtype), tokens)
        return self._sum(values * counted, tokens) / size.clamp(min=1), size


class FieldUnit(_CellUnit):
    """One field of one token."""

    name = "field"

    def _number(self, tokens: Tensor) -> Tensor:
        length, count = tokens.shape[1:]
        return torch.arange(length * count, device=tokens.device).view(1, length, count).expand(tokens.shape)

    def count(self, length: int) -> int:
        """Eight a token."""
        return _FIELDS * length


class BarUnit(_CellUnit):
    """One field across a whole bar, as MusicBERT masks (Zeng et al., 2021, arXiv 2106.05630)."""

    name = "bar"

    def _number(self, tokens: Tensor) -> Tensor:
        # Where bars are withheld, all tokens count as one bar.
        bar = (tokens[..., BAR] - RESERVED).clamp(min=0)
        return bar[..., None] * _FIELDS + torch.arange(_FIELDS, device=tokens.device)

    def count(self, length: int) -> int:
        """Eight a bar that a window may span."""
        return _FIELDS * (self.sizes[BAR] - RESERVED)


UNITS: dict[str, type[Unit]] = {unit.name: unit for unit in (RowUnit, FieldUnit, BarUnit)}
