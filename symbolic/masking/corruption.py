"""What the backbone sees in place of the chosen cells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from symbolic.tokens.vocabulary import DRUM_PITCH, FIELDS, MASK, PITCH, RESERVED

_BOUNDS: Mapping[str, int] = {"position": 4, "pitch": 12, "duration": 12, "velocity": 4, "tempo": 4}
"""By how many ids noise may move a field; the first three as in M2BERT (ISMIR 2025). Others are masked."""


_FIRST_DRUM = RESERVED + DRUM_PITCH


class Corrupted(NamedTuple):
    """Tokens as the backbone sees them.

    Attributes:
        tokens: (B, L, 8) int64 ids.
        changed: (B, L, 8) bool, cells that hold another value than they should, and look as if they did not.
        withheld: (B, L, 8) bool, chosen cells whose own value is not to be seen; what a selector is judged by.
    """

    tokens: Tensor
    changed: Tensor
    withheld: Tensor


class Corruption(nn.Module, ABC):
    """Replaces chosen cells.

    Args:
        sizes: Ids of each field, reserved ones included.
    """

    name: ClassVar[str]
    sizes: Tensor

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        # A buffer, so that it lies on the device already when a step needs it.
        self.register_buffer("sizes", torch.tensor(sizes), persistent=False)

    @abstractmethod
    def forward(self, tokens: Tensor, cells: Tensor, fate: Tensor, generator: torch.Generator) -> Corrupted:
        """A copy of tokens in which the chosen cells are corrupted; ids of withheld fields are left alone.

        Args:
            tokens: (B, L, 8) int64 ids.
            cells: (B, L, 8) bool, chosen.
            fate: (B, L, 8 or 1) uniform noise; cells that share a number share their fate.
            generator: On the device of `tokens`.
        """


class MaskCorruption(Corruption):
    """Masks most cells, replaces some by random values and leaves some (BERT's 80/10/10, arXiv 1810.04805).

    Args:
        sizes: Ids of each field, reserved ones included; random ids are never reserved ones.
        masked: Share of chosen cells that become `MASK`.
        random: Share that become random ids; the rest stay as they are.
    """

    name = "mask"

    def __init__(self, sizes: Sequence[int], masked: float = 0.8, random: float = 0.1) -> None:
        super().__init__(sizes)
        self.masked, self.random = masked, random

    def forward(self, tokens: Tensor, cells: Tensor, fate: Tensor, generator: torch.Generator) -> Corrupted:
        """See `Corruption`."""
        cells = cells & (tokens >= RESERVED)
        hidden = cells & (fate < self.masked)
        seen = tokens.masked_fill(hidden, MASK)
        if not self.random:
            return Corrupted(seen, torch.zeros_like(hidden), hidden)
        noise = torch.rand(tokens.shape, device=tokens.device, generator=generator)
        # A product just below the count can round up to it, hence the bound.
        anything = torch.minimum((noise * (self.sizes - RESERVED)).long() + RESERVED, self.sizes - 1)
        replaced = cells & (fate >= self.masked) & (fate < self.masked + self.random)
        seen = torch.where(replaced, anything, seen)
        return Corrupted(seen, replaced & (anything != tokens), hidden | replaced)


class NoiseCorruption(Corruption):
    """Moves values by a bounded step, never by none (M2BERT, ISMIR 2025); fields without order are masked.

    What is left resembles music, so the backbone must judge every token and not only those with a mask.
    """

    name = "noise"
    bounds: Tensor

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__(sizes)
        # At most half a field's values, so that from each of them at least one direction stays inside.
        half = [(size - RESERVED) // 2 for size in sizes]
        bounds = torch.tensor([min(_BOUNDS.get(name, 0), h) for name, h in zip(FIELDS, half, strict=True)])
        self.register_buffer("bounds", bounds, persistent=False)

    def forward(self, tokens: Tensor, cells: Tensor, fate: Tensor, generator: torch.Generator) -> Corrupted:
        """See `Corruption`; `fate` is not asked, every chosen cell is corrupted."""
        noise = torch.rand((2, *tokens.shape), device=tokens.device, generator=generator)
        step = torch.minimum((noise[0] * self.bounds).long() + 1, self.bounds)
        up = tokens + step
        down = tokens - step
        low, high = self._ends(tokens)
        # Turned back at the ends, where one direction leaves the field.
        upward = ((noise[1] < 0.5) | (down < low)) & (up < high)
        moved = torch.where(upward, up, down)
        known = tokens >= RESERVED
        shifted = cells & known & (self.bounds > 0)
        seen = torch.where(shifted, moved, tokens.masked_fill(cells & known & (self.bounds == 0), MASK))
        return Corrupted(seen, shifted, cells & known)

    def _ends(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L, 8) first id and id past the last that each cell may move to: no pitch becomes a drum, or back."""
        low, high = torch.full_like(tokens, RESERVED), self.sizes.expand_as(tokens).clone()
        drums = tokens[..., PITCH] >= _FIRST_DRUM
        low[..., PITCH] = torch.where(drums, _FIRST_DRUM, RESERVED)
        high[..., PITCH] = torch.where(drums, high[..., PITCH], high[..., PITCH].clamp(max=_FIRST_DRUM))
        return low, high


CORRUPTIONS: dict[str, Callable[[Sequence[int]], Corruption]] = {
    style.name: style for style in (MaskCorruption, NoiseCorruption)
}


def build_corruption(name: str, sizes: Sequence[int], withhold_all: bool = False) -> Corruption:
    """A style of corruption by name.

    Args:
        name: One of `CORRUPTIONS`.
        sizes: Ids of each field.
        withhold_all: Mask every chosen cell, whatever the style would do.
    """
    if withhold_all:
        return MaskCorruption(sizes, masked=1.0, random=0.0)
    return CORRUPTIONS[name](sizes)
