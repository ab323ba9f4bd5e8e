"""The sequential bottleneck adapter and the base class of all sequential adapters."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from torch import nn

from symbolic.adapters.bodies import Body, Sequential
from symbolic.adapters.bottleneck_method import BottleneckMethod
from symbolic.adapters.contract import Replacement, register
from symbolic.backbone import Backbone


@dataclass(frozen=True, kw_only=True)
class SequentialMethod(BottleneckMethod):
    """Put bottlenecks into slots of the stream after the residual sum.

    Args:
        train_norms: Also train copies of the layers' norms.
    """

    train_norms: bool = False

    def replacements(self, backbone: Backbone) -> list[Replacement]:
        """Replace every slot that `place` names, and every norm if norms are trained."""
        modules: dict[str, nn.Module] = {}
        for layer in self.chosen_layers(backbone):
            for branch in self.branches(backbone, layer):
                body = self.build_body(backbone.config.dim)
                modules[branch.slot] = Sequential(*body, self.scale, self.learn_scale)
            if self.train_norms:
                # Copies, so that detaching restores the backbone's own norms.
                norms = [branch.norm for branch in backbone.sublayers([layer])]
                modules |= {norm: copy.deepcopy(backbone.get_submodule(norm)) for norm in norms}
        return [
            Replacement(module_path, module, dict(module.named_parameters()))
            for module_path, module in modules.items()
        ]


@register
@dataclass(frozen=True, kw_only=True)
class BottleneckAdapter(SequentialMethod):
    """Add `x + up(gelu(down(x)))` (Ding & Lerch, arXiv 2411.19371, whose defaults these are)."""

    name = "adapter"

    train_norms: bool = True

    def body(self, dim: int) -> Body:
        """Make a network of linear, activation, linear."""
        return Body(dim, self.rank, self.activation)
