"""IA3: keys, values and inner activations are rescaled."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symbolic.adapters.contract import AdapterMethod, Graft, register
from symbolic.backbone import Backbone


class RescaledLinear(nn.Module):
    """A linear layer whose inputs or outputs are multiplied by learned factors.

    Args:
        linear: The layer whose parameters are shared.
        inputs: Rescale what goes in; else what comes out.
    """

    def __init__(self, linear: nn.Linear, inputs: bool) -> None:
        super().__init__()
        self.weight, self.bias, self.inputs = linear.weight, linear.bias, inputs
        self.factors = nn.Parameter(torch.ones(linear.in_features if inputs else linear.out_features))

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        if self.inputs:
            return F.linear(x * self.factors, self.weight, self.bias)
        return F.linear(x, self.weight, self.bias) * self.factors


@register
@dataclass(frozen=True, kw_only=True)
class Ia3(AdapterMethod):
    """Factors on keys, on values and on the inner activations of the feed-forward (Liu et al., arXiv 2205.05638)."""

    name = "ia3"
    mergeable = True

    def grafts(self, backbone: Backbone) -> list[Graft]:
        """A `RescaledLinear` for every key, value, and projection out of a feed-forward."""
        grafts = []
        for site in backbone.linears(self.picked(backbone)):
            name = site.rpartition(".")[2]
            if name in ("key", "value", "down"):
                linear = backbone.get_submodule(site)
                assert isinstance(linear, nn.Linear)
                module = RescaledLinear(linear, inputs=name == "down")
                grafts.append(Graft(site, module, {"factors": module.factors}))
        return grafts

    def fold(self, grafted: nn.Module, original: nn.Module) -> None:
        """Multiply the weight's columns, or its tokens and the bias."""
        assert isinstance(grafted, RescaledLinear)
        assert isinstance(original, nn.Linear)
        if grafted.inputs:
            original.weight *= grafted.factors
        else:
            original.weight *= grafted.factors[:, None]
            original.bias.mul_(grafted.factors)
