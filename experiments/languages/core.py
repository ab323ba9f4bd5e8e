"""The second design: one core for both languages, and a hypernetwork that makes the adapters of each.

After the pan-modality design of arXiv 2503.00427. States of a language enter the core by an adapter and leave it by
another one. A hypernetwork makes all adapters from an embedding of the language. The backbones stay frozen.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from experiments.languages.maps import Residual, Segments
from experiments.languages.sides import Language
from experiments.languages.states import SEGMENT

_BASES = 4
"""Matrices of which the hypernetwork makes an adapter: the identity, a linear map and free ones."""
_NOISE = 0.01
_BATCH = 8
"""Segments of each side that the core must give back in a step."""
SOURCE, TARGET = 0, 1


class Core(nn.Module):
    """One body, and adapters that a hypernetwork makes of the embeddings of two languages.

    At the start the core speaks the target language: its adapters are the identity, and those of the source linear.

    Args:
        linear: (D, D) linear map from the source to the target.
        back: (D, D) linear map back.
    """

    def __init__(self, linear: Tensor, back: Tensor) -> None:
        super().__init__()
        eye = torch.eye(len(linear))
        free = torch.randn(2, _BASES - 2, *eye.shape) * _NOISE
        self.enter = nn.Parameter(torch.stack([linear, eye, *free[0]]))
        self.leave = nn.Parameter(torch.stack([back, eye, *free[1]]))
        self.languages = nn.Parameter(torch.eye(2, _BASES))
        self.body = Residual(eye)

    def forward(self, states: Tensor, source: int = SOURCE, target: int = TARGET) -> Tensor:
        """Map states (..., D) of one language to another one, or to itself."""
        enter, leave = (
            torch.einsum("k,kde->de", self.languages[language], bases)
            for language, bases in ((source, self.enter), (target, self.leave))
        )
        out: Tensor = self.body(states @ enter) @ leave
        return out


def reconstruction(
    core: Core, source: Language, target: Language, generator: torch.Generator
) -> Callable[[Segments | None], Tensor]:
    """Return a loss for `train`: the core gives back unpaired music of both languages, and learns pairs both ways.

    Args:
        core: The core.
        source: The language that is mapped from.
        target: The language that is mapped to.
        generator: Draws segments.
    """
    scaled = [one.scaled(one.unpaired) for one in (source, target)]
    sides = [one.view(-1, SEGMENT, *one.shape[1:]) for one in scaled]

    def loss(batch: Segments | None) -> Tensor:
        total = torch.zeros(())
        for language, side in enumerate(sides):
            drawn = side[torch.randint(len(side), (_BATCH,), generator=generator)]
            total = total + F.mse_loss(core(drawn, language, language), drawn)
        if batch is not None:
            total = total + F.mse_loss(core(batch.target, TARGET, SOURCE), batch.source)
        return total

    return loss
