"""BitFit: the biases alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symbolic.adapters.contract import AdapterMethod, Replacement, register
from symbolic.backbone import Backbone


class BiasedLinear(nn.Module):
    """A linear layer with a change of its bias; it keeps the layer's own weight and bias under their names.

    Args:
        linear: The layer whose parameters are shared.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self.change = nn.Parameter(torch.zeros(linear.out_features))

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return F.linear(x, self.weight, self.bias + self.change)


class BiasedNorm(nn.Module):
    """A layer norm with a change of its bias.

    Args:
        norm: The norm whose parameters are shared.
    """

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self.change = nn.Parameter(torch.zeros_like(norm.bias))

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) -> (..., dim)."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias + self.change, self.eps)


@register
@dataclass(frozen=True, kw_only=True)
class BitFit(AdapterMethod):
    """A change of every bias of the blocks, of linear layers and of norms (Ben Zaken et al., arXiv 2106.10199)."""

    name = "bitfit"
    mergeable = True

    def replacements(self, backbone: Backbone) -> list[Replacement]:
        """A `BiasedLinear` for every linear layer, a `BiasedNorm` for every branch's norm."""
        picked = self.picked(backbone)
        modules: dict[str, BiasedLinear | BiasedNorm] = {}
        for module_path in (*backbone.linears(picked), *(s.norm for s in backbone.sublayers(picked))):
            original = backbone.get_submodule(module_path)
            if isinstance(original, nn.LayerNorm):
                modules[module_path] = BiasedNorm(original)
            else:
                assert isinstance(original, nn.Linear)
                modules[module_path] = BiasedLinear(original)
        return [
            Replacement(module_path, module, {"change": module.change})
            for module_path, module in modules.items()
        ]

    def fold(self, replaced: nn.Module, original: nn.Module) -> None:
        """Add the change to the bias."""
        assert isinstance(replaced, BiasedLinear | BiasedNorm)
        assert isinstance(original, nn.Linear | nn.LayerNorm)
        original.bias.add_(replaced.change)
