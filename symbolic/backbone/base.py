"""What every backbone has in common, whatever its blocks are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from symbolic.backbone.attention import Rotation, rotary_angles
from symbolic.backbone.config import BackboneConfig
from symbolic.backbone.embedding import RowEmbedding
from symbolic.backbone.parts import Dropout


class Slot(nn.Identity):
    """A place on the residual stream where an adapter may stand; alone it does nothing.

    What stands in its stead is called with the stream and with the mask, which a convolution over tokens needs.
    """

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """(B, L, D) -> (B, L, D); `real` (B, L) bool or None."""
        return x


class Beside(nn.Module):
    """A place beside a residual branch, where an adapter may stand that sees the stream as the branch found it.

    What stands in its stead gets the branch's output, the stream before the branch's norm, and the mask; what it
    returns takes the output's place.
    """

    def forward(self, branch: Tensor, stream: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """(B, L, D), (B, L, D) -> (B, L, D); `real` (B, L) bool or None."""
        return branch


class Entrance(nn.Module):
    """The way into the stack, where an adapter may put tokens before those of the music.

    Attributes:
        tokens: How many; they are taken off again at the end.
    """

    tokens: int = 0

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """(B, L, D) and (B, L) bool or None -> the same, longer by `tokens`."""
        return x, attention_mask


class SubLayer(NamedTuple):
    """Paths of the parts of a residual branch: its norm, its body, the place beside it, the slot after its sum."""

    norm: str
    body: str
    beside: str
    slot: str


class Block(nn.Module):
    """One layer. It names the places that adapters may address, so that no adapter need know its class."""

    linears: ClassVar[tuple[str, ...]]
    """Paths of its linear layers."""
    sublayers: ClassVar[tuple[SubLayer, ...]]
    """Its residual branches in the order in which they run."""

    def forward(self, x: Tensor, rotation: Rotation, attention_mask: Tensor | None = None) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        raise NotImplementedError


def initialise(block: nn.Module, writers: Iterable[nn.Linear], residual_std: float) -> None:
    """Set a block's linear layers to small random weights.

    Args:
        block: Changed in place.
        writers: Those of its layers that write to the residual stream.
        residual_std: Standard deviation of their weights; of the others' it is 0.02.
    """
    for module in block.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
    for writer in writers:
        nn.init.normal_(writer.weight, std=residual_std)


class Backbone(nn.Module):
    """Token embedding, a stack of blocks, and a final norm.

    Args:
        config: Shape; saved beside the weights.
        sizes: Ids of each field (`Vocabulary.sizes`).
        blocks: The layers, already initialised.

    Attributes:
        adapter: What `symbolic.adapters` has attached, or None; kept here so that whoever holds the backbone
            can tell its own weights from an adapter's.
        recompute: Whether training keeps no activations inside blocks, but computes them again in the backward pass.
    """

    adapter: Any
    recompute: bool

    def __init__(self, config: BackboneConfig, sizes: Sequence[int], blocks: Iterable[Block]) -> None:
        super().__init__()
        self.adapter = None
        self.recompute = False
        self.config = config
        self.sizes = tuple(sizes)
        self.embedding = RowEmbedding(sizes, config.dim)
        self.dropout = Dropout(config.dropout)
        self.entrance = Entrance()
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(config.dim)

    def forward(
        self, tokens: Tensor, attention_mask: Tensor | None = None, beside: Tensor | None = None
    ) -> Tensor:
        """Hidden states of every token, after the final norm.

        Args:
            tokens: (B, L, 8) int64 ids.
            attention_mask: (B, L) bool, False where a token is padding. Pass None if no token is: then no mask is built.
            beside: (B, L, D) what is to be heard beside the tokens; it is added to their embedding.

        Returns:
            (B, L, D); what stands at padded tokens means nothing.
        """
        out: Tensor = self.norm(self.early(tokens, attention_mask, len(self.blocks), beside))
        return out

    def early(
        self, tokens: Tensor, attention_mask: Tensor | None, layers: int, beside: Tensor | None = None
    ) -> Tensor:
        """Hidden states after the first layers, without the final norm.

        Args:
            tokens: (B, L, 8) int64 ids.
            attention_mask: (B, L) bool, or None if no token is padded.
            layers: How many layers to run.
            beside: As of `forward`.

        Returns:
            (B, L, D).
        """
        x, rotation, attention_mask = self._enter(tokens, attention_mask, beside)
        for block in self.blocks[:layers]:
            if self.recompute and torch.is_grad_enabled():
                x = checkpoint(block, x, rotation, attention_mask, use_reentrant=False)
            else:
                x = block(x, rotation, attention_mask)
        return self._music(x)

    def states(
        self, tokens: Tensor, attention_mask: Tensor | None = None, beside: Tensor | None = None
    ) -> list[Tensor]:
        """Hidden states of the embedding and of every layer, for probes.

        Returns:
            layers + 1 tensors (B, L, D); the last is what `forward` returns, with the final norm.
        """
        x, rotation, attention_mask = self._enter(tokens, attention_mask, beside)
        states = [self._music(x)]
        for block in self.blocks:
            x = block(x, rotation, attention_mask)
            states.append(self._music(x))
        states[-1] = self.norm(states[-1])
        return states

    def linears(self, layers: Collection[int] | None = None) -> list[str]:
        """Paths of the blocks' linear layers, bottom up; of all blocks unless some are named."""
        return [f"{path}.{name}" for path, block in self._named_blocks(layers) for name in block.linears]

    def sublayers(self, layers: Collection[int] | None = None) -> list[SubLayer]:
        """Paths of the blocks' residual branches, bottom up; of all blocks unless some are named."""
        return [
            SubLayer(*(f"{path}.{name}" for name in sublayer))
            for path, block in self._named_blocks(layers)
            for sublayer in block.sublayers
        ]

    def _named_blocks(self, layers: Collection[int] | None) -> list[tuple[str, Block]]:
        return [
            (f"blocks.{i}", block)
            for i, block in enumerate(self.blocks)
            if isinstance(block, Block) and (layers is None or i in layers)
        ]

    def _enter(
        self, tokens: Tensor, attention_mask: Tensor | None, beside: Tensor | None = None
    ) -> tuple[Tensor, Rotation, Tensor | None]:
        embedded = self.embedding(tokens)
        x, attention_mask = self.entrance(
            self.dropout(embedded if beside is None else embedded + beside), attention_mask
        )
        head_dim = self.config.dim // self.config.heads
        return x, rotary_angles(x.shape[1], head_dim, tokens.device), attention_mask

    def _music(self, x: Tensor) -> Tensor:
        """The tokens of the music, without those of the entrance."""
        return x[:, self.entrance.tokens :] if self.entrance.tokens else x
