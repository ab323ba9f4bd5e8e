"""The parts that all backbones have in common."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from symbolic.backbone.attention import Rotation, rotary_angles
from symbolic.backbone.config import BackboneConfig
from symbolic.backbone.embedding import TokenEmbedding
from symbolic.backbone.parts import Dropout


class Slot(nn.Identity):
    """A place on the residual stream for an adapter. Without one it changes nothing.

    An adapter here is called with the stream and the attention mask.
    """

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return the stream (B, L, D). `attention_mask` is (B, L) bool or None."""
        return x


class ParallelSlot(nn.Module):
    """A place parallel to a residual branch for an adapter that reads the branch's input.

    An adapter here is called with the branch's output, the stream before the branch's norm and the attention mask.
    Its result replaces the branch's output.
    """

    def forward(self, branch: Tensor, stream: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return the branch's output (B, L, D). `stream` is (B, L, D), `attention_mask` (B, L) bool or None."""
        return branch


class Entrance(nn.Module):
    """The input of the stack, where an adapter may put tokens before those of the music.

    Attributes:
        tokens: Number of these tokens. They are removed from the output.
    """

    tokens: int = 0

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return the stream (B, L, D) and the mask (B, L) or None, both longer by `tokens`."""
        return x, attention_mask


class SubLayer(NamedTuple):
    """Module paths of a residual branch: its norm, its body, the slot parallel to it and the slot after its sum."""

    norm: str
    body: str
    parallel: str
    slot: str


class Block(nn.Module):
    """One layer. It lists its parts, so that adapters need not know its class."""

    linears: ClassVar[tuple[str, ...]]
    """Paths of its linear layers."""
    sublayers: ClassVar[tuple[SubLayer, ...]]
    """Its residual branches, in the order in which they run."""

    def forward(self, x: Tensor, rotation: Rotation, attention_mask: Tensor | None = None) -> Tensor:
        """Turn the stream (B, L, D) into (B, L, D)."""
        raise NotImplementedError


def initialise(block: nn.Module, writers: Iterable[nn.Linear], residual_std: float) -> None:
    """Set the linear layers of a block to small random weights in place.

    Args:
        block: The block.
        writers: Its layers that write to the residual stream.
        residual_std: Standard deviation of the writers' weights. For other layers it is 0.02.
    """
    for module in block.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
    for writer in writers:
        nn.init.normal_(writer.weight, std=residual_std)


class Backbone(nn.Module):
    """Token embedding, a stack of blocks and a final norm.

    Args:
        config: The shape, saved with the weights.
        sizes: Number of ids of each field (`Vocabulary.sizes`).
        blocks: The layers, initialised.

    Attributes:
        adapter: The adapter that `symbolic.adapters` attached, or None.
        recompute: In training, compute activations inside blocks again in the backward pass, to save memory.
    """

    adapter: Any
    recompute: bool

    def __init__(self, config: BackboneConfig, sizes: Sequence[int], blocks: Iterable[Block]) -> None:
        super().__init__()
        self.adapter = None
        self.recompute = False
        self.config = config
        self.sizes = tuple(sizes)
        self.embedding = TokenEmbedding(sizes, config.dim, config.relations, config.absolute_pitch)
        self.dropout = Dropout(config.dropout)
        self.entrance = Entrance()
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(config.dim)

    def forward(
        self, tokens: Tensor, attention_mask: Tensor | None = None, extra_embedding: Tensor | None = None
    ) -> Tensor:
        """Compute the hidden states of all tokens after the final norm.

        Args:
            tokens: (B, L, 8) int64 ids.
            attention_mask: (B, L) bool, false for padding. None, if there is none, avoids the cost of a mask.
            extra_embedding: (B, L, D) to add to the embedding of the tokens or None.

        Returns:
            (B, L, D) float. States of padding have no meaning.
        """
        out: Tensor = self.norm(self.early(tokens, attention_mask, len(self.blocks), extra_embedding))
        return out

    def early(
        self,
        tokens: Tensor,
        attention_mask: Tensor | None,
        layers: int,
        extra_embedding: Tensor | None = None,
    ) -> Tensor:
        """Compute the hidden states after the first layers without the final norm.

        Args:
            tokens: (B, L, 8) int64 ids.
            attention_mask: (B, L) bool. False is padding. None if there is none.
            layers: Number of layers to run.
            extra_embedding: As in `forward`.

        Returns:
            (B, L, D) float.
        """
        x, rotation, attention_mask = self._enter(tokens, attention_mask, extra_embedding)
        for block in self.blocks[:layers]:
            if self.recompute and torch.is_grad_enabled():
                x = checkpoint(block, x, rotation, attention_mask, use_reentrant=False)
            else:
                x = block(x, rotation, attention_mask)
        return self._music(x)

    def states(
        self, tokens: Tensor, attention_mask: Tensor | None = None, extra_embedding: Tensor | None = None
    ) -> list[Tensor]:
        """Compute the hidden states of the embedding and of every layer.

        Args:
            tokens: (B, L, 8) int64 ids.
            attention_mask: (B, L) bool. False is padding. None if there is none.
            extra_embedding: As in `forward`.

        Returns:
            layers + 1 tensors (B, L, D). The last equals the result of `forward` with the final norm.
        """
        x, rotation, attention_mask = self._enter(tokens, attention_mask, extra_embedding)
        states = [self._music(x)]
        for block in self.blocks:
            x = block(x, rotation, attention_mask)
            states.append(self._music(x))
        states[-1] = self.norm(states[-1])
        return states

    def linears(self, layers: Collection[int] | None = None) -> list[str]:
        """List the paths of linear layers, bottom up, of all blocks or of those in `layers`."""
        return [f"{path}.{name}" for path, block in self._named_blocks(layers) for name in block.linears]

    def sublayers(self, layers: Collection[int] | None = None) -> list[SubLayer]:
        """List the paths of residual branches, bottom up, of all blocks or of those in `layers`."""
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
        self, tokens: Tensor, attention_mask: Tensor | None, extra_embedding: Tensor | None = None
    ) -> tuple[Tensor, Rotation, Tensor | None]:
        embedded = self.embedding(tokens, attention_mask)
        x, attention_mask = self.entrance(
            self.dropout(embedded if extra_embedding is None else embedded + extra_embedding), attention_mask
        )
        head_dim = self.config.dim // self.config.heads
        return x, rotary_angles(x.shape[1], head_dim, tokens.device), attention_mask

    def _music(self, x: Tensor) -> Tensor:
        """Remove the tokens of the entrance."""
        return x[:, self.entrance.tokens :] if self.entrance.tokens else x
