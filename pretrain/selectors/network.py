"""Networks of learned selectors: small separate ones or early exits of the backbone."""

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
    """Score clean tokens."""

    @abstractmethod
    def forward(self, tokens: Tensor, attend: Tensor | None, backbone: Backbone) -> Tensor:
        """Return scores of tokens or of their fields.

        Args:
            tokens: (B, L, 8) clean ids.
            attend: (B, L) bool or None if no token is padded.
            backbone: The backbone in training. Some networks use its layers.

        Returns:
            (B, L, outputs).
        """


class SmallNetwork(ScoreNetwork):
    """Score tokens with a separate, narrow and shallow backbone, at a fraction of the cost of a step.

    The reference shares the whole encoder instead. That costs a second forward and backward pass and two losses change
    the same weights.

    Args:
        sizes: Number of ids of each field.
        backbone: Shape of the backbone in training. The network has a quarter of its width.
        layers: Most layers.
        outputs: Scores of each token.
    """

    def __init__(
        self, sizes: Sequence[int], backbone: BackboneConfig, layers: int = 2, outputs: int = 1
    ) -> None:
        super().__init__()
        width = max(32, backbone.dim // 4)
        shape = replace(
            backbone,
            dim=width,
            heads=2,
            ffn=2 * width,
            layers=min(layers, backbone.layers),
            dropout=0.0,
            relations=(),  # it sees no more than the fields, so that choosing stays cheap
        )
        self.body = build_backbone(shape, sizes)
        self.score = nn.Linear(width, outputs)

    def forward(self, tokens: Tensor, attend: Tensor | None, backbone: Backbone) -> Tensor:
        """Return (B, L, outputs) scores of (B, L, 8) clean ids. The backbone is not used."""
        scores: Tensor = self.score(self.body(tokens, attend))
        return scores


class ExitNetwork(ScoreNetwork):
    """Score tokens with a head on the states of the backbone's first layers.

    Args:
        backbone: Shape of the backbone.
        layers: Number of its layers.
        outputs: Scores of each token.
        shared: Train these layers with the selector's loss too as the released code of the paper does. Otherwise they
            run without gradient and only the head learns.
    """

    def __init__(self, backbone: BackboneConfig, layers: int, outputs: int = 1, shared: bool = False) -> None:
        super().__init__()
        self.layers, self.shared = min(layers, backbone.layers), shared
        width = max(32, backbone.dim // 4)
        self.head = nn.Sequential(
            nn.LayerNorm(backbone.dim), nn.Linear(backbone.dim, width), nn.GELU(), nn.Linear(width, outputs)
        )

    def forward(self, tokens: Tensor, attend: Tensor | None, backbone: Backbone) -> Tensor:
        """Return (B, L, outputs) scores of (B, L, 8) clean ids."""
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
"""By name: a small separate network; the first layers of the backbone, detached or shared; all of it, shared."""


def build_network(
    kind: str, sizes: Sequence[int], backbone: BackboneConfig, layers: int, outputs: int
) -> ScoreNetwork:
    """Build a freshly initialised network.

    Args:
        kind: One of `NETWORKS`.
        sizes: Number of ids of each field.
        backbone: Shape of the backbone in training.
        layers: Most layers. "full" takes all.
        outputs: Scores of each token.

    Raises:
        ConfigError: If there is no such kind.
    """
    if kind not in NETWORKS:
        raise ConfigError(f"There is no selector network '{kind}'; choose one of {', '.join(NETWORKS)}.")
    return NETWORKS[kind](sizes, backbone, layers, outputs)
