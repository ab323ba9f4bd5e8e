"""Rank the cells of windows so that what is hidden together looks like a passage in the course of being written."""

from __future__ import annotations

import torch
from torch import Tensor

from symbolic.tokens.vocabulary import BAR, FIELDS, PROGRAM, RESERVED, TEMPO, TIME_SIGNATURE

_FRAME = (BAR, PROGRAM, TIME_SIGNATURE, TEMPO)
"""Fields that are given where music is written."""
_RUN = 8.0
"""Mean length of a run of notes."""


def passage_ranking(tokens: Tensor, max_bars: int, generator: torch.Generator) -> Tensor:
    """Return (B, L, 8) a random ranking of cells, the first to be hidden highest.

    In each window the cells that rank alike are, with equal chance, single fields, notes, bars or runs of notes. In
    half of the windows some fields rank higher throughout, as when positions are drawn before pitches. In half of
    them bar, program, time signature and tempo rank below all others, since they are given in generation.

    Args:
        tokens: (B, L, 8) int64 ids, bars counted from the window's first.
        max_bars: Most bars in a window.
        generator: Source of randomness, on the device of `tokens`.
    """
    device, (batch, length, _) = tokens.device, tokens.shape

    def noise(*shape: int) -> Tensor:
        return torch.rand(shape, device=device, generator=generator)

    def of_notes(group: Tensor, count: int) -> Tensor:
        """Noise that the notes of one group share, (B, L, 8), from (B, L) numbers of groups."""
        return noise(batch, count).gather(1, group)[..., None].expand(-1, -1, len(FIELDS))

    bar = (tokens[..., BAR] - RESERVED).clamp(min=0)  # hidden bars count as one
    run = (noise(batch, length) < 1 / _RUN).long().cumsum(1)
    note = torch.arange(length, device=device).expand(batch, length)
    kinds = torch.stack(
        [
            noise(*tokens.shape),
            of_notes(note, length),
            of_notes(bar, max_bars),
            of_notes(run, length + 1),
        ]
    )
    kind = (noise(batch) * len(kinds)).long().clamp(max=len(kinds) - 1)
    grouped = kinds.gather(0, kind[None, :, None, None].expand(1, *tokens.shape))[0]
    share = noise(batch, 1, 1) * (noise(batch, 1, 1) < 0.5)
    ranking = (1 - share) * grouped + share * noise(batch, 1, len(FIELDS))
    frame = torch.tensor([float(field in _FRAME) for field in range(len(FIELDS))], device=device)
    return ranking - frame * (noise(batch, 1, 1) < 0.5)
