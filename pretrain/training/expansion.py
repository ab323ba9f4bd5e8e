"""Expand a small backbone into a larger one that gives the same outputs (Net2Net).

Units are copied. The outgoing weights of a unit are divided among its copies (Net2WiderNet: Chen, Goodfellow and
Shlens, 2016, arXiv 1511.05641). Added layers write nothing at first. So the same tokens get the same logits. The
division is uneven at random because equal copies would learn the same forever.

The larger model has its own attention window. Relations beyond the smaller window must still be learnt.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from symbolic.backbone import Backbone, BackboneConfig
from symbolic.backbone.attention import SelfAttention
from symbolic.backbone.conformer import ConformerBlock, Convolution
from symbolic.backbone.embedding import TokenEmbedding
from symbolic.backbone.parts import FeedForward
from symbolic.heads import FieldHeads

_UNEVEN = 0.5
"""Standard deviation of the random part of each copy, where an even part is 1; its mean over copies is removed."""


def obstacles(small: BackboneConfig, large: BackboneConfig) -> list[str]:
    """Return the reasons why one shape cannot be expanded into another. Empty if it can."""
    if small.kind != large.kind:
        return [f"a {small.kind} cannot become a {large.kind}"]
    found = [
        f"{name} {getattr(large, name):,} are fewer than {getattr(small, name):,}"
        for name in ("layers", "heads", "ffn")
        if getattr(large, name) < getattr(small, name)
    ]
    if large.dim % small.dim:
        found.append(f"dim {large.dim} is no multiple of {small.dim}")
    before, after = small.dim // small.heads, large.dim // large.heads
    if after % before:
        found.append(f"{after} dimensions a head are no multiple of {before}")
    return found


@torch.no_grad()
def expand(small: Backbone, large: Backbone) -> None:
    """Fill a backbone with the weights of a smaller one, so that its states repeat those of the smaller one.

    Args:
        small: Trained. Its shape has no `obstacles`. It may be as large and lack relations.
        large: Freshly initialised. Changed in place.
    """
    stream = _copies(small.config.dim, large.config.dim)
    _expand_embedding(small.embedding, large.embedding, stream)
    _expand_norm(small.norm, large.norm, stream)
    sources = [i * len(small.blocks) // len(large.blocks) for i in range(len(large.blocks))]
    for i, (source, block) in enumerate(zip(sources, large.blocks, strict=True)):
        _expand_block(small.blocks[source], block, stream)
        if i and sources[i - 1] == source:
            _silence(large.blocks[i - 1], block)


@torch.no_grad()
def expand_heads(small: FieldHeads, large: FieldHeads) -> None:
    """Fill heads with the weights of smaller ones, so that repeated states get the same logits."""
    old, new = small.projection, large.projection
    _expand_linear(old, new, torch.arange(old.out_features), _copies(old.in_features, new.in_features))


def _copies(before: int, after: int) -> Tensor:
    """Return (after,) int64: the old unit that each new unit copies."""
    return torch.arange(after) % before


def _divided(weight: Tensor, units: Tensor) -> Tensor:
    """Divide (O, I) weights among the copies of their inputs -> (O, I'), unevenly, with unchanged sums."""
    count = units.bincount(minlength=weight.shape[1]).to(weight)
    uneven = torch.randn(len(weight), len(units)) * _UNEVEN
    mean = torch.zeros_like(weight).index_add_(1, units, uneven) / count
    return weight[:, units] * (1 + (uneven - mean[:, units])) / count[units]


def _expand_embedding(old: TokenEmbedding, new: TokenEmbedding, stream: Tensor) -> None:
    """Copy the vectors of fields and relations. Relations that the small backbone lacks begin with zeros."""
    for before, after in zip(old.tables.parameters(), new.tables.parameters(), strict=True):
        after.copy_(before[:, stream])
    if new.relations is not None:
        known = {} if old.relations is None else old.relations.vectors()
        for name, rows in new.relations.vectors().items():
            rows.copy_(known[name][:, stream] if name in known else torch.zeros_like(rows))


def _expand_linear(old: nn.Linear, new: nn.Linear, outputs: Tensor, inputs: Tensor) -> None:
    """Expand a layer, given the old unit behind each new output and input."""
    new.weight.copy_(_divided(old.weight[outputs], inputs))
    new.bias.copy_(old.bias[outputs])


def _expand_norm(old: nn.LayerNorm, new: nn.LayerNorm, stream: Tensor) -> None:
    new.weight.copy_(old.weight[stream])
    new.bias.copy_(old.bias[stream])


def _expand_block(old: nn.Module, new: nn.Module, stream: Tensor) -> None:
    for before, after in zip(old.children(), new.children(), strict=True):
        if isinstance(before, nn.LayerNorm) and isinstance(after, nn.LayerNorm):
            _expand_norm(before, after, stream)
        elif isinstance(before, FeedForward) and isinstance(after, FeedForward):
            inner = _copies(before.up.out_features, after.up.out_features)
            _expand_linear(before.up, after.up, inner, stream)
            _expand_linear(before.down, after.down, stream, inner)
        elif isinstance(before, SelfAttention) and isinstance(after, SelfAttention):
            _expand_attention(before, after, stream)
        elif isinstance(before, Convolution) and isinstance(after, Convolution):
            _expand_convolution(before, after, stream)


def _silence(source: nn.Module, added: nn.Module) -> None:
    """Make an added block write nothing yet; `source` is the block before it, with the same origin."""
    for writer in _writers(added):
        nn.init.zeros_(writer.weight)
        nn.init.zeros_(writer.bias)
    if isinstance(source, ConformerBlock):
        # A conformer block ends in a norm. The added block has that norm too, and it keeps what is normalised already.
        nn.init.ones_(source.norm.weight)
        nn.init.zeros_(source.norm.bias)


def _writers(block: nn.Module) -> Iterator[nn.Linear]:
    """Yield the layers of a block that write to the residual stream."""
    for part in block.children():
        if isinstance(part, SelfAttention):
            yield part.output
        elif isinstance(part, FeedForward):
            yield part.down
        elif isinstance(part, Convolution):
            yield part.narrow


def _expand_convolution(old: Convolution, new: Convolution, stream: Tensor) -> None:
    dim = old.narrow.in_features
    _expand_linear(old.widen, new.widen, torch.cat((stream, stream + dim)), stream)  # values, then gates
    for before, after in zip(old.depthwise.parameters(), new.depthwise.parameters(), strict=True):
        after.copy_(before[stream])
    _expand_norm(old.norm, new.norm, stream)
    _expand_linear(old.narrow, new.narrow, stream, stream)


def _expand_attention(old: SelfAttention, new: SelfAttention, stream: Tensor) -> None:
    """Copy the heads. In a head that is k times as wide, every k-th rotary frequency is an old one.

    The other frequencies get random queries and zero keys. They add nothing yet and their keys can learn.
    """
    before, after = (part.query.out_features // part.heads for part in (old, new))
    wider, head = after // before, _copies(old.heads, new.heads)
    pair = torch.arange(before // 2) * wider
    target = _of_heads(torch.arange(new.heads), torch.cat((pair, pair + after // 2)), after)
    source = _of_heads(head, torch.arange(before), before)
    nn.init.zeros_(new.key.weight)
    # Attention scores are divided by the root of the width.
    for narrow, wide, scale in ((old.query, new.query, wider**0.5), (old.key, new.key, 1.0)):
        nn.init.zeros_(wide.bias)
        wide.weight[target] = scale * _divided(narrow.weight[source], stream)
        wide.bias[target] = scale * narrow.bias[source]
    value = _of_heads(head, _copies(before, after), before)
    _expand_linear(old.value, new.value, value, stream)
    _expand_linear(old.output, new.output, stream, value)


def _of_heads(heads: Tensor, dimensions: Tensor, width: int) -> Tensor:
    """Return the indices of some dimensions of some heads, each head `width` wide."""
    return (heads[:, None] * width + dimensions).flatten()
