"""Prefix tuning: keys and values of rows that are not there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from symbolic.adapters.base import AdapterMethod, Graft, register
from symbolic.backbone import Backbone
from symbolic.backbone.attention import Rotation, SelfAttention
from symbolic.errors import ConfigError


class PrefixAttention(SelfAttention):
    """Attention with further keys and values, which have no position; the projections are the original's own.

    Args:
        original: The attention whose projections are shared.
        length: How many pairs of key and value.
        width: Inner width of the network that makes them.
    """

    def __init__(self, original: SelfAttention, length: int, width: int) -> None:
        nn.Module.__init__(self)  # the parent would make projections of its own
        self.heads = original.heads
        self.query, self.key, self.value = original.query, original.key, original.value
        self.output = original.output
        dim = original.query.in_features
        self.prefix = nn.Embedding(length, dim)
        self.widen = nn.Linear(dim, width)
        self.make = nn.Linear(width, 2 * dim)
        # Values of zero: at first the prefix only draws attention away.
        nn.init.zeros_(self.make.weight[dim:])
        nn.init.zeros_(self.make.bias[dim:])

    def heads_of(self, x: Tensor, rotation: Rotation) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values (B, H, L, head dim), the latter two longer by the prefix."""
        query, key, value = super().heads_of(x, rotation)
        made = self.make(torch.tanh(self.widen(self.prefix.weight))).type_as(key)
        more = (self._split(part[None]).expand(len(x), -1, -1, -1) for part in made.chunk(2, dim=-1))
        key, value = (torch.cat((new, old), dim=2) for new, old in zip(more, (key, value), strict=True))
        return query, key, value

    def mask(self, real: Tensor | None) -> Tensor | None:
        """The prefix is real."""
        if real is None:
            return None
        return nn.functional.pad(real, (self.prefix.num_embeddings, 0), value=True)


@register
@dataclass(frozen=True, kw_only=True)
class Prefix(AdapterMethod):
    """Learned keys and values in every attention (Li & Liang, arXiv 2101.00190); sizes as in arXiv 2411.19371.

    A fresh one is near the backbone, and not equal to it: its keys draw some attention to values of zero.

    Args:
        length: Pairs of key and value in each layer.
        width: Inner width of the tanh network that makes them from an embedding.

    Raises:
        ConfigError: If either is below 1.
    """

    name = "prefix"
    size = "length"
    starts_neutral = False

    length: int = 32
    width: int = 512

    def __post_init__(self) -> None:
        if self.length < 1 or self.width < 1:
            raise ConfigError(f"prefix length {self.length} and width {self.width} must be at least 1.")

    def grafts(self, backbone: Backbone) -> list[Graft]:
        """A `PrefixAttention` for every attention."""
        grafts = []
        for sublayer in backbone.sublayers(self.picked(backbone)):
            original = backbone.get_submodule(sublayer.body)
            if isinstance(original, SelfAttention):
                module = PrefixAttention(original, self.length, self.width)
                shared = {id(parameter) for parameter in original.parameters()}
                own = {name: p for name, p in module.named_parameters() if id(p) not in shared}
                grafts.append(Graft(sublayer.body, module, own))
        return grafts
