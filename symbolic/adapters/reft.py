"""ReFT: the stream after a layer is changed within a few directions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symbolic.adapters.contract import AdapterMethod, Replacement, register
from symbolic.backbone import Backbone
from symbolic.errors import ConfigError


class Intervention(nn.Module):
    """`x + R^T (W x + b - R x)`: within the tokens of R, the stream becomes what `W x + b` says it should be.

    Args:
        dim: Width of the stream.
        rank: Tokens of R and of W.
        neutral: Start at W = R and b = 0.
    """

    def __init__(self, dim: int, rank: int, neutral: bool = False) -> None:
        super().__init__()
        self.directions = nn.Parameter(torch.empty(rank, dim))
        nn.init.orthogonal_(self.directions)
        self.wanted = nn.Linear(dim, rank)
        if neutral:
            nn.init.zeros_(self.wanted.bias)
            with torch.no_grad():
                self.wanted.weight.copy_(self.tokens())

    def tokens(self) -> Tensor:
        """R, (rank, dim) float32: the directions, made orthonormal one after the other."""
        # PyTorch's own parametrisation keeps a buffer that files would need too, and knows no half precision.
        columns, triangle = torch.linalg.qr(self.directions.float().T)
        # Without signs of their own, tokens would flip where a direction's first number passes through zero.
        tokens: Tensor = (columns * triangle.diagonal().sign()).T
        return tokens

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """(B, L, dim) -> (B, L, dim)."""
        tokens = self.tokens()
        missing = F.linear(x, (self.wanted.weight - tokens).type_as(x), self.wanted.bias.type_as(x))
        return x + F.linear(missing, tokens.T.type_as(missing))


@register
@dataclass(frozen=True, kw_only=True)
class Reft(AdapterMethod):
    """LoReFT (Wu et al., arXiv 2404.03592) after the last branch of each layer, on every note.

    The paper changes the first and last words of a sentence alone. Windows cut a piece anywhere, so a place in one
    says nothing, and all notes are changed alike. As in the authors' code, a fresh one is near the backbone, and not
    equal to it.

    Args:
        rank: Directions in each layer; no more than the stream is wide.
        neutral: Start without an effect.

    Raises:
        ConfigError: If the rank is below 1.
    """

    name = "reft"
    size = "rank"
    starts_neutral = False

    rank: int = 4
    neutral: bool = False

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ConfigError(f"reft rank is {self.rank}; it must be at least 1.")

    @classmethod
    def largest(cls, backbone: Backbone) -> int:
        """The width of the stream, which has no more orthonormal directions."""
        return backbone.config.dim

    def replacements(self, backbone: Backbone) -> list[Replacement]:
        """An `Intervention` in the last slot of every layer."""
        dim, replacements = backbone.config.dim, []
        if self.rank > dim:
            raise ConfigError(
                f"reft rank is {self.rank}; a stream of width {dim} has no more than {dim} directions."
            )
        for layer in self.picked(backbone):
            module = Intervention(dim, self.rank, self.neutral)
            module_path = backbone.sublayers([layer])[-1].slot
            replacements.append(Replacement(module_path, module, dict(module.named_parameters())))
        return replacements
