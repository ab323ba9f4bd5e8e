"""Base class of selectors: a selector ranks the units of a window and a schedule says how many are hidden."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from symbolic.backbone import Backbone, BackboneConfig
from symbolic.errors import ConfigError
from symbolic.masking.units import UNITS, Choice, TokenUnit


@dataclass(frozen=True)
class Schedule:
    """The number of masked tokens of a window: min(U(low, high) * unfrozen, cap * all) (arXiv 2407.08306).

    Args:
        low: Smallest proportion of the unfrozen tokens.
        high: Largest proportion of the unfrozen tokens.
        cap: Largest proportion of all tokens that are not padding.
    """

    low: float = 0.1
    high: float = 0.3
    cap: float = 0.15

    def counts(self, attention_mask: Tensor, frozen: Tensor, generator: torch.Generator) -> Tensor:
        """Return (B,) int64, the tokens to mask in each window. At least one if any token is unfrozen.

        Args:
            attention_mask: (B, L) bool. False where padded.
            frozen: (B, L) bool.
            generator: On the device of `attention_mask`.
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
    """Options of a selector. A selector ignores or refuses those that do not concern it.

    Args:
        unit: The unit that is hidden together, one of `symbolic.masking.units.UNITS`. None for the selector's default.
        network: Kind of a learned selector's network, one of `pretrain.selectors.network.NETWORKS`.
        layers: Most layers of that network.
        exploration: Noise in a learned choice. 0 always takes the highest scores.
        ramp: Part of the run in which a learned selector goes from random choice to its own ranking.
    """

    unit: str | None = None
    network: str = "small"
    layers: int = 2
    exploration: float = 1.0
    ramp: float = 0.0


@dataclass(frozen=True, eq=False)
class SelectorInput:
    """Input of a selector: windows with their freeze state, and the backbone.

    Attributes:
        tokens: (B, L, 8) int64 ids, clean.
        attention_mask: (B, L) bool. False where padded.
        attend: `attention_mask` or None if no token is padded.
        frozen: (B, L) bool.
        generator: Source of randomness, on the device of `tokens`.
        backbone: The backbone in training.
        progress: Completed part of the run, 0 to 1.
    """

    tokens: Tensor
    attention_mask: Tensor
    attend: Tensor | None
    frozen: Tensor
    generator: torch.Generator
    backbone: Backbone
    progress: float = 1.0

    def noise(self, *shape: int) -> Tensor:
        """Return uniform noise in [0, 1)."""
        return torch.rand(shape, device=self.tokens.device, generator=self.generator)


class Selector(nn.Module, ABC):
    """Rank the units of a window. The highest are hidden.

    Args:
        schedule: The number of masked tokens.
        sizes: Number of ids of each field.
        backbone: Shape of the backbone in training.
        options: Options of the selector.

    Raises:
        ConfigError: If the selector does not support the unit.
    """

    name: ClassVar[str]
    learns: ClassVar[bool] = False
    """Whether the selector has a network that `loss` trains."""
    retires: ClassVar[bool] = False
    """Whether tokens are frozen during training by default."""
    spares_frozen: ClassVar[bool] = True
    """Whether frozen tokens are never chosen."""
    withholds_all: ClassVar[bool] = False
    """Whether every chosen cell is masked: none stays visible or is replaced."""
    absorbing: ClassVar[bool] = False
    """Whether a window weighs as much as it has tokens, however much of it is hidden: by 1 / u for a share of u."""
    any_loudness: ClassVar[bool] = False
    """Whether training windows are made louder or softer at random."""
    units: ClassVar[tuple[str, ...]] = (TokenUnit.name,)
    """Supported units, the default first."""

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
                f"The selector '{self.name}' does not support the unit '{self.options.unit}'. It supports "
                f"{', '.join(self.units)}."
            )
        self.schedule = schedule
        self.unit = UNITS[self.options.unit or ""](sizes)

    @abstractmethod
    def scores(self, inputs: SelectorInput) -> Tensor:
        """Return (B, U) scores of units, the highest chosen first; with gradient if the selector learns."""

    def preference(self, scores: Tensor, inputs: SelectorInput) -> Tensor:
        """Return (B, U) the ranking without randomness: the scores unless a selector ranks by something else."""
        return scores

    def ranking(self, scores: Tensor, inputs: SelectorInput) -> Tensor:
        """Return (B, U) the ranking in training: the preference unless a selector explores."""
        return self.preference(scores, inputs)

    def retirement(self, inputs: SelectorInput) -> Tensor:
        """Return (B, L) the ranking for retirement: the highest tokens are frozen. By default the scores."""
        return self.unit.tokens_of(self.scores(inputs), inputs.tokens)

    def counts(self, inputs: SelectorInput) -> Tensor:
        """Return (B,) the tokens to mask in each window. Other units are counted in tokens too."""
        return self.schedule.counts(inputs.attention_mask, inputs.frozen, inputs.generator)

    def most(self, length: int) -> int:
        """Return the largest count possible in a window of `length` tokens."""
        # Rounded up: counts are rounded in 32 bits, where a half may go to the other side.
        return max(1, math.ceil(self.schedule.cap * length))

    def choose(self, scores: Tensor, inputs: SelectorInput) -> Choice:
        """Choose what is hidden in each window.

        Args:
            scores: (B, U) from `scores` without gradient.
            inputs: The windows.
        """
        candidates = inputs.attention_mask & ~inputs.frozen if self.spares_frozen else inputs.attention_mask
        ranking, counts = self.ranking(scores, inputs), self.counts(inputs)
        return self.unit.choose(ranking, inputs.tokens, candidates, counts, self.most(inputs.tokens.shape[1]))

    def loss(self, scores: Tensor, recovery: Tensor, valid: Tensor) -> Tensor:
        """Return the scalar loss of a learned selector.

        Args:
            scores: (B, K) scores of the units in question with gradient.
            recovery: (B, K) losses of the backbone on them without gradient.
            valid: (B, K) bool. False where nothing was hidden.
        """
        raise NotImplementedError(f"{self.name} has no network")

    def after_step(self) -> None:
        """Update what follows the weights. Called after every optimiser step."""
