"""Commas: a field of notes beside the eight, for music that does not keep to twelve tones, such as makam.

The ids are fine enough for the 53 equal commas of an octave by which Turkish theory measures: such a comma lies a whole
number of 53rds of a semitone off a MIDI pitch (SymbTr, Karaosmanoğlu, ISMIR 2012). The tokenizer and its fingerprint do
not change. A backbone reads commas by an extra embedding, which begins with zeros.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from symbolic.music.notes import DRUM_PROGRAM, Music

COMMAS = 53
"""Values of the field: from half a semitone below to half a semitone above."""
HIDDEN_COMMA = 0
"""The id of a comma that is not shown. Those of values follow."""
PART = "commas"
"""Name of the field in a checkpoint."""
FAR, OFTEN = 15, 0.05
"""Cents from which a note lies off twelve tones, and the share of such notes that makes music microtonal."""
_STEP = 100 / COMMAS
_MIDDLE = COMMAS // 2 + 1
"""The id of a note that lies on its MIDI pitch."""


def comma_ids(cents: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return (N,) ids of the nearest commas. Bends of more than half a semitone are clipped."""
    value = np.rint(cents / _STEP).astype(np.int64)
    return np.asarray(np.clip(value, 1 - _MIDDLE, COMMAS - _MIDDLE) + _MIDDLE)


def comma_cents(ids: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return (N,) cents of ids of values."""
    return np.asarray(np.rint((ids - _MIDDLE) * _STEP).astype(np.int64))


def microtonal_share(pieces: Iterable[Music]) -> float:
    """Return the share of pitched notes that lie more than `FAR` cents, and half a semitone at most, off MIDI pitches.

    Further bends are those of guitars and voices, which begin at another pitch.
    """
    cents = [np.abs(music.notes["cents"][music.notes["program"] != DRUM_PROGRAM]) for music in pieces]
    every = np.concatenate([np.zeros(0, dtype=np.int16), *cents])
    return float(((every > FAR) & (every <= 50)).mean()) if len(every) else 0.0


def usual_cents(music: Music) -> NDArray[np.int64]:
    """Return (12,) the most common cents of each pitch class, or 0 where the music is not microtonal.

    Of cents that are equally common, those nearest to 0 are returned.
    """
    found = np.zeros(12, dtype=np.int64)
    if microtonal_share([music]) < OFTEN:
        return found
    notes = music.notes[~music.drums]
    for pitch_class in range(12):
        values, counts = np.unique(notes["cents"][notes["pitch"] % 12 == pitch_class], return_counts=True)
        if len(values):
            found[pitch_class] = values[np.lexsort((np.abs(values), -counts))[0]]
    return found


class CommaField(nn.Module):
    """Embed commas, and predict them from hidden states and from how each pitch is usually tuned.

    Args:
        dim: Width of the states.
        pitches: Number of ids of pitches.

    Attributes:
        tuning: (pitches, 53) log probabilities of the commas of each pitch. A new field predicts these.
    """

    tuning: Tensor

    def __init__(self, dim: int, pitches: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(COMMAS + 1, dim)
        self.head = nn.Linear(dim, COMMAS)
        for parameter in self.parameters():
            nn.init.zeros_(parameter)
        self.register_buffer("tuning", torch.zeros(pitches, COMMAS))

    def forward(self, ids: Tensor) -> Tensor:
        """Turn int64 ids (..., L) into vectors (..., L, dim) to add to those of tokens."""
        vectors: Tensor = self.embedding(ids)
        return vectors

    def logits(self, states: Tensor, pitch: Tensor) -> Tensor:
        """Turn states (K, dim) and (K,) ids of pitches into logits (K, 53) of the values, without the hidden one."""
        found: Tensor = self.head(states) + self.tuning[pitch]
        return found


def comma_tensor(ids: Iterable[NDArray[np.int64]], length: int) -> Tensor:
    """Return (B, L) int64 ids of B windows, hidden where a window is shorter."""
    rows = [np.pad(row, (0, length - len(row)), constant_values=HIDDEN_COMMA) for row in ids]
    return torch.from_numpy(np.stack(rows))
