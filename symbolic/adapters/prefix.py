"""Prefix tuning: keys and values of tokens that are not there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from symbolic.adapters.contract import AdapterMethod, Replacement, register
from symbolic.backbone import Backbone
from symbolic.backbone.attention import Rotation, SelfAttention
from symbolic.errors import ConfigError


class Pairs(nn.Module):
    """Keys and values that are trained themselves.

    Args:
        length: How many pairs.
        dim: Width of each key and of each value.
    """

    def __init__(self, length: int, dim: int) -> None:
        super().__init__()
        # About what `MadePairs` makes at first: keys that draw some attention, to values of zero.
        self.keys = nn.Parameter(0.3 * torch.randn(length, dim))
        self.values = nn.Parameter(torch.zeros(length, dim))

    def forward(self) -> tuple[Tensor, Tensor]:
        """(length, dim) keys, (length, dim) values."""
        return self.keys, self.values


class MadePairs(nn.Module):
    """Keys and values made by a tanh network from an embedding, which trains more steadily.

    Args:
        length: How many pairs.
        dim: Width of the embedding, of each key and of each value.
        width: Inner width.
    """

    def __init__(self, length: int, dim: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(length, dim)
        self.widen = nn.Linear(dim, width)
        self.make = nn.Linear(width, 2 * dim)
        nn.init.zeros_(self.make.weight[dim:])
        nn.init.zeros_(self.make.bias[dim:])

    def forward(self) -> tuple[Tensor, Tensor]:
        """(length, dim) keys, (length, dim) values."""
        keys, values = self.make(torch.tanh(self.widen(self.embedding.weight))).chunk(2, dim=-1)
        return keys, values


class PrefixAttention(SelfAttention):
    """Attention with further keys and values, which have no position; the projections are the original's own.

    Args:
        original: The attention whose projections are shared.
        pairs: Gives the keys and values.
        length: How many.
    """

    def __init__(self, original: SelfAttention, pairs: Pairs | MadePairs, length: int) -> None:
        nn.Module.__init__(self)  # the parent would make projections of its own
        self.heads = original.heads
        self.query, self.key, self.value = original.query, original.key, original.value
        self.output = original.output
        self.prefix, self.length = pairs, length

    def heads_of(self, x: Tensor, rotation: Rotation) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values (B, H, L, head dim), the latter two longer by the prefix."""
        query, key, value = super().heads_of(x, rotation)
        more = (self._split(part[None].type_as(key)).expand(len(x), -1, -1, -1) for part in self.prefix())
        key, value = (torch.cat((new, old), dim=2) for new, old in zip(more, (key, value), strict=True))
        return query, key, value

    def mask(self, attention_mask: Tensor | None) -> Tensor | None:
        """The prefix is real."""
        if attention_mask is None:
            return None
        return nn.functional.pad(attention_mask, (self.length, 0), value=True)


@register
@dataclass(frozen=True, kw_only=True)
class Prefix(AdapterMethod):
    """Learned keys and values in every attention (Li & Liang, arXiv 2101.00190); sizes as in arXiv 2411.19371.

    A fresh one is near the backbone, and not equal to it: its keys draw some attention to values of zero. What is
    saved is keys and values; the network that made them ends with the training. Loaded, it can be trained on as it is.

    Args:
        length: Pairs of key and value in each layer.
        width: Inner width of the tanh network that makes them from an embedding; 0 to train them themselves.

    Raises:
        ConfigError: If the length is below 1, or the width below 0.
    """

    name = "prefix"
    size = "length"
    starts_neutral = False

    length: int = 32
    width: int = 512

    def __post_init__(self) -> None:
        problems = []
        if self.length < 1:
            problems.append(f"prefix length is {self.length}; it must be at least 1.")
        if self.width < 0:
            problems.append(f"prefix width is {self.width}; it must be at least 1, or 0 for no network.")
        if problems:
            raise ConfigError(problems)

    def replacements(self, backbone: Backbone) -> list[Replacement]:
        """A `PrefixAttention` for every attention."""
        dim, replacements = backbone.config.dim, []
        for sublayer in backbone.sublayers(self.picked(backbone)):
            original = backbone.get_submodule(sublayer.body)
            if isinstance(original, SelfAttention):
                pairs = MadePairs(self.length, dim, self.width) if self.width else Pairs(self.length, dim)
                module = PrefixAttention(original, pairs, self.length)
                own = {f"prefix.{name}": parameter for name, parameter in pairs.named_parameters()}
                replacements.append(Replacement(sublayer.body, module, own))
        return replacements

    def kept(self) -> Prefix:
        """Keys and values, without what makes them."""
        return replace(self, width=0)

    def kept_tensors(self, replacement: Replacement) -> Mapping[str, Tensor]:
        """The keys and values that stand there now."""
        assert isinstance(replacement.module, PrefixAttention)
        keys, values = replacement.module.prefix()
        return {"prefix.keys": keys, "prefix.values": values}
