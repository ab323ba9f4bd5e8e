"""What a selector is: it ranks units of a window; how many of them are hidden follows from the schedule."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from symbolic.backbone import Backbone, BackboneConfig
from symbolic.errors import ConfigError
from symbolic.masking.units import UNITS, Choice, TokenUnit


@dataclass(frozen=True)
class Schedule:
    """How many tokens of a window are masked (arXiv 2407.08306): min(U(low, high) x unfrozen, cap x real).

    Args:
        low: Smallest share of the unfrozen tokens.
        high: Largest share of the unfrozen tokens.
        cap: Largest share of the tokens that are not padding.
    """

    low: float = 0.1
    high: float = 0.3
    cap: float = 0.15

    def counts(self, attention_mask: Tensor, frozen: Tensor, generator: torch.Generator) -> Tensor:
        """(B,) int64, tokens to mask in each window; at least one where any token is unfrozen.

        Args:
            attention_mask: (B, L) bool, false where padded.
            frozen: (B, L) bool.
            generator: On the device of `real`.
        """
        total = attention_mask.sum(1)
        unfrozen = (attention_mask & ~frozen).sum(1)
        share = torch.empty(len(attention_mask), device=attention_mask.device).uniform_(
            self.low, self.high, generator=generator
        )
        wanted = torch.minimum(share * unfrozen, self.cap * total).round().long()
        return torch.minimum(wanted.clamp(min=1), unfrozen)


@dataclass(frozen=True)
class SelectorOptions:
    """How a selector goes about it; what does not concern a selector, it ignores or refuses.

    Args:
        unit: What is hidden in one piece, one of `symbolic.masking.units.UNITS`; None takes the selector's own.
        network: Kind of a learned selector's network, one of `pretrain.selectors.network.NETWORKS`.
        layers: Layers of that network at most.
        exploration: How far a learned selector strays from its own ranking; 0 always takes the top.
        ramp: Share of the run in which a learned selector goes from random to its own ranking.
    """

    unit: str | None = None
    network: str = "small"
    layers: int = 2
    exploration: float = 1.0
    ramp: float = 0.0


@dataclass(frozen=True, eq=False)
class SelectorInput:
    """What a selector may look at.

    Attributes:
        tokens: (B, L, 8) int64 ids, clean.
        attention_mask: (B, L) bool, false where padded.
        attend: `real`, or None where no token is padded.
        frozen: (B, L) bool.
        generator: For chance, on the device of `tokens`.
        backbone: What it plays against.
        recovery: (B, L, 8) bool cells -> (B, L, 8) recovery loss when these are masked, without gradient.
        progress: How much of the run is over, 0 to 1.
    """

    tokens: Tensor
    attention_mask: Tensor
    attend: Tensor | None
    frozen: Tensor
    generator: torch.Generator
    backbone: Backbone
    recovery: Callable[[Tensor], Tensor]
    progress: float = 1.0

    def noise(self, *shape: int) -> Tensor:
        """Uniform noise in [0, 1)."""
        return torch.rand(shape, device=self.tokens.device, generator=self.generator)


class Selector(nn.Module, ABC):
    """Ranks the units of a window; those ranked highest are hidden.

    Args:
        schedule: How much is masked.
        sizes: Ids of each field.
        backbone: Shape of the backbone it plays against.
        options: How it goes about it.

    Raises:
        ConfigError: If it cannot work by the unit asked for.
    """

    name: ClassVar[str]
    learns: ClassVar[bool] = False
    """Whether `scores` are those of a network that `loss` trains."""
    retires: ClassVar[bool] = False
    """Whether tokens are frozen as training goes on, unless the user says otherwise."""
    spares_frozen: ClassVar[bool] = True
    """Whether frozen tokens are never chosen; a control may follow the schedule alone."""
    withholds_all: ClassVar[bool] = False
    """Whether every chosen cell is masked, and none left visible or replaced."""
    units: ClassVar[tuple[str, ...]] = (TokenUnit.name,)
    """Units that it can work by, its own first."""

    def __init__(
        self,
        schedule: Schedule,
        sizes: Sequence[int],
        backbone: BackboneConfig,
        options: SelectorOptions | None = None,
    ) -> None:
        super().__init__()
        options = options or SelectorOptions()
        self.options = replace(options, unit=options.unit or self.units[0])
        if self.options.unit not in self.units:
            raise ConfigError(
                f"The selector '{self.name}' cannot work by unit '{self.options.unit}'; it can by "
                f"{', '.join(self.units)}."
            )
        self.schedule = schedule
        self.unit = UNITS[self.options.unit or ""](sizes)

    @abstractmethod
    def scores(self, inputs: SelectorInput) -> Tensor:
        """(B, U) ranking of units, higher is chosen first; with gradient where the selector learns."""

    def preference(self, scores: Tensor, inputs: SelectorInput) -> Tensor:
        """(B, U) what units are chosen by, chance aside: the scores, unless these are not what is sought."""
        return scores

    def ranking(self, scores: Tensor, inputs: SelectorInput) -> Tensor:
        """(B, U) what units are chosen by in training: the preference, unless a selector explores."""
        return self.preference(scores, inputs)

    def retirement(self, inputs: SelectorInput) -> Tensor:
        """(B, L) what tokens are retired by: the highest are frozen. By default their scores."""
        return self.unit.tokens_of(self.scores(inputs), inputs.tokens)

    def counts(self, inputs: SelectorInput) -> Tensor:
        """(B,) tokens to mask in each window, or as many cells as these have; by default the schedule's."""
        return self.schedule.counts(inputs.attention_mask, inputs.frozen, inputs.generator)

    def most(self, length: int) -> int:
        """The largest count that can occur in a window of `length` tokens."""
        # Rounded up, because counts are rounded in 32 bits, where a half may fall to the other side.
        return max(1, math.ceil(self.schedule.cap * length))

    def choose(self, scores: Tensor, inputs: SelectorInput) -> Choice:
        """What is hidden of each window.

        Args:
            scores: (B, U) from `scores`, without gradient.
            inputs: The windows.
        """
        candidates = inputs.attention_mask & ~inputs.frozen if self.spares_frozen else inputs.attention_mask
        ranking, counts = self.ranking(scores, inputs), self.counts(inputs)
        return self.unit.choose(ranking, inputs.tokens, candidates, counts, self.most(inputs.tokens.shape[1]))

    def loss(self, scores: Tensor, recovery: Tensor, valid: Tensor) -> Tensor:
        """Scalar loss of a learned selector.

        Args:
            scores: (B, K) what `scores` said of the units looked at, with gradient.
            recovery: (B, K) the backbone's loss on them, without gradient.
            valid: (B, K) bool, false where nothing was withheld.
        """
        raise NotImplementedError(f"{self.name} learns nothing")

    def after_step(self) -> None:
        """Called after every optimiser step."""
