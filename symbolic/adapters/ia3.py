"""IA3: rescale keys, values and inner activations."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symbolic.adapters.contract import AdapterMethod, Replacement, register
from symbolic.backbone import Backbone


class RescaledLinear(nn.Module):
    """A linear layer whose inputs or outputs are multiplied by trained factors.

    Args:
        linear: The layer whose parameters are shared.
        inputs: Rescale the inputs, else the outputs.
    """

    def __init__(self, linear: nn.Linear, inputs: bool) -> None:
        super().__init__()
        self.weight, self.bias, self.inputs = linear.weight, linear.bias, inputs
        self.factors = nn.Parameter(torch.ones(linear.in_features if inputs else linear.out_features))

    def forward(self, x: Tensor) -> Tensor:
        """Turn (..., in) into (..., out)."""
        if self.inputs:
            return F.linear(x * self.factors, self.weight, self.bias)
        return F.linear(x, self.weight, self.bias) * self.factors


@register
@dataclass(frozen=True, kw_only=True)
class Ia3(AdapterMethod):
    """Train factors of keys, values and inner activations of the feed-forward (Liu et al., arXiv 2205.05638)."""

    name = "ia3"
    mergeable = True

    def replacements(self, backbone: Backbone) -> list[Replacement]:
        """Replace every key, value and feed-forward output projection by a `RescaledLinear`."""
        replacements = []
        for module_path in backbone.linears(self.chosen_layers(backbone)):
            name = module_path.rpartition(".")[2]
            if name in ("key", "value", "down"):
                linear = backbone.get_submodule(module_path)
                assert isinstance(linear, nn.Linear)
                module = RescaledLinear(linear, inputs=name == "down")
                replacements.append(Replacement(module_path, module, {"factors": module.factors}))
        return replacements

    def merge(self, replaced: nn.Module, original: nn.Module) -> None:
        """Multiply the weight's columns or its rows and the bias."""
        assert isinstance(replaced, RescaledLinear)
        assert isinstance(original, nn.Linear)
        if replaced.inputs:
            original.weight *= replaced.factors
        else:
            original.weight *= replaced.factors[:, None]
            original.bias.mul_(replaced.factors)
