"""The sequential bottleneck adapter, and what all adapters that stand in the stream have in common."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from torch import nn

from symbolic.adapters.bodied import Bodied
from symbolic.adapters.bodies import Body, Sequential
from symbolic.adapters.contract import Replacement, register
from symbolic.backbone import Backbone


@dataclass(frozen=True, kw_only=True)
class Inserted(Bodied):
    """Bodies in the slots of the stream, after the residual add.

    Args:
        train_norms: Train copies of the layers' own norms with it.
    """

    train_norms: bool = False

    def replacements(self, backbone: Backbone) -> list[Replacement]:
        """A body in every slot that the place names, and a copy of every layer's norms if they are trained."""
        modules: dict[str, nn.Module] = {}
        for layer in self.picked(backbone):
            for branch in self.branches(backbone, layer):
                body = self.started(backbone.config.dim)
                modules[branch.slot] = Sequential(*body, self.scale, self.learn_scale)
            if self.train_norms:
                # Copies, so that detaching gives the backbone its own norms back.
                norms = [branch.norm for branch in backbone.sublayers([layer])]
                modules |= {norm: copy.deepcopy(backbone.get_submodule(norm)) for norm in norms}
        return [
            Replacement(module_path, module, dict(module.named_parameters()))
            for module_path, module in modules.items()
        ]


@register
@dataclass(frozen=True, kw_only=True)
class BottleneckAdapter(Inserted):
    """Bottlenecks `x + up(gelu(down(x)))`; the defaults are Ding & Lerch's (arXiv 2411.19371)."""

    name = "adapter"

    train_norms: bool = True

    def body(self, dim: int) -> Body:
        """Linear, activation, linear."""
        return Body(dim, self.rank, self.activation)
