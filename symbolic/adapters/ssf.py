"""SSF: scale and shift every feature."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symbolic.adapters.contract import AdapterMethod, Replacement, register
from symbolic.backbone import Backbone


class ScaledLinear(nn.Module):
    """Compute `gamma * linear(x) + beta`. Weight and bias keep their names.

    Args:
        linear: The layer whose parameters are shared.
        deviation: Standard deviation of the initial `gamma` around 1 and `beta` around 0.
    """

    def __init__(self, linear: nn.Linear, deviation: float) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self.gamma = nn.Parameter(torch.empty(linear.out_features).normal_(1.0, deviation))
        self.beta = nn.Parameter(torch.empty(linear.out_features).normal_(0.0, deviation))

    def forward(self, x: Tensor) -> Tensor:
        """Turn (..., in) into (..., out)."""
        return torch.addcmul(self.beta, F.linear(x, self.weight, self.bias), self.gamma)


@register
@dataclass(frozen=True, kw_only=True)
class Ssf(AdapterMethod):
    """Scale and shift the output of every linear layer (Lian et al., arXiv 2210.08823).

    Args:
        deviation: Standard deviation of the initial values: 0.02 as in Ding & Lerch (arXiv 2411.19371), 0 for a
            neutral start.
    """

    name = "ssf"
    mergeable = True
    starts_neutral = False

    deviation: float = 0.02

    def replacements(self, backbone: Backbone) -> list[Replacement]:
        """Replace every linear layer by a `ScaledLinear`."""
        replacements = []
        for module_path in backbone.linears(self.chosen_layers(backbone)):
            linear = backbone.get_submodule(module_path)
            assert isinstance(linear, nn.Linear)
            module = ScaledLinear(linear, self.deviation)
            replacements.append(
                Replacement(module_path, module, {"gamma": module.gamma, "beta": module.beta})
            )
        return replacements

    def merge(self, replaced: nn.Module, original: nn.Module) -> None:
        """Scale the weight's rows and the bias and shift the bias."""
        assert isinstance(replaced, ScaledLinear)
        assert isinstance(original, nn.Linear)
        original.weight *= replaced.gamma[:, None]
        original.bias.mul_(replaced.gamma).add_(replaced.beta)
