"""The sequential bottleneck adapter: a small network after every sub-layer."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from symbolic.adapters.base import AdapterMethod, Graft, register
from symbolic.backbone import Backbone
from symbolic.errors import ConfigError


class Bottleneck(nn.Module):
    """`x + up(gelu(down(x)))`.

    Args:
        dim: Width of the stream.
        rank: Width of the bottleneck.
    """

    def __init__(self, dim: int, rank: int) -> None:
        super().__init__()
        self.down = nn.Linear(dim, rank)
        self.up = nn.Linear(rank, dim)
        # Up alone is zero: with down zero too, nothing but a bias would ever learn.
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        """(B, L, dim) -> (B, L, dim); rows do not mix, so padding needs no care."""
        out: Tensor = x + self.up(F.gelu(self.down(x)))
        return out


@register
@dataclass(frozen=True)
class BottleneckAdapter(AdapterMethod):
    """Bottlenecks after each sub-layer, after its residual add (Houlsby et al., arXiv 1902.00751).

    The defaults are Ding & Lerch's (arXiv 2411.19371).

    Args:
        rank: Width of the bottleneck.
        train_norms: Train copies of the layers' norms with it.

    Raises:
        ConfigError: If the rank is below 1.
    """

    name = "adapter"

    rank: int = 16
    train_norms: bool = True

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ConfigError(f"adapter rank is {self.rank}; it must be at least 1.")

    def grafts(self, backbone: Backbone) -> list[Graft]:
        """A `Bottleneck` in every slot and a copy of every layer's norms."""
        modules: dict[str, nn.Module] = {}
        for sublayer in backbone.sublayers():
            modules[sublayer.slot] = Bottleneck(backbone.config.dim, self.rank)
            if self.train_norms:
                # A copy, so that detaching gives the backbone its own norms back.
                modules[sublayer.norm] = copy.deepcopy(backbone.get_submodule(sublayer.norm))
        return [Graft(site, module, dict(module.named_parameters())) for site, module in modules.items()]
