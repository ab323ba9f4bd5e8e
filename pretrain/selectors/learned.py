"""Base class of selectors with a network: scores, exploration and a slow start."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pretrain.selectors.base import Schedule, Selector, SelectorInput, SelectorOptions
from pretrain.selectors.network import build_network
from symbolic.backbone.config import BackboneConfig
from symbolic.masking.units import UNITS


class LearnedSelector(Selector):
    """Score the clean tokens with a network."""

    learns = True
    units = tuple(UNITS)

    def __init__(
        self,
        schedule: Schedule,
        sizes: Sequence[int],
        backbone: BackboneConfig,
        options: SelectorOptions | None = None,
    ) -> None:
        super().__init__(schedule, sizes, backbone, options)
        kind, layers = self.options.network, self.options.layers
        self.network = build_network(kind, sizes, backbone, layers, self.unit.outputs)

    def scores(self, inputs: SelectorInput) -> Tensor:
        """Return (B, U) the scores of the network."""
        scores = self.network(inputs.tokens, inputs.attend, inputs.backbone).float()
        return self.unit.pool(scores, inputs.tokens, inputs.attention_mask)

    def ranking(self, scores: Tensor, inputs: SelectorInput) -> Tensor:
        """Return (B, U) preference with Gumbel noise: units are drawn in proportion to exp(preference / exploration).

        The paper always takes the highest scores (exploration 0). Then the selector learns from its own favourites
        alone. The backbone learns these and little else. So among tokens masked at random they are the *easy* ones.
        """
        preference, ramp = self.preference(scores, inputs), self.options.ramp
        trust = min(1.0, inputs.progress / ramp) if ramp else 1.0
        spread = max(self.options.exploration, 1.0 - trust)
        if not spread:
            return preference
        # Avoid 0 and 1, whose logarithms are infinite.
        uniform = inputs.noise(*scores.shape).clamp(1e-7, 1 - 1e-7)
        gumbel = -torch.log(-torch.log(uniform))
        return trust * preference + spread * gumbel
