"""Find the registers of tracks that share a program, since tokens do not tell such tracks apart, and of whole parts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from symbolic.generate.passage import Passage
from symbolic.music.notes import DRUM_PROGRAM, Music
from symbolic.tokens.tokenizer import Tokens
from symbolic.tokens.vocabulary import DRUM_PITCH

_SPREAD = 3.0
"""Semitones around a note in which it counts: the standard deviation of a Gaussian."""
_FEW = 0.01
"""Notes that every track has everywhere, so that no pitch is excluded."""


def registers(music: Music, tokens: Tokens, passage: Passage) -> Mapping[int, NDArray[np.float64]]:
    """Return (128,) log probabilities that a note of each pitch is of a track, given that it is of its program.

    By Bayes' rule they turn the model's pitches of a program into those of a track. They are counted outside of the
    passage, or in it where the track has no notes elsewhere. Such a track keeps its register even if it is alone with
    its program, for the model sees none of its notes. It is as if another track had one note everywhere.

    Args:
        music: The piece.
        tokens: Its tokens.
        passage: What is to be written.

    Returns:
        Log probabilities by track, of the tracks that share a program or have no notes elsewhere. Drums are left out.
    """
    track = music.notes["track"][tokens.note_index].astype(np.int64)
    program, pitch = (music.notes[name][tokens.note_index] for name in ("program", "pitch"))
    found: dict[int, NDArray[np.float64]] = {}
    for shared in np.unique(program[np.isin(track, passage.tracks)]).tolist():
        tracks = np.unique(track[program == shared]).tolist()
        alone = len(tracks) < 2
        if shared == DRUM_PROGRAM or (alone and (~passage.asked[program == shared]).any()):
            continue
        notes = []
        for one in tracks:
            own = (track == one) & (program == shared)
            chosen = own & ~passage.asked if (own & ~passage.asked).any() else own
            notes.append(_smoothed(np.bincount(pitch[chosen], minlength=DRUM_PITCH)))
        if alone:
            notes.append(np.ones(DRUM_PITCH))
        share = np.log(np.stack(notes) / np.sum(notes, axis=0))
        found.update(zip(tracks, share, strict=False))
    return found


def _smoothed(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (128,) notes around each pitch."""
    apart = np.arange(len(counts))[:, None] - np.arange(len(counts))
    return np.asarray(np.exp(-0.5 * (apart / _SPREAD) ** 2) @ counts + _FEW)
