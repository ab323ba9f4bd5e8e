"""Heads: hidden states in, logits out. Each can describe itself in JSON values and be rebuilt from that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from symbolic.errors import ConfigError

POOLINGS = ("attention", "mean")


class Head(nn.Module):
    """Base of the heads: keeps the arguments it was made with, for the checkpoint.

    Args:
        arguments: The subclass's constructor arguments, as JSON values.
    """

    kind: ClassVar[str]
    """Its name in a description."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.arguments = arguments

    def describe(self) -> dict[str, Any]:
        """What `build_head` needs to build one like it."""
        return {"kind": self.kind, **self.arguments}


class FieldHeads(Head):
    """Masked-field prediction: eight classifiers over the same hidden state.

    Give it only the masked tokens: with few of them the eight matrices are the cheap part of a step.

    Args:
        dim: Width of the hidden states.
        sizes: Ids of each field (`Vocabulary.sizes`).
    """

    kind = "fields"

    def __init__(self, dim: int, sizes: Sequence[int]) -> None:
        super().__init__(dim=dim, sizes=list(sizes))
        self.sizes = list(sizes)
        # One matrix for all fields: one multiplication instead of eight.
        self.projection = nn.Linear(dim, sum(sizes))
        nn.init.normal_(self.projection.weight, std=0.02)
        nn.init.zeros_(self.projection.bias)

    def forward(self, hidden: Tensor) -> list[Tensor]:
        """(..., dim) -> eight logits (..., size of the field)."""
        return list(self.projection(hidden).split(self.sizes, dim=-1))


class SequenceHead(Head):
    """One label for a window: pool over its tokens that are not padding, then classify.

    Args:
        dim: Width of the hidden states.
        classes: Number of classes.
        dropout: Probability on the pooled state.
        pooling: "attention" learns what each token weighs; "mean" weighs all alike.

    Raises:
        ConfigError: If the pooling is unknown.
    """

    kind = "sequence"

    def __init__(self, dim: int, classes: int, dropout: float = 0.1, pooling: str = "attention") -> None:
        super().__init__(dim=dim, classes=classes, dropout=dropout, pooling=pooling)
        if pooling not in POOLINGS:
            raise ConfigError(f"There is no pooling {pooling!r}; choose one of {', '.join(POOLINGS)}.")
        # Zero scores weigh all tokens alike, so that attention starts as the mean.
        self.score = nn.Linear(dim, 1) if pooling == "attention" else None
        if self.score is not None:
            nn.init.zeros_(self.score.weight)
            nn.init.zeros_(self.score.bias)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(dim, classes)

    def forward(self, hidden: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """(B, L, dim), (B, L) bool or None if no token is padding -> (B, classes)."""
        scores = hidden.new_zeros(hidden.shape[:2]) if self.score is None else self.score(hidden).squeeze(-1)
        if attention_mask is not None:
            # The lowest finite score and not -inf: a window without a real token then gives numbers, not NaN.
            scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
        weights = scores.softmax(dim=-1)
        pooled = torch.einsum("bl,bld->bd", weights.type_as(hidden), hidden)
        logits: Tensor = self.output(self.dropout(pooled))
        return logits


class NoteHead(Head):
    """One label for each token.

    Args:
        dim: Width of the hidden states.
        classes: Number of classes.
        dropout: Probability on the hidden states.
    """

    kind = "note"

    def __init__(self, dim: int, classes: int, dropout: float = 0.1) -> None:
        super().__init__(dim=dim, classes=classes, dropout=dropout)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(dim, classes)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, L, dim) -> (B, L, classes)."""
        logits: Tensor = self.output(self.dropout(hidden))
        return logits


HEADS: Mapping[str, type[Head]] = {head.kind: head for head in (FieldHeads, SequenceHead, NoteHead)}


def build_head(description: Mapping[str, Any]) -> Head:
    """A freshly initialised head from what `Head.describe` gave.

    Raises:
        ConfigError: If the kind or its arguments are unknown.
    """
    arguments = dict(description)
    kind = arguments.pop("kind", None)
    if kind not in HEADS:
        raise ConfigError(f"There is no head of kind {kind!r}; choose one of {', '.join(HEADS)}.")
    try:
        return HEADS[kind](**arguments)
    except TypeError as error:
        raise ConfigError(f"The description of a {kind!r} head does not fit: {error}.") from error
