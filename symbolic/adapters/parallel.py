"""Adapters beside the residual branches: they see the stream as the branch found it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from symbolic.adapters.bodies import Body, problems_of
from symbolic.adapters.contract import AdapterMethod, Graft, register
from symbolic.backbone import Backbone
from symbolic.backbone.parts import FeedForward
from symbolic.errors import ConfigError

BRANCHES = ("feedforward", "all")


class Parallel(nn.Module):
    """A body beside a branch: `branch + scale * body(norm(stream))`.

    Args:
        body: The network.
        norm: A norm before it, or None.
        scale: Factor of what it adds.
    """

    def __init__(self, body: Body, norm: nn.LayerNorm | None = None, scale: float = 1.0) -> None:
        super().__init__()
        self.body, self.norm, self.scale = body, norm, scale

    def forward(self, branch: Tensor, stream: Tensor, real: Tensor | None = None) -> Tensor:
        """(B, L, dim), (B, L, dim) -> (B, L, dim)."""
        seen = stream if self.norm is None else self.norm(stream)
        beside: Tensor = self.body(seen, real)
        return torch.add(branch, beside, alpha=self.scale)


@register
@dataclass(frozen=True, kw_only=True)
class ParallelAdapter(AdapterMethod):
    """Bottlenecks beside the branches (He et al., arXiv 2110.04366).

    Args:
        rank: Width of the bottleneck.
        branches: Beside the feed-forward branches alone, or beside all.
        activation: One of `symbolic.adapters.bodies.ACTIVATIONS`.
        norm: Put a norm before each bottleneck.
        scale: Factor of what a bottleneck adds.

    Raises:
        ConfigError: Names every option that is wrong.
    """

    name = "parallel"
    size = "rank"

    rank: int = 16
    branches: str = "feedforward"
    activation: str = "relu"
    norm: bool = False
    scale: float = 1.0

    def __post_init__(self) -> None:
        problems = problems_of(self.name, self.rank, self.activation)
        if self.branches not in BRANCHES:
            problems.append(
                f"{self.name} branches is {self.branches!r}; choose one of {', '.join(BRANCHES)}."
            )
        if problems:
            raise ConfigError(problems)

    def body(self, dim: int) -> Body:
        """A fresh body for a stream of that width."""
        return Body(dim, self.rank, self.activation)

    def grafts(self, backbone: Backbone) -> list[Graft]:
        """A body beside every branch that is named."""
        dim, grafts = backbone.config.dim, []
        for sublayer in backbone.sublayers(self.picked(backbone)):
            if self.branches == "all" or isinstance(backbone.get_submodule(sublayer.body), FeedForward):
                norm = nn.LayerNorm(dim) if self.norm else None
                module = Parallel(self.body(dim), norm, self.scale)
                grafts.append(Graft(sublayer.beside, module, dict(module.named_parameters())))
        return grafts
