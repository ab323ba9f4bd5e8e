"""Learn commas with a style: what is hidden of them, the loss, and the counts that it must beat."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from finetune.style.objective import field_losses, hidden_cells, states_of
from symbolic.backbone import Backbone
from symbolic.commas import COMMAS, HIDDEN_COMMA, CommaField, comma_ids, comma_tensor
from symbolic.dataset import MusicBatch, MusicDataset
from symbolic.heads import FieldHeads
from symbolic.masking.randomness import generator_of
from symbolic.tokens.vocabulary import PAD, PITCH, RESERVED

_MEASURED = 7927
"""Part of the key of the commas that are hidden in a measurement."""


@dataclass(frozen=True, eq=False)
class Commas:
    """A field of commas and the commas of pieces.

    Attributes:
        field: Embeds and predicts them.
        pieces: (N,) ids of the tokens of each piece.
    """

    field: CommaField
    pieces: Sequence[NDArray[np.int64]]

    def of(self, batch: MusicBatch) -> Tensor:
        """Return (B, L) ids of the notes of a batch."""
        length = batch.tokens.shape[1]
        places = zip(
            batch.piece.tolist(), batch.start.tolist(), batch.attention_mask.sum(1).tolist(), strict=True
        )
        rows = (self.pieces[piece][start : start + count] for piece, start, count in places)
        return comma_tensor(rows, length).to(batch.tokens.device)

    def losses(self, states: Tensor, batch: MusicBatch, ids: Tensor, scored: Tensor) -> Tensor:
        """Return (K,) losses in nats of the K scored commas of a batch from its states (B, L, dim)."""
        logits = self.field.logits(states[scored], batch.tokens[scored][:, PITCH])
        return F.cross_entropy(logits.float(), ids[scored] - 1, reduction="none")


def losses_beside_commas(
    backbone: Backbone, heads: FieldHeads, commas: Commas, batch: MusicBatch, hidden: Tensor
) -> Tensor:
    """Return (B, L, 8) losses of hidden cells where commas are shown, but those of hidden pitches."""
    shown = commas.of(batch).masked_fill(hidden[..., PITCH], HIDDEN_COMMA)
    return field_losses(heads, states_of(backbone, batch, hidden, commas.field(shown)), batch, hidden)


def commas_of(windows: MusicDataset) -> list[NDArray[np.int64]]:
    """Return (N,) ids of the tokens of each piece of a data set that holds `Music`."""
    pieces = zip(windows.pieces, windows.note_index, strict=True)
    return [comma_ids(music.notes["cents"][index]) for music, index in pieces]


def hide_commas(
    ids: Tensor, batch: MusicBatch, hidden: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Hide a share u ~ U(0, 1) of the commas of each window, and those of hidden pitches, as when music is written.

    Args:
        ids: (B, L) ids.
        batch: The windows.
        hidden: (B, L, 8) bool, hidden cells of the eight fields.
        generator: Source of randomness, on the device of the tokens.

    Returns:
        (B, L) ids as the model reads them, and (B, L) bool: the hidden commas of visible pitches, which are scored.
    """
    share = torch.rand(len(ids), 1, device=ids.device, generator=generator)
    chosen = torch.rand(ids.shape, device=ids.device, generator=generator) < share
    scored = chosen & ~hidden[..., PITCH] & batch.attention_mask
    return ids.masked_fill(chosen | hidden[..., PITCH], HIDDEN_COMMA), scored


def tuning_of(windows: MusicDataset, pitches: int) -> Tensor:
    """Return (pitches, 53) log probabilities of the commas of each pitch, counted in the pieces of a data set.

    Counts fall back to those of all pitches, which are the row of a pitch that does not occur, such as `PAD`.
    """
    counts = np.zeros((pitches, COMMAS))
    for music, index, ids in zip(windows.pieces, windows.note_index, commas_of(windows), strict=True):
        np.add.at(counts, (music.notes["pitch"][index].astype(np.int64) + RESERVED, ids - 1), 1)
    every = (counts.sum(0) + 1) / (counts.sum() + COMMAS)
    return torch.from_numpy(np.log((counts + every) / (counts.sum(1, keepdims=True) + 1))).float()


@torch.inference_mode()
def comma_measure(
    backbone: Backbone, commas: Commas, batches: Iterable[MusicBatch], seed: int
) -> dict[str, float]:
    """Measure the loss of hidden commas of visible pitches, beside that of counts in the training pieces.

    Args:
        backbone: In eval mode, on the CPU.
        commas: The field, and the commas of the measured pieces.
        batches: All windows of these pieces.
        seed: Seed of what is hidden.

    Returns:
        Nats a comma of the "model", of its share of all notes ("unigram"), and of that of its pitch ("by_pitch").
    """
    found: dict[str, list[Tensor]] = {"model": [], "unigram": [], "by_pitch": []}
    tuning = commas.field.tuning
    for number, batch in enumerate(batches):
        generator = generator_of(batch.tokens.device, seed, _MEASURED, number)
        hidden, _ = hidden_cells(batch, backbone.sizes, generator)
        ids = commas.of(batch)
        shown, scored = hide_commas(ids, batch, hidden, generator)
        states = states_of(backbone, batch, hidden, commas.field(shown))
        value, pitch = ids[scored] - 1, batch.tokens[scored][:, PITCH]
        found["model"].append(commas.losses(states, batch, ids, scored))
        found["unigram"].append(-tuning[PAD, value])
        found["by_pitch"].append(-tuning[pitch, value])
    return {name: float(torch.cat(losses).mean()) for name, losses in found.items()}
