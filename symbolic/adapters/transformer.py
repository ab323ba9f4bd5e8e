"""The transformer adapter: all notes of a window are mixed in the bottleneck."""

from __future__ import annotations

from dataclasses import dataclass

from symbolic.adapters.bodies import Body, TransformerBody
from symbolic.adapters.bottleneck import Inserted
from symbolic.adapters.contract import register
from symbolic.errors import ConfigError


@register
@dataclass(frozen=True, kw_only=True)
class TransformerAdapter(Inserted):
    """Norm, self-attention, norm, feed-forward in the bottleneck (Mehta et al., arXiv 2506.21298).

    Args:
        heads: Attention heads; divides the rank.
    """

    name = "transformer"

    place: str = "layers"
    heads: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.heads < 1 or self.rank % self.heads:
            raise ConfigError(f"transformer rank {self.rank} is not divisible by its {self.heads} heads.")

    def body(self, dim: int) -> Body:
        """Down, a Transformer layer, up."""
        return TransformerBody(dim, self.rank, self.activation, self.heads)
