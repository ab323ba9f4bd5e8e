"""A close look at one window: every row's score, what would be masked, and what the backbone makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pretrain.module import Pretraining
from pretrain.selectors.base import choose
from symbolic.tokenizer import Tokenizer, rebase_bars
from symbolic.vocabulary import DRUM_PITCH, MASK, PITCH, RESERVED


@dataclass(frozen=True, eq=False)
class Look:
    """One window, note by note.

    Attributes:
        notes: (N,) `symbolic.notes.NOTE` array, times in grid positions.
        resolution: Positions in a quarter note.
        score: (N,) selector score, higher is chosen first.
        chosen: (N,) bool, rows that would be masked.
        frozen: (N,) bool, rows that are retired.
        predicted: (N,) MIDI pitch the backbone puts in place of a chosen note, -1 elsewhere and for a drum.
    """

    notes: NDArray[np.void]
    resolution: int
    score: NDArray[np.float64]
    chosen: NDArray[np.bool_]
    frozen: NDArray[np.bool_]
    predicted: NDArray[np.int64]


@torch.no_grad()
def look_at(
    module: Pretraining, tokenizer: Tokenizer, rows: NDArray[np.integer], frozen: NDArray[np.bool_]
) -> Look:
    """Score, mask and recover one window.

    Args:
        module: A trained pair of selector and backbone.
        tokenizer: Of the rows.
        rows: (N, 8) ids of one window.
        frozen: (N,) bool, its freeze state.
    """
    module.eval()
    window = rebase_bars(rows)
    music = tokenizer.decode(window)
    ids = torch.from_numpy(window.astype(np.int64))[None].to(module.device)
    generator = torch.Generator(ids.device).manual_seed(0)
    scores = module.selector.scores(ids, None, generator)
    # A control may mask frozen rows too.
    barred = frozen if module.selector.spares_frozen else np.zeros_like(frozen)
    free = torch.from_numpy(~barred)[None].to(ids.device)
    most = module.selector.most(len(rows))
    choice = choose(scores, free, torch.full((1,), most, device=ids.device), most)
    index = choice.places[0][choice.valid[0]]
    masked = ids.clone()
    masked[0, index] = MASK
    pitch = module.heads(module.backbone(masked))[PITCH][0, index].argmax(-1).cpu().numpy() - RESERVED
    places = index.cpu().numpy()
    predicted = np.full(len(rows), -1)
    predicted[places] = np.where(pitch < DRUM_PITCH, pitch, -1)
    chosen = np.zeros(len(rows), dtype=bool)
    chosen[places] = True
    return Look(music.notes, music.resolution, scores[0].cpu().double().numpy(), chosen, frozen, predicted)
