"""A training step of the published recipe (arXiv 2407.08306 and its release), rebuilt from its description.

Written by us for the sake of its cost alone: the operations, shapes and loops of the published training step, none of
its code, and nothing of what it learns. It differs from ours in design, not in tuning: one encoder both chooses and
recovers, so every step has two passes of it with gradients; positions are learnt distances, multiplied with queries
and keys; every token is classified, masked or not; tokens are chosen, masked, judged and counted in Python loops.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symbolic.tokens.vocabulary import MASK, RESERVED

_DROPOUT, _FIELD_WIDTH = 0.1, 256


class DistanceAttention(nn.Module):
    """BERT's attention with relative positions of the kind "relative_key_query" (arXiv 2009.13658)."""

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.query, self.key, self.value = (nn.Linear(dim, dim) for _ in range(3))
        self.distances = nn.Embedding(2 * window - 1, dim // heads)
        self.dropout = nn.Dropout(_DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, dim) -> (B, L, dim)."""
        query, key, value = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        place = torch.arange(x.shape[1], device=x.device)
        between = self.distances(place[:, None] - place + self.window - 1).to(x.dtype)
        scores = query @ key.transpose(-1, -2)
        scores = scores + torch.einsum("bhld,lrd->bhlr", query, between)
        scores = scores + torch.einsum("bhrd,lrd->bhlr", key, between)
        weights = self.dropout((scores / query.shape[-1] ** 0.5).softmax(-1))
        return (weights @ value).transpose(1, 2).flatten(2)


class PostNormLayer(nn.Module):
    """BERT's layer: the norm follows each sum."""

    def __init__(self, dim: int, heads: int, ffn: int, window: int) -> None:
        super().__init__()
        self.attention = DistanceAttention(dim, heads, window)
        self.output, self.up, self.down = nn.Linear(dim, dim), nn.Linear(dim, ffn), nn.Linear(ffn, dim)
        self.first, self.second = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.dropout = nn.Dropout(_DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, dim) -> (B, L, dim)."""
        x = self.first(x + self.dropout(self.output(self.attention(x))))
        return self.second(x + self.dropout(self.down(F.gelu(self.up(x)))))


class Recipe(nn.Module):
    """The encoder, its eight classifiers, and the score by which it chooses tokens.

    Args:
        sizes: Ids of each field.
        dim: Width.
        layers: Layers.
        heads: Heads of each.
        ffn: Inner width of each.
        window: Tokens of a window.
    """

    def __init__(
        self, sizes: Sequence[int], dim: int, layers: int, heads: int, ffn: int, window: int
    ) -> None:
        super().__init__()
        self.sizes = sizes
        self.tables = nn.ModuleList(nn.Embedding(size, _FIELD_WIDTH) for size in sizes)
        self.enter = nn.Linear(_FIELD_WIDTH * len(sizes), dim)
        self.norm, self.dropout = nn.LayerNorm(dim), nn.Dropout(_DROPOUT)
        self.layers = nn.Sequential(*(PostNormLayer(dim, heads, ffn, window) for _ in range(layers)))
        self.classifiers = nn.ModuleList(nn.Linear(dim, size) for size in sizes)
        self.score = nn.Linear(dim, 1)

    def encode(self, tokens: Tensor) -> Tensor:
        """(B, L, 8) -> (B, L, dim)."""
        fields = torch.cat([table(tokens[..., i]) for i, table in enumerate(self.tables)], dim=-1)
        hidden: Tensor = self.layers(self.dropout(self.norm(self.enter(fields))))
        return hidden

    def step(self, tokens: Tensor) -> Tensor:
        """(B, L, 8) full windows -> the loss of a step, with gradient through both passes."""
        scores = self.score(self.encode(tokens)).squeeze(-1).sigmoid()
        masked, chosen = self._mask(tokens, scores.detach())
        hidden = self.encode(masked)
        logits = [classifier(hidden) for classifier in self.classifiers]
        return self._loss(logits, tokens, scores, chosen)

    def _mask(self, tokens: Tensor, scores: Tensor) -> tuple[Tensor, list[list[int]]]:
        """Hide the tokens with the highest scores, one by one."""
        masked, chosen = tokens.clone(), []
        for window, token_scores in enumerate(scores):
            count = int(min(random.uniform(0.1, 0.3), 0.15) * tokens.shape[1])
            order = token_scores.argsort(descending=True)
            chosen.append([order[i].item() for i in range(count)])
            for place in chosen[-1]:
                fate = random.random()
                if fate < 0.8:
                    masked[window, place] = MASK
                elif fate < 0.9:
                    anything = [random.randrange(RESERVED, size) for size in self.sizes]
                    masked[window, place] = torch.tensor(anything, device=tokens.device)
        return masked, chosen

    def _loss(self, logits: list[Tensor], tokens: Tensor, scores: Tensor, chosen: list[list[int]]) -> Tensor:
        """Recovery of masked and of all tokens, and the selector's error, window by window and field by field."""
        total = torch.zeros((), device=tokens.device)
        for window, places in enumerate(chosen):
            hardness = torch.zeros(len(places), device=tokens.device)
            for field, predicted in enumerate(logits):
                target = tokens[window, :, field]
                loss = F.cross_entropy(predicted[window].float(), target, reduction="none")
                right = (predicted[window].argmax(-1) == target).float()
                accuracy = max(0.1, right[places].mean().item())
                total = total + loss[places].mean() / accuracy + loss.mean()
                hardness += loss[places].detach()
            order, labelled = hardness.argsort().tolist(), round(0.3 * len(places))
            for rank in (*range(labelled), *range(len(places) - labelled, len(places))):
                error = scores[window, places[order[rank]]] - float(rank >= labelled)
                total = total + error**2 / (2 * labelled)
        return total / len(tokens)
