"""Heads turn hidden states into logits. Each can be saved as a JSON description and rebuilt from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from symbolic.errors import ConfigError

POOLINGS = ("attention", "mean")


class Head(nn.Module):
    """Base class of heads. It stores its constructor arguments for the checkpoint.

    Args:
        **arguments: The constructor arguments of the subclass as JSON values.
    """

    kind: ClassVar[str]
    """Name of the head in a description."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.arguments = arguments

    def describe(self) -> dict[str, Any]:
        """Return the description from which `build_head` builds such a head."""
        return {"kind": self.kind, **self.arguments}


class FieldHeads(Head):
    """Predict the eight fields of a token with one classifier for each.

    Pass masked tokens only: then the eight matrices cost little of a training step.

    Args:
        dim: Width of the hidden states.
        sizes: Number of ids of each field (`Vocabulary.sizes`).
    """

    kind = "fields"

    def __init__(self, dim: int, sizes: Sequence[int]) -> None:
        super().__init__(dim=dim, sizes=list(sizes))
        self.sizes = list(sizes)
        # One matrix for all fields takes one multiplication instead of eight.
        self.projection = nn.Linear(dim, sum(sizes))
        nn.init.normal_(self.projection.weight, std=0.02)
        nn.init.zeros_(self.projection.bias)

    def forward(self, hidden: Tensor) -> list[Tensor]:
        """Turn states (..., dim) into eight logits (..., size of the field)."""
        return list(self.projection(hidden).split(self.sizes, dim=-1))


class SequenceHead(Head):
    """Predict one label for a window from the pooled states of its tokens.

    Args:
        dim: Width of the hidden states.
        classes: Number of classes.
        dropout: Dropout probability on the pooled state.
        pooling: "attention" learns a weight for each token. "mean" gives all the same weight.

    Raises:
        ConfigError: If the pooling is unknown.
    """

    kind = "sequence"

    def __init__(self, dim: int, classes: int, dropout: float = 0.1, pooling: str = "attention") -> None:
        super().__init__(dim=dim, classes=classes, dropout=dropout, pooling=pooling)
        if pooling not in POOLINGS:
            raise ConfigError(f"There is no pooling {pooling!r}; choose one of {', '.join(POOLINGS)}.")
        # With scores of zero, attention starts as the mean.
        self.score = nn.Linear(dim, 1) if pooling == "attention" else None
        if self.score is not None:
            nn.init.zeros_(self.score.weight)
            nn.init.zeros_(self.score.bias)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(dim, classes)

    def forward(self, hidden: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Turn states (B, L, dim) into logits (B, classes).

        Args:
            hidden: (B, L, dim) hidden states.
            attention_mask: (B, L) bool. False is padding. None if there is none.
        """
        scores = hidden.new_zeros(hidden.shape[:2]) if self.score is None else self.score(hidden).squeeze(-1)
        if attention_mask is not None:
            # The lowest finite score, since -inf would give NaN in a window of padding.
            scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
        weights = scores.softmax(dim=-1)
        pooled = torch.einsum("bl,bld->bd", weights.type_as(hidden), hidden)
        logits: Tensor = self.output(self.dropout(pooled))
        return logits


class NoteHead(Head):
    """Predict one label for each token.

    Args:
        dim: Width of the hidden states.
        classes: Number of classes.
        dropout: Dropout probability on the hidden states.
    """

    kind = "note"

    def __init__(self, dim: int, classes: int, dropout: float = 0.1) -> None:
        super().__init__(dim=dim, classes=classes, dropout=dropout)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(dim, classes)

    def forward(self, hidden: Tensor) -> Tensor:
        """Turn states (B, L, dim) into logits (B, L, classes)."""
        logits: Tensor = self.output(self.dropout(hidden))
        return logits


HEADS: Mapping[str, type[Head]] = {head.kind: head for head in (FieldHeads, SequenceHead, NoteHead)}


def build_head(description: Mapping[str, Any]) -> Head:
    """Build a freshly initialised head from a description by `Head.describe`.

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
