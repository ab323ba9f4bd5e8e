"""Prompt tuning: trained embeddings before the music."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from symbolic.adapters.contract import AdapterMethod, Replacement, register
from symbolic.backbone import Backbone, Entrance
from symbolic.errors import ConfigError


class PromptEntrance(Entrance):
    """Put trained embeddings before the music.

    Args:
        length: Number of embeddings.
        dim: Width of the stream.
    """

    def __init__(self, length: int, dim: int) -> None:
        super().__init__()
        self.tokens = length
        # As small as the embeddings of music at their start.
        self.prompt = nn.Parameter(0.02 * torch.randn(length, dim))

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Turn (B, L, dim) and (B, L) into (B, tokens + L, dim) and (B, tokens + L)."""
        x = torch.cat((self.prompt.expand(x.shape[0], -1, -1).type_as(x), x), dim=1)
        return x, None if attention_mask is None else nn.functional.pad(
            attention_mask, (self.tokens, 0), value=True
        )


@register
@dataclass(frozen=True, kw_only=True)
class Prompt(AdapterMethod):
    """Trained embeddings before the first token (Lester et al., arXiv 2104.08691).

    A new adapter is close to the backbone but not equal to it since its tokens receive some attention.

    Args:
        length: Number of embeddings.

    Raises:
        ConfigError: If the length is below 1, or layers are chosen, since a prompt stands before all of them.
    """

    name = "prompt"
    size = "length"
    starts_neutral = False

    length: int = 32

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ConfigError(f"prompt length is {self.length}; it must be at least 1.")
        if self.layers != "all":
            raise ConfigError("prompt stands before the first layer; it takes no layers.")

    def replacements(self, backbone: Backbone) -> list[Replacement]:
        """Replace the entrance by a `PromptEntrance`."""
        module = PromptEntrance(self.length, backbone.config.dim)
        return [Replacement("entrance", module, {"prompt": module.prompt})]
