"""A map whose notes read the other notes of their segment: cross-attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from experiments.languages.maps import Residual

_HEADS = 4
_FAR = 16
"""Notes before and after one from which distances count alike."""


class CrossAttention(Residual):
    """The residual network, and what each note gathers from the states of its segment.

    A note of the target side asks: its query is made of its linearly mapped state. Keys and values are states of the
    source side. Their distance in notes adds to the score.

    Args:
        linear: (D, D) the map at the start.
    """

    def __init__(self, linear: Tensor) -> None:
        super().__init__(linear)
        dim = len(linear)
        self.query, self.key_value = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim)
        self.distance = nn.Parameter(torch.zeros(_HEADS, 2 * _FAR + 1))
        self.gather = nn.Linear(dim, dim)
        nn.init.zeros_(self.gather.weight)
        nn.init.zeros_(self.gather.bias)

    def forward(self, states: Tensor) -> Tensor:
        """Map states (S, L, D)."""
        query, key, value = (
            one.unflatten(-1, (_HEADS, -1)).transpose(1, 2)
            for one in (self.query(self.skip(states)), *self.key_value(states).chunk(2, dim=-1))
        )
        place = torch.arange(states.shape[1])
        apart = (place[None, :] - place[:, None]).clamp(-_FAR, _FAR) + _FAR
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=self.distance[:, apart])
        out: Tensor = super().forward(states) + self.gather(found.transpose(1, 2).flatten(2))
        return out
