"""Networks of learned selectors: small ones of their own, or early exits of the backbone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn

from symbolic.backbone import Backbone, build_backbone
from symbolic.backbone.config import BackboneConfig
from symbolic.errors import ConfigError


class ScoreNetwork(nn.Module, ABC):
    """Scores clean tokens."""

    @abstractmethod
    def forward(self, tokens: Tensor, attend: Tensor | None, backbone: Backbone) -> Tensor:
        """Scores of tokens or of their fields.

        Args:
            tokens: (B, L, 8) clean ids.
            attend: (B, L) bool, or None where no token is padded.
            backbone: What is played against; some look through its eyes.

        Returns:
            (B, L, outputs).
        """


class SmallNetwork(ScoreNetwork):
    """A narrow, shallow backbone of its own: nothing is shared, and choosing costs a fraction of a step.

    The reference shares the whole encoder instead, which costs a second full forward and backward pass and lets
    two losses pull at one set of weights.

    Args:
        sizes: Ids of each field.
        backbone: Shape of the backbone; the network has a quarter of its width.
        layers: Layers at most.
        outputs: Scores a token.
    """

    def __init__(
        self, sizes: Sequence[int], backbone: BackboneConfig, layers: int = 2, outputs: int = 1
    ) -> None:
        super().__init__()
        width = max(32, backbone.dim // 4)
        shape = replace(
            backbone, dim=width, heads=2, ffn=2 * width, layers=min(layers, backbone.layers), dropout=0.0
        )
        self.body = build_backbone(shape, sizes)
        self.score = nn.Linear(width, outputs)

    def forward(self, tokens: Tensor, attend: Tensor | None, backbone: Backbone) -> Tensor:
        """(B, L, 8) clean ids -> (B, L, outputs); the backbone is not asked."""
        scores: Tensor = self.score(self.body(tokens, attend))
        return scores


class ExitNetwork(ScoreNetwork):
    """A head on the hidden states of the backbone's first layers.

    Args:
        backbone: Shape of the backbone.
        layers: After how many of its layers to look.
        outputs: Scores a token.
        shared: Let the selector's loss train these layers too, as the released code of the paper does; otherwise
            they are run without gradient, and only the head learns.
    """

    def __init__(self, backbone: BackboneConfig, layers: int, outputs: int = 1, shared: bool = False) -> None:
        super().__init__()
        self.layers, self.shared = min(layers, backbone.layers), shared
        width = max(32, backbone.dim // 4)
        self.head = nn.Sequential(
            nn.LayerNorm(backbone.dim), nn.Linear(backbone.dim, width), nn.GELU(), nn.Linear(width, outputs)
        )

    def forward(self, tokens: Tensor, attend: Tensor | None, backbone: Backbone) -> Tensor:
        """(B, L, 8) clean ids -> (B, L, outputs)."""
        with nullcontext() if self.shared else torch.no_grad():
            hidden = backbone.early(tokens, attend, self.layers)
        scores: Tensor = self.head(hidden)
        return scores


NETWORKS: dict[str, Callable[[Sequence[int], BackboneConfig, int, int], ScoreNetwork]] = {
    "small": SmallNetwork,
    "exit": lambda sizes, backbone, layers, outputs: ExitNetwork(backbone, layers, outputs),
    "shared_exit": lambda sizes, backbone, layers, outputs: ExitNetwork(
        backbone, layers, outputs, shared=True
    ),
    "full": lambda sizes, backbone, layers, outputs: ExitNetwork(
        backbone, backbone.layers, outputs, shared=True
    ),
}
"""By name: a small network of its own; the first layers of the backbone, detached or shared; all of it, shared."""


def build_network(
    kind: str, sizes: Sequence[int], backbone: BackboneConfig, layers: int, outputs: int
) -> ScoreNetwork:
    """A network, freshly initialised.

    Args:
        kind: One of `NETWORKS`.
        sizes: Ids of each field.
        backbone: Shape of the backbone that is played against.
        layers: Layers at most; "full" takes all.
        outputs: Scores a token.

    Raises:
        ConfigError: If there is no such kind.
    """
    if kind not in NETWORKS:
        raise ConfigError(f"There is no selector network '{kind}'; choose one of {', '.join(NETWORKS)}.")
    return NETWORKS[kind](sizes, backbone, layers, outputs)
