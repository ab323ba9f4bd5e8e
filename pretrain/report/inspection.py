"""Inspection of windows: the scores of the selector, its choice and what the backbone recovers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.batches import Batch
from symbolic.masking.losses import recover
from symbolic.tokens.tokenizer import Tokenizer, rebase_bars
from symbolic.tokens.vocabulary import MASK, RESERVED

if TYPE_CHECKING:
    from data.shards import Shards
    from pretrain.training.module import PretrainModule

SHOWN_NOTES = 400
_WINDOWS = {"held out": (0.5, 0.25, 0.75, 0.9, 1.0), "training": (0.5, 0.9)}
"""Windows that are shown, as quantiles of length: the typical one first, none picked by hand."""


@dataclass(frozen=True, eq=False)
class Inspection:
    """One window, note by note. Values of fields are ids without the reserved ones.

    Attributes:
        notes: (N,) `symbolic.music.notes.NOTE` array, times in grid positions.
        resolution: Grid positions in a quarter note.
        values: (N, 8) int64, the fields.
        score: (N, 1) float64 selector scores of tokens or (N, 8) of fields if the selector chooses single fields. The
            highest are chosen first. None if the selector has no network.
        chosen: (N, 8) bool, the fields that the selector chooses.
        frozen: (N,) bool, the retired tokens.
        loss: (N, 8) float64 recovery loss in nats. Each token is masked whole with a random part of the others.
        predicted: (N, 8) int64, the predictions made then.
        recovered: (N, 8) int64, the predictions of the chosen fields when these are masked together. -1 elsewhere.
    """

    notes: NDArray[np.void]
    resolution: int
    values: NDArray[np.int64]
    score: NDArray[np.float64] | None
    chosen: NDArray[np.bool_]
    frozen: NDArray[np.bool_]
    loss: NDArray[np.float64]
    predicted: NDArray[np.int64]
    recovered: NDArray[np.int64]

    @property
    def onset(self) -> NDArray[np.float64]:
        """(N,) onsets in quarter notes."""
        return np.asarray(self.notes["onset"] / self.resolution)

    @property
    def length(self) -> NDArray[np.float64]:
        """(N,) durations in quarter notes."""
        return np.asarray(self.notes["duration"] / self.resolution)


@torch.no_grad()
def inspect_window(
    module: PretrainModule, tokenizer: Tokenizer, tokens: NDArray[np.integer], frozen: NDArray[np.bool_]
) -> Inspection:
    """Score, mask and recover one window.

    Args:
        module: A trained pair of selector and backbone.
        tokenizer: Tokenizer of the tokens.
        tokens: (N, 8) ids of one window.
        frozen: (N,) bool, its freeze state.
    """
    module.eval()
    objective, selector, unit = module.objective, module.objective.selector, module.objective.selector.unit
    window = rebase_bars(tokens)
    music = tokenizer.decode(window)
    ids = torch.from_numpy(window.astype(np.int64))[None].to(module.device)
    attention_mask = torch.ones(ids.shape[:2], dtype=torch.bool, device=ids.device)
    retired = torch.from_numpy(frozen)[None].to(ids.device)
    nowhere = torch.zeros(1, dtype=torch.int64)
    generator = torch.Generator(ids.device).manual_seed(0)
    batch = Batch(ids, attention_mask, nowhere, nowhere, 0, padded=False)
    inputs = objective.selector_input(batch, retired, generator)
    scores = selector.scores(inputs)
    candidates = attention_mask & ~retired if selector.spares_frozen else attention_mask
    most = selector.most(len(tokens))
    counts = torch.full((1,), most, device=ids.device)
    choice = unit.choose(selector.preference(scores, inputs), ids, candidates, counts, most)
    chosen = choice.spread(len(tokens))
    recovered = _masked(module, ids, chosen)[1]

    # Every token is masked in one of several turns, at the mask rate of the held-out evaluation. They are one batch.
    turns = torch.arange(turns_of(module), device=ids.device)
    turn = torch.randperm(len(tokens), device=ids.device, generator=generator) % len(turns)
    copies, hidden = ids.expand(len(turns), -1, -1), (turn == turns[:, None])[..., None]
    loss, predicted = (found[turn, torch.arange(len(turn))] for found in _masked(module, copies, hidden))
    return Inspection(
        music.notes,
        music.resolution,
        window.astype(np.int64) - RESERVED,
        unit.cells_of(scores, ids)[0].cpu().double().numpy() if selector.learns else None,
        chosen[0].cpu().numpy(),
        frozen,
        loss.cpu().double().numpy(),
        predicted.cpu().numpy(),
        torch.where(chosen, recovered, -1)[0].cpu().numpy(),
    )


def inspect_sides(
    module: PretrainModule, tokenizer: Tokenizer, shards: Shards, sides: Mapping[str, NDArray[np.int64]]
) -> list[tuple[Inspection, str, str]]:
    """Inspect windows of both sides of the split and return each with the key of its piece and its side.

    Args:
        module: A trained pair of selector and backbone.
        tokenizer: Tokenizer of the tokens.
        shards: Shards with the tokens.
        sides: (W, 3) windows of "held out" and "training".
    """
    found = []
    for side, windows in sides.items():
        order = np.argsort(windows[:, 1] - windows[:, 0], kind="stable")
        picked = dict.fromkeys(int(order[round(share * (len(order) - 1))]) for share in _WINDOWS[side])
        for start, stop, piece in windows[list(picked)].tolist():
            stop = min(stop, start + SHOWN_NOTES)
            frozen = module.book.frozen(np.array([start]), stop - start)[0]
            inspection = inspect_window(module, tokenizer, shards.tokens(start, stop), frozen)
            found.append((inspection, shards.pieces[piece].key, side))
    return found


def turns_of(module: PretrainModule) -> int:
    """Return the number of turns in which every note is masked once."""
    return math.ceil(1 / module.evaluation_rate)


def _masked(module: PretrainModule, ids: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
    """Mask cells of (B, N, 8) windows. Return the loss and most likely value of every field, (B, N, 8)."""
    logits = module.objective.heads(module.objective.backbone(ids.masked_fill(cells, MASK)))
    # No token lacks a field, so a reserved id is never right.
    guesses = torch.stack([scores[..., RESERVED:].argmax(-1) for scores in logits], -1)
    return recover(logits, ids).loss, guesses
