"""What the backbone sees in place of the chosen rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pretrain.selectors.base import Choice
from symbolic.vocabulary import MASK, RESERVED


def chosen_rows(choice: Choice, length: int) -> Tensor:
    """(B, L) bool, true where a row was chosen."""
    chosen = torch.zeros(len(choice.places), length, dtype=torch.bool, device=choice.places.device)
    return chosen.scatter_(1, choice.places, choice.valid)


def mask_rows(
    rows: Tensor, chosen: Tensor, sizes: Sequence[int], generator: torch.Generator,
    masked: float = 0.8, random: float = 0.1,
) -> Tensor:  # fmt: skip
    """A copy of rows in which the chosen ones are hidden (BERT's 80/10/10, whole rows).

    Args:
        rows: (B, L, 8) int64 ids.
        chosen: (B, L) bool.
        sizes: Ids of each field, reserved ones included; random ids are never reserved ones.
        generator: On the device of `rows`.
        masked: Share of chosen rows whose ids all become `MASK`.
        random: Share whose ids all become random ones; the rest stay as they are.
    """
    shape, device = rows.shape[:2], rows.device
    fate = torch.rand(shape, device=device, generator=generator)
    top = torch.tensor(sizes, device=device)
    noise = torch.rand(rows.shape, device=device, generator=generator)
    # A product just below the count can round up to it, hence the clamp.
    anything = torch.minimum((noise * (top - RESERVED)).long() + RESERVED, top - 1)
    hidden = rows.masked_fill((chosen & (fate < masked))[..., None], MASK)
    return torch.where((chosen & (fate >= masked) & (fate < masked + random))[..., None], anything, hidden)
