"""Losses of maps that need no pairs: there and back again, equal distributions, and predictions from less."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from experiments.languages.maps import Heads, Residual, Segments
from experiments.languages.sides import Language
from experiments.languages.states import SEGMENT

_BATCH = 8
"""Segments of each side in a step."""
_DIRECTIONS = 64
"""Random directions along which distributions are compared."""


class Unpaired(nn.Module):
    """Losses by which a map learns from unpaired music of both sides.

    `cycle`: a second map brings mapped states back, both ways (CycleGAN, arXiv 1703.10593). It learns from pairs too,
    where there are any. `match`: mapped states are distributed as those of the other side, by sliced Wasserstein
    distance (arXiv 1804.01947). `masked`: the same is predicted while a third of the fields is hidden.

    Args:
        network: The map.
        back: The map back.
        source: The side that is mapped from.
        target: The side that is mapped to, with its frozen heads.
        weights: Weights of the losses by name. Those that are not named have none.
        generator: Draws segments and directions.
    """

    def __init__(
        self,
        network: Residual,
        back: Residual,
        source: Language,
        target: Language,
        weights: dict[str, float],
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.back = back
        self._maps = network, target.heads  # a tuple: they are trained or frozen elsewhere
        self._weights, self._generator = weights, generator
        self._here, self._hidden, self._there = (
            one.view(-1, SEGMENT, *one.shape[1:])
            for one in (
                source.scaled(source.unpaired),
                source.scaled(source.hidden),
                target.scaled(target.unpaired),
            )
        )

    def forward(self, batch: Segments | None) -> Tensor:
        """Return the loss of a step.

        Args:
            batch: The pairs of the step, from which the map back learns. None if there are none.
        """
        network, heads = self._maps
        one, other = (
            torch.randint(len(side), (_BATCH,), generator=self._generator)
            for side in (self._here, self._there)
        )
        here, there = self._here[one], self._there[other]
        mapped = network(here)
        losses: dict[str, Tensor] = {}
        if "cycle" in self._weights:
            losses["cycle"] = F.mse_loss(self.back(mapped), here) + F.mse_loss(
                network(self.back(there)), there
            )
            if batch is not None:
                losses["cycle"] = losses["cycle"] + F.mse_loss(self.back(batch.target), batch.source)
        if "match" in self._weights:
            losses["match"] = self._distance(mapped, there)
        if "masked" in self._weights:
            losses["masked"] = _disagreement(heads, mapped, network(self._hidden[one]))
        return sum((self._weights[name] * loss for name, loss in losses.items()), torch.zeros(()))

    def _distance(self, mapped: Tensor, true: Tensor) -> Tensor:
        """Return the squared distance of sorted projections of notes, over random directions."""
        random = torch.randn(mapped.shape[-1], _DIRECTIONS, generator=self._generator)
        one, other = (
            (states.flatten(0, 1) @ F.normalize(random, dim=0)).sort(dim=0).values
            for states in (mapped, true)
        )
        return F.mse_loss(one, other)


def _disagreement(heads: Heads, full: Tensor, partial: Tensor) -> Tensor:
    """Return the divergence of what is predicted from partly hidden music from what is predicted from all of it."""
    with torch.no_grad():
        wanted = heads(full)
    found = heads(partial)
    divergences = [
        F.kl_div(found[name].log_softmax(-1), one.log_softmax(-1), log_target=True, reduction="none")
        .sum(-1)
        .mean()
        for name, one in wanted.items()
    ]
    return torch.stack(divergences).sum()
