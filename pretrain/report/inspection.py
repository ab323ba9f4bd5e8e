"""A close inspection at one window: what the selector makes of every token, and what the backbone makes of it in turn."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from data.batches import Batch
from pretrain.training.module import PretrainModule
from symbolic.masking.losses import recover
from symbolic.tokens.tokenizer import Tokenizer, rebase_bars
from symbolic.tokens.vocabulary import MASK, RESERVED


@dataclass(frozen=True, eq=False)
class Inspection:
    """One window, note by note. Values of fields are ids without the reserved ones.

    Attributes:
        notes: (N,) `symbolic.music.notes.NOTE` array, times in grid positions.
        resolution: Positions in a quarter note.
        values: (N, 8) what the fields are.
        score: (N, 1) selector score of tokens, or (N, 8) of their fields where these are chosen singly; higher is chosen
            first. None where the selector learns nothing.
        chosen: (N, 8) bool, fields that the selector would have recovered.
        frozen: (N,) bool, tokens that are retired.
        loss: (N, 8) recovery loss in nats of each token, masked whole among a random share of the others.
        predicted: (N, 8) what the backbone put in its place then.
        recovered: (N, 8) what it puts in place of the chosen fields when these are masked together; -1 elsewhere.
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


@torch.no_grad()
def inspect_window(
    module: PretrainModule, tokenizer: Tokenizer, tokens: NDArray[np.integer], frozen: NDArray[np.bool_]
) -> Inspection:
    """Score, mask and recover one window.

    Args:
        module: A trained pair of selector and backbone.
        tokenizer: Of the tokens.
        tokens: (N, 8) ids of one window.
        frozen: (N,) bool, its freeze state.
    """
    module.eval()
    objective = module.objective
    selector, unit = objective.selector, objective.selector.unit
    window = rebase_bars(tokens)
    music = tokenizer.decode(window)
    ids = torch.from_numpy(window.astype(np.int64))[None].to(module.device)
    attention_mask = torch.ones(ids.shape[:2], dtype=torch.bool, device=ids.device)
    retired = torch.from_numpy(frozen)[None].to(ids.device)
    nowhere = torch.zeros(1, dtype=torch.int64)
    generator = torch.Generator(ids.device).manual_seed(0)
    inputs = objective.selector_input(
        Batch(ids, attention_mask, nowhere, nowhere, 0, padded=False), retired, generator
    )
    scores = selector.scores(inputs)
    # A control may mask frozen tokens too.
    free = attention_mask & ~retired if selector.spares_frozen else attention_mask
    most = selector.most(len(tokens))
    preference = selector.preference(scores, inputs)
    choice = unit.choose(preference, ids, free, torch.full((1,), most, device=ids.device), most)
    chosen = choice.spread(len(tokens))
    recovered = _masked(module, ids, chosen)[1]

    # In turns, so that every token is judged once, at the mask rate of the held-out measurements.
    turns = turns_of(module)
    turn = torch.randperm(len(tokens), device=ids.device, generator=generator) % turns
    loss, predicted = torch.zeros(ids.shape, device=ids.device), torch.zeros_like(ids)
    for number in range(turns):
        hidden = (turn == number)[None, :, None].expand(ids.shape)
        losses, guesses = _masked(module, ids, hidden)
        loss, predicted = torch.where(hidden, losses, loss), torch.where(hidden, guesses, predicted)
    return Inspection(
        music.notes,
        music.resolution,
        window.astype(np.int64) - RESERVED,
        unit.cells_of(scores, ids)[0].cpu().double().numpy() if selector.learns else None,
        chosen[0].cpu().numpy(),
        frozen,
        loss[0].cpu().double().numpy(),
        predicted[0].cpu().numpy(),
        torch.where(chosen, recovered, -1)[0].cpu().numpy(),
    )


def turns_of(module: PretrainModule) -> int:
    """In how many turns all notes are masked once."""
    return math.ceil(1 / module.evaluation_rate)


def _masked(
    module: PretrainModule, ids: torch.Tensor, cells: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(1, N, 8) loss, and the likeliest value, of every field when some cells are masked."""
    objective = module.objective
    logits = objective.heads(objective.backbone(ids.masked_fill(cells, MASK)))
    # No token lacks a field, so a reserved id is never the answer.
    guesses = torch.stack([scores[..., RESERVED:].argmax(-1) for scores in logits], -1)
    return recover(logits, ids).loss, guesses
