"""Adapters beside the residual branches: they see the stream as the branch found it."""

from __future__ import annotations

from dataclasses import dataclass

from symbolic.adapters.bodied import Bodied
from symbolic.adapters.bodies import Body, Parallel
from symbolic.adapters.contract import Replacement, register
from symbolic.backbone import Backbone


@register
@dataclass(frozen=True, kw_only=True)
class ParallelAdapter(Bodied):
    """Bottlenecks beside the feed-forward branches, or beside others too (He et al., arXiv 2110.04366)."""

    name = "parallel"

    place: str = "feedforward"
    activation: str = "relu"

    def body(self, dim: int) -> Body:
        """Linear, activation, linear."""
        return Body(dim, self.rank, self.activation)

    def replacements(self, backbone: Backbone) -> list[Replacement]:
        """A body beside every branch that the place names."""
        replacements = []
        for layer in self.picked(backbone):
            for branch in self.branches(backbone, layer):
                module = Parallel(*self.started(backbone.config.dim), self.scale, self.learn_scale)
                replacements.append(Replacement(branch.parallel, module, dict(module.named_parameters())))
        return replacements
