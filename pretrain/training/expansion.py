"""A larger backbone that begins by saying what a smaller one says.

Units are copied, and what goes out from a unit is shared among its copies (Net2WiderNet: Chen, Goodfellow & Shlens,
2016, arXiv 1511.05641); layers are added that write nothing yet. So the same tokens get the same logits, and no step is
spent on what the smaller one knew. The shares are uneven, by chance, else copies would learn alike for ever.

Windows are those of the larger shape: what lies farther apart than in the smaller one's must still be learnt.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from symbolic.backbone import Backbone, BackboneConfig
from symbolic.backbone.attention import SelfAttention
from symbolic.backbone.conformer import ConformerBlock, Convolution
from symbolic.backbone.parts import FeedForward
from symbolic.heads import FieldHeads

_UNEVEN = 0.5
"""Standard deviation of what is drawn for a copy, an even share being 1; the mean of the copies is then taken off."""


def obstacles(small: BackboneConfig, large: BackboneConfig) -> list[str]:
    """Why a backbone cannot grow from one shape into another; empty if it can."""
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
    """Give a backbone the weights of a smaller one, so that its states are those of the other, repeated.

    Args:
        small: Of a shape without `obstacles`.
        large: Freshly initialised; changed in place.
    """
    stream = _copies(small.config.dim, large.config.dim)
    for theirs, ours in zip(small.embedding.parameters(), large.embedding.parameters(), strict=True):
        ours.copy_(theirs[:, stream])
    _expand_norm(small.norm, large.norm, stream)
    sources = [i * len(small.blocks) // len(large.blocks) for i in range(len(large.blocks))]
    for i, (source, block) in enumerate(zip(sources, large.blocks, strict=True)):
        _expand_block(small.blocks[source], block, stream)
        if i and sources[i - 1] == source:
            _silence(large.blocks[i - 1], block)


@torch.no_grad()
def expand_heads(small: FieldHeads, large: FieldHeads) -> None:
    """Give heads the weights of a smaller backbone's, so that they say of its repeated states what those said."""
    theirs, ours = small.projection, large.projection
    _expand_linear(
        theirs, ours, torch.arange(theirs.out_features), _copies(theirs.in_features, ours.in_features)
    )


def _copies(before: int, after: int) -> Tensor:
    """(after,) which unit each is a copy of."""
    return torch.arange(after) % before


def _shared(weight: Tensor, units: Tensor) -> Tensor:
    """(O, I) weights on units -> (O, I') on copies of them, in uneven shares that add up."""
    count = units.bincount(minlength=weight.shape[1]).to(weight)
    uneven = torch.randn(len(weight), len(units)) * _UNEVEN
    mean = torch.zeros_like(weight).index_add_(1, units, uneven) / count
    return weight[:, units] * (1 + uneven - mean[:, units]) / count[units]


def _expand_linear(theirs: nn.Linear, ours: nn.Linear, to: Tensor, read: Tensor) -> None:
    """A layer to copies `to` of its outputs from copies `read` of its inputs."""
    ours.weight.copy_(_shared(theirs.weight[to], read))
    ours.bias.copy_(theirs.bias[to])


def _expand_norm(theirs: nn.LayerNorm, ours: nn.LayerNorm, stream: Tensor) -> None:
    ours.weight.copy_(theirs.weight[stream])
    ours.bias.copy_(theirs.bias[stream])


def _expand_block(theirs: nn.Module, ours: nn.Module, stream: Tensor) -> None:
    for before, after in zip(theirs.children(), ours.children(), strict=True):
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
    """Let a block that was grown from the same one as that before it change nothing yet."""
    for writer in _writers(added):
        nn.init.zeros_(writer.weight)
        nn.init.zeros_(writer.bias)
    if isinstance(source, ConformerBlock):
        # Its block ends in a norm. The added one has it too, and what is normed already it leaves as it is.
        nn.init.ones_(source.norm.weight)
        nn.init.zeros_(source.norm.bias)


def _writers(block: nn.Module) -> Iterator[nn.Linear]:
    """A block's layers that write to the stream."""
    for part in block.children():
        if isinstance(part, SelfAttention):
            yield part.output
        elif isinstance(part, FeedForward):
            yield part.down
        elif isinstance(part, Convolution):
            yield part.narrow


def _expand_convolution(theirs: Convolution, ours: Convolution, stream: Tensor) -> None:
    dim = theirs.narrow.in_features
    _expand_linear(theirs.widen, ours.widen, torch.cat((stream, stream + dim)), stream)  # values, then gates
    for old, new in zip(theirs.depthwise.parameters(), ours.depthwise.parameters(), strict=True):
        new.copy_(old[stream])
    _expand_norm(theirs.norm, ours.norm, stream)
    _expand_linear(theirs.narrow, ours.narrow, stream, stream)


def _expand_attention(theirs: SelfAttention, ours: SelfAttention, stream: Tensor) -> None:
    """Heads are copied. In one that is k times as wide, every k-th frequency of its rotary positions is an old one.

    Dimensions of the other frequencies have random queries and keys of zero: they add nothing yet, and keys can learn.
    """
    before, after = (part.query.out_features // part.heads for part in (theirs, ours))
    wider, head = after // before, _copies(theirs.heads, ours.heads)
    pair = torch.arange(before // 2) * wider
    new = _of_heads(torch.arange(ours.heads), torch.cat((pair, pair + after // 2)), after)
    old = _of_heads(head, torch.arange(before), before)
    nn.init.zeros_(ours.key.weight)
    # Scores are divided by the root of the width.
    for asked, asking, scale in ((theirs.query, ours.query, wider**0.5), (theirs.key, ours.key, 1.0)):
        nn.init.zeros_(asking.bias)
        asking.weight[new] = scale * _shared(asked.weight[old], stream)
        asking.bias[new] = scale * asked.bias[old]
    value = _of_heads(head, _copies(before, after), before)
    _expand_linear(theirs.value, ours.value, value, stream)
    _expand_linear(theirs.output, ours.output, stream, value)


def _of_heads(heads: Tensor, dimensions: Tensor, width: int) -> Tensor:
    """Units of some dimensions of some heads, each `width` wide."""
    return (heads[:, None] * width + dimensions).flatten()
