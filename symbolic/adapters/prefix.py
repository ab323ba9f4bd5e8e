"""Prefix tuning: trained keys and values for attention."""

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
    """Keys and values that are trained directly.

    Args:
        length: Number of pairs.
        dim: Width of each key and of each value.
    """

    def __init__(self, length: int, dim: int) -> None:
        super().__init__()
        # As `NetworkPairs` starts: keys that receive some attention, and values of zero.
        self.keys = nn.Parameter(0.3 * torch.randn(length, dim))
        self.values = nn.Parameter(torch.zeros(length, dim))

    def forward(self) -> tuple[Tensor, Tensor]:
        """Return keys (length, dim) and values (length, dim)."""
        return self.keys, self.values


class NetworkPairs(nn.Module):
    """Keys and values that a tanh network makes from an embedding, which makes training more stable.

    Args:
        length: Number of pairs.
        dim: Width of the embedding, of each key and of each value.
        width: Inner width of the network.
    """

    def __init__(self, length: int, dim: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(length, dim)
        self.widen = nn.Linear(dim, width)
        self.make = nn.Linear(width, 2 * dim)
        nn.init.zeros_(self.make.weight[dim:])
        nn.init.zeros_(self.make.bias[dim:])

    def forward(self) -> tuple[Tensor, Tensor]:
        """Return keys (length, dim) and values (length, dim)."""
        keys, values = self.make(torch.tanh(self.widen(self.embedding.weight))).chunk(2, dim=-1)
        return keys, values


class PrefixAttention(SelfAttention):
    """Attention with additional keys and values, which have no position.

    Args:
        original: The attention whose projections are shared.
        pairs: The module that returns the keys and values.
        length: Number of pairs.
    """

    def __init__(self, original: SelfAttention, pairs: Pairs | NetworkPairs, length: int) -> None:
        nn.Module.__init__(self)  # the parent's constructor would make new projections
        self.heads = original.heads
        self.query, self.key, self.value = original.query, original.key, original.value
        self.output = original.output
        self.prefix, self.length = pairs, length

    def heads_of(self, x: Tensor, rotation: Rotation) -> tuple[Tensor, Tensor, Tensor]:
        """Compute queries, keys and values, (B, H, L, head dim). Keys and values are longer by the prefix."""
        query, key, value = super().heads_of(x, rotation)
        more = (self._split(part[None].type_as(key)).expand(x.shape[0], -1, -1, -1) for part in self.prefix())
        key, value = (torch.cat((new, old), dim=2) for new, old in zip(more, (key, value), strict=True))
        return query, key, value

    def mask(self, attention_mask: Tensor | None) -> Tensor | None:
        """Extend the mask by the prefix, which may always be attended to."""
        if attention_mask is None:
            return None
        return nn.functional.pad(attention_mask, (self.length, 0), value=True)


@register
@dataclass(frozen=True, kw_only=True)
class Prefix(AdapterMethod):
    """Trained keys and values in every attention (Li & Liang, arXiv 2101.00190). Sizes are those of arXiv 2411.19371.

    A new adapter is close to the backbone but not equal to it since its keys receive some attention. Only keys and
    values are saved, not the network that makes them. A loaded adapter can be trained on.

    Args:
        length: Pairs of key and value in each layer.
        width: Inner width of the tanh network that makes them. With 0 they are trained directly.

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
        """Replace every attention by a `PrefixAttention`."""
        dim, replacements = backbone.config.dim, []
        for sublayer in backbone.sublayers(self.chosen_layers(backbone)):
            original = backbone.get_submodule(sublayer.body)
            if isinstance(original, SelfAttention):
                pairs = NetworkPairs(self.length, dim, self.width) if self.width else Pairs(self.length, dim)
                module = PrefixAttention(original, pairs, self.length)
                parameters = {f"prefix.{name}": parameter for name, parameter in pairs.named_parameters()}
                replacements.append(Replacement(sublayer.body, module, parameters))
        return replacements

    def saved_form(self) -> Prefix:
        """Return the method without the network."""
        return replace(self, width=0)

    def saved_tensors(self, replacement: Replacement) -> Mapping[str, Tensor]:
        """Return the present keys and values."""
        assert isinstance(replacement.module, PrefixAttention)
        keys, values = replacement.module.prefix()
        return {"prefix.keys": keys, "prefix.values": values}
