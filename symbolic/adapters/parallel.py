"""Bottleneck adapters parallel to residual branches, which read the branch's input."""

from __future__ import annotations

from dataclasses import dataclass

from symbolic.adapters.bodies import Body, Parallel
from symbolic.adapters.bottleneck_method import BottleneckMethod
from symbolic.adapters.contract import Replacement, register
from symbolic.backbone import Backbone


@register
@dataclass(frozen=True, kw_only=True)
class ParallelAdapter(BottleneckMethod):
    """Put bottlenecks parallel to the feed-forward branches or to others (He et al., arXiv 2110.04366)."""

    name = "parallel"

    place: str = "feedforward"
    activation: str = "relu"

    def body(self, dim: int) -> Body:
        """Make a network of linear, activation, linear."""
        return Body(dim, self.rank, self.activation)

    def replacements(self, backbone: Backbone) -> list[Replacement]:
        """Replace the parallel slot of every branch that `place` names."""
        replacements = []
        for layer in self.chosen_layers(backbone):
            for branch in self.branches(backbone, layer):
                module = Parallel(*self.build_body(backbone.config.dim), self.scale, self.learn_scale)
                replacements.append(Replacement(branch.parallel, module, dict(module.named_parameters())))
        return replacements
