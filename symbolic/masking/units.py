"""Units of masking: the cells that are hidden together, from whole tokens to single fields.

A cell is one field of one token. A unit is a set of cells of a window. Selectors rank units and the highest-ranked
ones that fit a budget of cells are chosen.
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
    """The chosen cells of a batch of windows. K is fixed, so that shapes never depend on the data.

    Attributes:
        places: (B, K) int64, positions of tokens in their window.
        cells: (B, K, 8) bool, the chosen fields of these tokens. Unused places are all false.
        units: (B, K) or (B, U) int64, the units considered.
        taken: Bool of the same shape, whether each of them was chosen.
    """

    places: Tensor
    cells: Tensor
    units: Tensor
    taken: Tensor

    def at(self, values: Tensor) -> Tensor:
        """Return the (B, K, C) values of (B, L, C) at the places."""
        return values.gather(1, self.places[..., None].expand(-1, -1, values.shape[-1]))

    def spread(self, length: int) -> Tensor:
        """Return (B, length, 8) bool, the chosen cells of the whole window."""
        spread = torch.zeros(len(self.places), length, _FIELDS, dtype=torch.bool, device=self.places.device)
        return spread.scatter_(1, self.places[..., None].expand(-1, -1, _FIELDS), self.cells)


class Unit(ABC):
    """A way to group cells into units.

    Args:
        sizes: Number of ids of each field, reserved ones included.
    """

    name: ClassVar[str]
    outputs: ClassVar[int]
    """Scores that a selector's network gives each token: one, or one for each field."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = tuple(sizes)

    @abstractmethod
    def pool(self, scores: Tensor, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """Turn the scores of a network, (B, L, outputs), into scores of units, (B, U)."""

    @abstractmethod
    def exist(self, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """Return (B, U) bool. True for units with a cell outside padding."""

    @abstractmethod
    def tokens_of(self, scores: Tensor, tokens: Tensor) -> Tensor:
        """Turn values of units, (B, U), into values of tokens, (B, L): means over their fields."""

    @abstractmethod
    def cells_of(self, values: Tensor, tokens: Tensor) -> Tensor:
        """Turn values of units, (B, U), into values of their cells, (B, L, 8) or (B, L, 1)."""

    @abstractmethod
    def count(self, length: int) -> int:
        """Return U, the number of units in a window of `length` tokens."""

    @abstractmethod
    def choose(
        self, ranking: Tensor, tokens: Tensor, candidates: Tensor, counts: Tensor, most: int
    ) -> Choice:
        """Choose the highest-ranked units that fit a budget.

        Args:
            ranking: (B, U) float. Higher units are chosen first.
            tokens: (B, L, 8) int64 clean ids.
            candidates: (B, L) bool. Cells of other tokens are never chosen.
            counts: (B,) int64, the budget in tokens. At least one unit is chosen, if there is one.
            most: The largest count that can occur.
        """

    @abstractmethod
    def hardness(
        self, loss: Tensor, evidence: Tensor, choice: Choice, tokens: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compute the recovery loss of each unit that was considered.

        Args:
            loss: (B, K, 8) recovery loss of cells.
            evidence: (B, K, 8) bool, chosen cells whose value was withheld.
            choice: The choice.
            tokens: (B, L, 8) int64 clean ids.

        Returns:
            Two tensors of the shape of `choice.units`: the loss of each unit, and bool, whether it has evidence.
        """


class TokenUnit(Unit):
    """A whole note: all fields of one token (arXiv 2407.08306)."""

    name = "token"
    outputs = 1

    def pool(self, scores: Tensor, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """Turn (B, L, 1) into (B, L)."""
        return scores.squeeze(-1)

    def exist(self, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """Return (B, L) bool, true outside padding."""
        return attention_mask

    def tokens_of(self, scores: Tensor, tokens: Tensor) -> Tensor:
        """Return the (B, L) scores unchanged."""
        return scores

    def cells_of(self, values: Tensor, tokens: Tensor) -> Tensor:
        """Turn (B, L) into (B, L, 1)."""
        return values[..., None]

    def count(self, length: int) -> int:
        """Return one unit per token."""
        return length

    def choose(
        self, ranking: Tensor, tokens: Tensor, candidates: Tensor, counts: Tensor, most: int
    ) -> Choice:
        """Choose the `counts` highest-ranked tokens."""
        masked = ranking.masked_fill(~candidates, -torch.inf)
        # Stable, unlike topk: of tokens of equal rank the first are taken.
        places = masked.argsort(dim=1, descending=True, stable=True)[:, :most]
        counts = torch.minimum(counts, candidates.sum(1))
        taken = torch.arange(places.shape[1], device=places.device) < counts[:, None]
        return Choice(places, taken[..., None].expand(-1, -1, _FIELDS), places, taken)

    def hardness(
        self, loss: Tensor, evidence: Tensor, choice: Choice, tokens: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Sum the loss over the fields of each token."""
        return loss.sum(-1), evidence.any(-1)


class _CellUnit(Unit):
    """Units finer than tokens. Each cell has the number of its unit."""

    outputs = _FIELDS

    @abstractmethod
    def _number(self, tokens: Tensor) -> Tensor:
        """Return (B, L, 8) int64, the unit of each cell."""

    def pool(self, scores: Tensor, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """Average over the cells of each unit. Units without cells get 0."""
        return self._mean(scores, attention_mask[..., None].expand_as(scores), tokens)[0]

    def exist(self, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """Return (B, U) bool. True for units with a cell outside padding."""
        return self._sum(attention_mask[..., None].expand(tokens.shape).float(), tokens) > 0

    def tokens_of(self, scores: Tensor, tokens: Tensor) -> Tensor:
        """Average over the units of a token's eight cells."""
        return self.cells_of(scores, tokens).mean(-1)

    def cells_of(self, values: Tensor, tokens: Tensor) -> Tensor:
        """Turn (B, U) into (B, L, 8)."""
        return values.gather(1, self._number(tokens).flatten(1)).view(tokens.shape)

    def choose(
        self, ranking: Tensor, tokens: Tensor, candidates: Tensor, counts: Tensor, most: int
    ) -> Choice:
        """Choose the highest-ranked units whose cells together are at most eight times `counts`."""
        # A hidden field has nothing to recover.
        eligible = candidates[..., None] & (tokens >= RESERVED)
        size = self._sum(eligible.float(), tokens)
        order = ranking.masked_fill(size == 0, -torch.inf).argsort(dim=1, descending=True, stable=True)
        ordered = size.gather(1, order)
        budget = (_FIELDS * counts)[:, None]
        # The first unit may exceed the budget alone, since a window without a choice would train nothing.
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
        """Average the loss over the cells of each unit."""
        mean, size = self._mean(loss, evidence, tokens)
        return mean, choice.taken & (size > 0)

    def _sum(self, values: Tensor, tokens: Tensor) -> Tensor:
        """Sum cells, (B, L, 8), over their units, (B, U)."""
        zeros = values.new_zeros(len(tokens), self.count(tokens.shape[1]))
        return zeros.scatter_add(1, self._number(tokens).flatten(1), values.flatten(1))

    def _mean(self, values: Tensor, counted: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, U) means over the counted cells and the number of these."""
        size = self._sum(counted.to(values.dtype), tokens)
        return self._sum(values * counted, tokens) / size.clamp(min=1), size


class FieldUnit(_CellUnit):
    """One field of one token."""

    name = "field"

    def _number(self, tokens: Tensor) -> Tensor:
        length, count = tokens.shape[1:]
        return torch.arange(length * count, device=tokens.device).view(1, length, count).expand(tokens.shape)

    def count(self, length: int) -> int:
        """Return eight units per token."""
        return _FIELDS * length


class BarUnit(_CellUnit):
    """One field across a whole bar as MusicBERT masks (Zeng et al., 2021, arXiv 2106.05630)."""

    name = "bar"

    def _number(self, tokens: Tensor) -> Tensor:
        # If bars are hidden, all tokens count as one bar.
        bar = (tokens[..., BAR] - RESERVED).clamp(min=0)
        return bar[..., None] * _FIELDS + torch.arange(_FIELDS, device=tokens.device)

    def count(self, length: int) -> int:
        """Return eight units for each bar that a window may span."""
        return _FIELDS * (self.sizes[BAR] - RESERVED)


UNITS: dict[str, type[Unit]] = {unit.name: unit for unit in (TokenUnit, FieldUnit, BarUnit)}
