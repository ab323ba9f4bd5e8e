"""Voice selector: one voice whole, over a passage."""

from __future__ import annotations

import torch
from torch import Tensor

from pretrain.selectors.base import SelectorInput
from pretrain.selectors.uniform import UniformSelector
from symbolic.masking.units import TokenUnit
from symbolic.relations import relation_ids
from symbolic.tokens.vocabulary import PROGRAM


class VoiceSelector(UniformSelector):
    """Choose the voice of a random note, those next to it first. What the voice lacks of the count is random notes.

    Random notes can be guessed from their neighbours in the same voice. Here the other voices alone are left.
    """

    name = "voice"
    units = (TokenUnit.name,)

    def scores(self, inputs: SelectorInput) -> Tensor:
        """Return (B, L): 1 to 2 in the voice, by nearness, and noise below 1 elsewhere."""
        noise = inputs.noise(*inputs.tokens.shape[:2])
        centre = noise.masked_fill(~inputs.attention_mask, -1.0).argmax(1, keepdim=True)
        voice = _voices(inputs.tokens, inputs.attention_mask)
        distance = (torch.arange(noise.shape[1], device=noise.device) - centre).abs()
        return torch.where(voice == voice.gather(1, centre), 2 - distance / noise.shape[1], noise)


def _voices(tokens: Tensor, attention_mask: Tensor) -> Tensor:
    """Return (B, L) the voice of each note: its program, or the line in music for one: highest, lowest, other."""
    program = tokens[..., PROGRAM]
    mixed = ((program != program[:, :1]) & attention_mask).any(1, keepdim=True)
    top, bottom = (relation_ids(tokens, ("below_top", "above_bass")) == 1).unbind(-1)
    line = torch.where(top, -1, torch.where(bottom, -2, -3))
    return torch.where(mixed, program, line)
