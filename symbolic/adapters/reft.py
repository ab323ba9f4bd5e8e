"""ReFT: change the stream after a layer within a few directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symbolic.adapters.contract import AdapterMethod, Replacement, register
from symbolic.backbone import Backbone
from symbolic.errors import ConfigError


class Intervention(nn.Module):
    """Compute `x + R^T (W x + b - R x)`: within the rows of R, the stream becomes `W x + b`.

    Args:
        dim: Width of the stream.
        rank: Number of rows of R and of W.
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
                self.wanted.weight.copy_(self.basis())

    def basis(self) -> Tensor:
        """Return R, (rank, dim) float32: the directions, orthonormalised in order."""
        # PyTorch's own parametrisation has a buffer, which files would need too, and no half precision.
        rows = self.directions.float()
        if torch.onnx.is_in_onnx_export():  # ONNX has no such decomposition, and numpy's is a constant there
            columns, triangle = map(torch.from_numpy, np.linalg.qr(rows.detach().numpy().T))
        else:
            columns, triangle = torch.linalg.qr(rows.T)
        # Without fixed signs, directions would flip where a first number passes through zero.
        basis: Tensor = (columns * triangle.diagonal().sign()).T
        return basis

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Turn the stream (B, L, dim) into (B, L, dim)."""
        basis = self.basis()
        missing = F.linear(x, (self.wanted.weight - basis).type_as(x), self.wanted.bias.type_as(x))
        return x + F.linear(missing, basis.T.type_as(missing))


@register
@dataclass(frozen=True, kw_only=True)
class Reft(AdapterMethod):
    """LoReFT (Wu et al., arXiv 2404.03592) after the last branch of each layer, on every note.

    The paper changes only the first and last words of a sentence. Here all notes are changed, since windows cut a
    piece anywhere. As in the authors' code, a new adapter is close to the backbone but not equal to it.

    Args:
        rank: Number of directions in each layer, at most the width of the stream.
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
        """Return the width of the stream, which bounds the number of orthonormal directions."""
        return backbone.config.dim

    def replacements(self, backbone: Backbone) -> list[Replacement]:
        """Replace the last slot of every layer by an `Intervention`."""
        dim, replacements = backbone.config.dim, []
        if self.rank > dim:
            raise ConfigError(
                f"reft rank is {self.rank}; a stream of width {dim} has no more than {dim} directions."
            )
        for layer in self.chosen_layers(backbone):
            module = Intervention(dim, self.rank, self.neutral)
            module_path = backbone.sublayers([layer])[-1].slot
            replacements.append(Replacement(module_path, module, dict(module.named_parameters())))
        return replacements
