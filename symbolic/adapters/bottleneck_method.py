"""Options of all adapters that add a bottleneck to the stream."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from torch import nn

from symbolic.adapters.bodies import ACTIVATIONS, STARTS, Body
from symbolic.adapters.contract import AdapterMethod
from symbolic.backbone import Backbone
from symbolic.backbone.attention import SelfAttention
from symbolic.backbone.base import SubLayer
from symbolic.backbone.parts import FeedForward
from symbolic.errors import ConfigError

PLACES = ("feedforward", "attention+feedforward", "sublayers", "layers")


@dataclass(frozen=True, kw_only=True)
class BottleneckMethod(AdapterMethod):
    """Base class of methods that add a bottleneck network to residual branches.

    The options are those that Chen et al. vary (arXiv 2306.08131). All methods share their names, so that a study
    can change one at a time.

    Args:
        rank: Width of the bottleneck.
        place: The branches that get one: "feedforward", "attention+feedforward", "sublayers" (all branches; Houlsby
            et al., arXiv 1902.00751) or "layers" (the last branch of each layer; Pfeiffer et al., arXiv
            2005.00247).
        activation: One of `symbolic.adapters.bodies.ACTIVATIONS`.
        norm: Put a norm before each bottleneck.
        init: Initialisation of the up-projection, one of `symbolic.adapters.bodies.STARTS`.
        zero_bias: Start the bias of the up-projection at zero, else as PyTorch does.
        scale: Factor of the bottleneck's output.
        learn_scale: Train the factors, one for each bottleneck.

    Raises:
        ConfigError: If options are wrong. All are named.
    """

    size = "rank"

    rank: int = 16
    place: str = "sublayers"
    activation: str = "gelu"
    norm: bool = False
    init: str = "zero"
    zero_bias: bool = True
    scale: float = 1.0
    learn_scale: bool = False

    def __post_init__(self) -> None:
        problems = []
        if self.rank < 1:
            problems.append(f"{self.name} rank is {self.rank}; it must be at least 1.")
        for option, choices in (("place", PLACES), ("activation", ACTIVATIONS), ("init", STARTS)):
            value = getattr(self, option)
            if value not in choices:
                problems.append(f"{self.name} {option} is {value!r}; choose one of {', '.join(choices)}.")
        if problems:
            raise ConfigError(problems)

    @abstractmethod
    def body(self, dim: int) -> Body:
        """Make a new bottleneck network for a stream of width `dim`."""

    def branches(self, backbone: Backbone, layer: int) -> list[SubLayer]:
        """List the branches of a layer that get a bottleneck."""
        sublayers = backbone.sublayers([layer])
        if self.place in ("sublayers", "layers"):
            return sublayers if self.place == "sublayers" else sublayers[-1:]
        kinds = (FeedForward,) if self.place == "feedforward" else (FeedForward, SelfAttention)
        return [one for one in sublayers if isinstance(backbone.get_submodule(one.body), kinds)]

    def build_body(self, dim: int) -> tuple[Body, nn.LayerNorm | None]:
        """Make an initialised bottleneck network and the norm before it or None."""
        body = self.body(dim)
        body.start(self.init, self.zero_bias)
        return body, nn.LayerNorm(dim) if self.norm else None
