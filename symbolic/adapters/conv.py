"""The convolutional adapter, which mixes neighbouring notes in the bottleneck."""

from __future__ import annotations

from dataclasses import dataclass

from symbolic.adapters.bodies import Body, ConvBody
from symbolic.adapters.bottleneck import SequentialMethod
from symbolic.adapters.contract import register
from symbolic.errors import ConfigError


@register
@dataclass(frozen=True, kw_only=True)
class ConvAdapter(SequentialMethod):
    """Use dilated residual convolutions over notes with a gate (Mehta et al., arXiv 2506.21298).

    Args:
        kernel: Tokens in a convolution's reach, odd. By default four of them, dilated by 1, 2, 4 and 8, reach 31
            tokens.
    """

    name = "conv"

    place: str = "layers"
    kernel: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise ConfigError(f"conv kernel is {self.kernel}; it must be odd.")

    def body(self, dim: int) -> Body:
        """Make a network of down, convolutions, gate, up."""
        return ConvBody(dim, self.rank, self.activation, self.kernel)
