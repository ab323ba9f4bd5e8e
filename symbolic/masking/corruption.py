"""Replace chosen cells of tokens by masks, random ids or noise. A cell is one field of one token."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from symbolic.tokens.vocabulary import DRUM_PITCH, FIELDS, MASK, PITCH, RESERVED

_BOUNDS: Mapping[str, int] = {"position": 4, "pitch": 12, "duration": 12, "velocity": 4, "tempo": 4}
"""Largest step, in ids, by which noise moves a field. The first three are from M2BERT (ISMIR 2025). Other fields are
masked.
"""


_FIRST_DRUM = RESERVED + DRUM_PITCH


class Corrupted(NamedTuple):
    """Tokens as the backbone reads them.

    Attributes:
        tokens: (B, L, 8) int64 ids.
        changed: (B, L, 8) bool, cells that hold a wrong value which is not a mask.
        withheld: (B, L, 8) bool, chosen cells whose own value was replaced. Selectors are scored on these.
    """

    tokens: Tensor
    changed: Tensor
    withheld: Tensor


class Corruption(nn.Module, ABC):
    """Replace the chosen cells of a batch.

    Args:
        sizes: Number of ids of each field, reserved ones included.
    """

    name: ClassVar[str]
    sizes: Tensor

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        # A buffer, so that it is already on the device when a step needs it.
        self.register_buffer("sizes", torch.tensor(sizes), persistent=False)

    @abstractmethod
    def forward(self, tokens: Tensor, cells: Tensor, fate: Tensor, generator: torch.Generator) -> Corrupted:
        """Return a copy of the tokens with the chosen cells corrupted. Hidden fields are left unchanged.

        Args:
            tokens: (B, L, 8) int64 ids.
            cells: (B, L, 8) bool, the chosen cells.
            fate: (B, L, 8) or (B, L, 1) uniform noise. Cells with the same number are treated alike.
            generator: A random generator on the device of `tokens`.
        """


class MaskCorruption(Corruption):
    """Mask most cells, replace some by random ids and leave some (BERT's 80/10/10, arXiv 1810.04805).

    Args:
        sizes: Number of ids of each field, reserved ones included. Random ids are never reserved ones.
        masked: Share of chosen cells that become `MASK`.
        random: Share that become random ids. The rest is left unchanged.
    """

    name = "mask"

    def __init__(self, sizes: Sequence[int], masked: float = 0.8, random: float = 0.1) -> None:
        super().__init__(sizes)
        self.masked, self.random = masked, random

    def forward(self, tokens: Tensor, cells: Tensor, fate: Tensor, generator: torch.Generator) -> Corrupted:
        """See `Corruption.forward`."""
        cells = cells & (tokens >= RESERVED)
        hidden = cells & (fate < self.masked)
        seen = tokens.masked_fill(hidden, MASK)
        if not self.random:
            return Corrupted(seen, torch.zeros_like(hidden), hidden)
        noise = torch.rand(tokens.shape, device=tokens.device, generator=generator)
        # A product just below the count can be rounded up to it.
        anything = torch.minimum((noise * (self.sizes - RESERVED)).long() + RESERVED, self.sizes - 1)
        replaced = cells & (fate >= self.masked) & (fate < self.masked + self.random)
        seen = torch.where(replaced, anything, seen)
        return Corrupted(seen, replaced & (anything != tokens), hidden | replaced)


class NoiseCorruption(Corruption):
    """Move every chosen value by a bounded step that is never zero (M2BERT, ISMIR 2025).

    Fields without an order are masked. The result resembles music, so that the backbone has to check every token
    and not only masked ones.

    Args:
        sizes: Number of ids of each field, reserved ones included.
    """

    name = "noise"
    bounds: Tensor

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__(sizes)
        # At most half a field's values, so that at least one direction stays inside.
        half = [(size - RESERVED) // 2 for size in sizes]
        bounds = torch.tensor([min(_BOUNDS.get(name, 0), h) for name, h in zip(FIELDS, half, strict=True)])
        self.register_buffer("bounds", bounds, persistent=False)

    def forward(self, tokens: Tensor, cells: Tensor, fate: Tensor, generator: torch.Generator) -> Corrupted:
        """See `Corruption.forward`. `fate` is not used since every chosen cell is corrupted."""
        noise = torch.rand((2, *tokens.shape), device=tokens.device, generator=generator)
        step = torch.minimum((noise[0] * self.bounds).long() + 1, self.bounds)
        up = tokens + step
        down = tokens - step
        low, high = self._ends(tokens)
        # Near the ends of a field only one direction stays inside.
        upward = ((noise[1] < 0.5) | (down < low)) & (up < high)
        moved = torch.where(upward, up, down)
        known = tokens >= RESERVED
        shifted = cells & known & (self.bounds > 0)
        seen = torch.where(shifted, moved, tokens.masked_fill(cells & known & (self.bounds == 0), MASK))
        return Corrupted(seen, shifted, cells & known)

    def _ends(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, L, 8) the first id that each cell may move to, and the id past the last.

        No pitch becomes a drum key and no drum key a pitch.
        """
        low, high = torch.full_like(tokens, RESERVED), self.sizes.expand_as(tokens).clone()
        drums = tokens[..., PITCH] >= _FIRST_DRUM
        low[..., PITCH] = torch.where(drums, _FIRST_DRUM, RESERVED)
        high[..., PITCH] = torch.where(drums, high[..., PITCH], high[..., PITCH].clamp(max=_FIRST_DRUM))
        return low, high


CORRUPTIONS: dict[str, Callable[[Sequence[int]], Corruption]] = {
    style.name: style for style in (MaskCorruption, NoiseCorruption)
}


def build_corruption(name: str, sizes: Sequence[int], withhold_all: bool = False) -> Corruption:
    """Build a kind of corruption by name.

    Args:
        name: One of `CORRUPTIONS`.
        sizes: Number of ids of each field, reserved ones included.
        withhold_all: Mask every chosen cell, whatever the name.
    """
    if withhold_all:
        return MaskCorruption(sizes, masked=1.0, random=0.0)
    return CORRUPTIONS[name](sizes)
