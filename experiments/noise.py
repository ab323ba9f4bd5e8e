"""Make noisy copies of pieces as collections from the web hold them, in a known share of the notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from symbolic.music.notes import NOTE, Music

_JITTER, _STRETCH = 0.12, 0.5
"""Standard deviations of a transcribed onset, in quarter notes, and of the logarithm of its length."""
_MISSED, _INVENTED = 0.1, 0.05
"""Shares of the notes that a transcription lacks, and that it has though nobody played them."""
_LAYER = 48
"""MIDI program of the second layer, strings."""


def transcribed(music: Music, random: np.random.Generator) -> Music:
    """Copy a piece as a poor transcription: jittered onsets, wrong lengths, missing and invented notes."""
    notes = music.notes[random.random(len(music)) >= _MISSED]
    invented = notes[random.random(len(notes)) < _INVENTED].copy()
    invented["pitch"] = random.integers(21, 109, len(invented))
    notes = np.concatenate([notes, invented]).astype(NOTE)
    moved = notes["onset"] + random.normal(0, _JITTER * music.resolution, len(notes))
    notes["onset"] = np.maximum(moved.round(), 0)
    stretched = notes["duration"] * random.lognormal(0, _STRETCH, len(notes))
    notes["duration"] = np.maximum(stretched.round(), 1)
    return music.with_notes(notes)


def random_velocities(music: Music, random: np.random.Generator) -> Music:
    """Copy a piece with velocities that have nothing to do with it."""
    notes = music.notes.copy()
    notes["velocity"] = random.integers(1, 128, len(notes))
    return music.with_notes(notes)


def doubled(music: Music, random: np.random.Generator) -> Music:
    """Copy a piece with every note once more on another instrument."""
    layer = music.notes.copy()
    layer["program"] = _LAYER
    return music.with_notes(np.concatenate([music.notes, layer]).astype(NOTE))


def stuck(music: Music, random: np.random.Generator) -> Music:
    """Copy a piece with all notes on one of its pitches."""
    notes = music.notes.copy()
    notes["pitch"] = random.choice(music.notes["pitch"])
    return music.with_notes(notes)


KINDS: Mapping[str, Callable[[Music, np.random.Generator], Music]] = MappingProxyType(
    {"transcribed": transcribed, "velocities": random_velocities, "doubled": doubled, "stuck": stuck}
)
"""What is wrong with a copy."""


def noisy_copies(
    pieces: Sequence[Music], share: float, random: np.random.Generator
) -> list[tuple[str, Music]]:
    """Return noisy copies of pieces and the kind of each. The kinds take turns.

    They bring no new music. So they can only harm a model that is trained on the pieces too.

    Args:
        pieces: Clean pieces.
        share: Share of the notes of pieces and copies together that copies have, below 1. Reached or just passed.
        random: Source of randomness.
    """
    wanted = share / (1 - share) * sum(map(len, pieces))
    copies: list[tuple[str, Music]] = []
    while sum(len(music) for _, music in copies) < wanted:
        kind = tuple(KINDS)[len(copies) % len(KINDS)]
        copies.append((kind, KINDS[kind](pieces[int(random.integers(len(pieces)))], random)))
    return copies
