"""The sequential bottleneck adapter, and what all adapters that stand in the stream have in common."""

from __future__ import annotations

import copy
from abc import abstractmethod
from dataclasses import dataclass

from torch import nn

from symbolic.adapters.bodies import Body, Sequential, problems_of
from symbolic.adapters.contract import AdapterMethod, Graft, register
from symbolic.backbone import Backbone
from symbolic.errors import ConfigError

PLACES = ("sublayers", "layers")


@dataclass(frozen=True, kw_only=True)
class Inserted(AdapterMethod):
    """Bodies in the slots of the stream, after the residual add.

    Args:
        rank: Width of the bottleneck.
        place: After every residual branch ("sublayers", Houlsby et al., arXiv 1902.00751) or once a layer, after the
            last branch ("layers", Pfeiffer et al., arXiv 2005.00247).
        activation: One of `symbolic.adapters.bodies.ACTIVATIONS`.
        norm: Put a norm before each body.
        scale: Factor of what a body adds.
        train_norms: Train copies of the layers' own norms with it.

    Raises:
        ConfigError: Names every option that is wrong.
    """

    size = "rank"

    rank: int = 16
    place: str = "sublayers"
    activation: str = "gelu"
    norm: bool = False
    scale: float = 1.0
    train_norms: bool = False

    def __post_init__(self) -> None:
        problems = problems_of(self.name, self.rank, self.activation)
        if self.place not in PLACES:
            problems.append(f"{self.name} place is {self.place!r}; choose one of {', '.join(PLACES)}.")
        if problems:
            raise ConfigError(problems)

    @abstractmethod
    def body(self, dim: int) -> Body:
        """A fresh body for a stream of that width."""

    def grafts(self, backbone: Backbone) -> list[Graft]:
        """A body in every slot that the place names, and a copy of every layer's norms if they are trained."""
        dim, modules = backbone.config.dim, dict[str, nn.Module]()
        for layer in self.picked(backbone):
            sublayers = backbone.sublayers([layer])
            for sublayer in sublayers if self.place == "sublayers" else sublayers[-1:]:
                norm = nn.LayerNorm(dim) if self.norm else None
                modules[sublayer.slot] = Sequential(self.body(dim), norm, self.scale)
            if self.train_norms:
                # Copies, so that detaching gives the backbone its own norms back.
                modules |= {s.norm: copy.deepcopy(backbone.get_submodule(s.norm)) for s in sublayers}
        return [Graft(site, module, dict(module.named_parameters())) for site, module in modules.items()]


@register
@dataclass(frozen=True, kw_only=True)
class BottleneckAdapter(Inserted):
    """Bottlenecks `x + up(gelu(down(x)))`; the defaults are Ding & Lerch's (arXiv 2411.19371)."""

    name = "adapter"

    train_norms: bool = True

    def body(self, dim: int) -> Body:
        """Linear, activation, linear."""
        return Body(dim, self.rank, self.activation)
