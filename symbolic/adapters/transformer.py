"""The Transformer adapter, which mixes all notes of a window in the bottleneck."""

from __future__ import annotations

from dataclasses import dataclass

from symbolic.adapters.bodies import Body, TransformerBody
from symbolic.adapters.bottleneck import SequentialMethod
from symbolic.adapters.contract import register
from symbolic.errors import ConfigError


@register
@dataclass(frozen=True, kw_only=True)
class TransformerAdapter(SequentialMethod):
    """Use norm, self-attention, norm, feed-forward in the bottleneck (Mehta et al., arXiv 2506.21298).

    Args:
        heads: Number of attention heads. It divides the rank.
    """

    name = "transformer"

    place: str = "layers"
    heads: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.heads < 1 or self.rank % self.heads:
            raise ConfigError(f"transformer rank {self.rank} is not divisible by its {self.heads} heads.")

    def body(self, dim: int) -> Body:
        """Make a network of down, Transformer layer, up."""
        return TransformerBody(dim, self.rank, self.activation, self.heads)
