"""BitFit: train biases only."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symbolic.adapters.contract import AdapterMethod, Replacement, register
from symbolic.backbone import Backbone


class BiasedLinear(nn.Module):
    """A linear layer with a trained change of its bias. Weight and bias keep their names.

    Args:
        linear: The layer whose parameters are shared.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self.change = nn.Parameter(torch.zeros(linear.out_features))

    def forward(self, x: Tensor) -> Tensor:
        """Turn (..., in) into (..., out)."""
        return F.linear(x, self.weight, self.bias + self.change)


class BiasedNorm(nn.Module):
    """A layer norm with a trained change of its bias.

    Args:
        norm: The norm whose parameters are shared.
    """

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self.change = nn.Parameter(torch.zeros_like(norm.bias))

    def forward(self, x: Tensor) -> Tensor:
        """Turn (..., dim) into (..., dim)."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias + self.change, self.eps)


@register
@dataclass(frozen=True, kw_only=True)
class BitFit(AdapterMethod):
    """Change every bias of linear layers and norms in the blocks (Ben Zaken et al., arXiv 2106.10199)."""

    name = "bitfit"
    mergeable = True

    def replacements(self, backbone: Backbone) -> list[Replacement]:
        """Replace every linear layer by a `BiasedLinear` and every norm of a branch by a `BiasedNorm`."""
        layers = self.chosen_layers(backbone)
        modules: dict[str, BiasedLinear | BiasedNorm] = {}
        for module_path in (*backbone.linears(layers), *(s.norm for s in backbone.sublayers(layers))):
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

    def merge(self, replaced: nn.Module, original: nn.Module) -> None:
        """Add the change to the bias."""
        assert isinstance(replaced, BiasedLinear | BiasedNorm)
        assert isinstance(original, nn.Linear | nn.LayerNorm)
        original.bias.add_(replaced.change)
