"""Change a piece in ways that leave its melody what it is, so that nothing of a corpus' make is learnt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from data.corpora.textures import Labels, finer
from symbolic.music.notes import Music

Changed = tuple[NDArray[np.void], Labels]
"""(N,) notes and their classes: 0 for melody, 1 for the rest, -1 where unknown."""
_UNKNOWN = -1


def augmented(music: Music, labels: Labels, draw: np.random.Generator) -> tuple[Music, Labels]:
    """Return a copy with other loudness, speed, key, registers, textures and grid, each changed by chance.

    Args:
        music: A piece.
        labels: (N,) 0 for melody, 1 for the rest, -1 where unknown.
        draw: Source of chance.
    """
    music = finer(music)
    music.tempos[:, 1] *= np.exp(draw.uniform(-0.4, 0.4))
    example: Changed = (music.notes, labels)
    for chance, change in CHANGES:
        if draw.random() < chance:
            example = change(*example, music.resolution, draw)
    notes, labels = example
    return replace(music, notes=notes), labels


def flatten(notes: NDArray[np.void], labels: Labels, quarter: int, draw: np.random.Generator) -> Changed:
    """Give all notes one velocity."""
    notes["velocity"] = draw.integers(40, 110)
    return notes, labels


def blur(notes: NDArray[np.void], labels: Labels, quarter: int, draw: np.random.Generator) -> Changed:
    """Change each velocity a little."""
    moved = notes["velocity"] + draw.normal(0, 10, len(notes))
    notes["velocity"] = np.clip(moved, 1, 127).astype(np.uint8)
    return notes, labels


def transpose(notes: NDArray[np.void], labels: Labels, quarter: int, draw: np.random.Generator) -> Changed:
    """Move all notes up or down by up to a fifth."""
    return _moved(notes, slice(None), int(draw.integers(-7, 8))), labels


def raise_melody(notes: NDArray[np.void], labels: Labels, quarter: int, draw: np.random.Generator) -> Changed:
    """Raise the melody alone by an octave, which puts it above its accompaniment."""
    return _moved(notes, labels == 0, 12), labels


def double(notes: NDArray[np.void], labels: Labels, quarter: int, draw: np.random.Generator) -> Changed:
    """Double the melody an octave below. It is not known what the copies are."""
    copies = _moved(notes[labels == 0].copy(), slice(None), -12)
    unknown = np.full(len(copies), _UNKNOWN, dtype=labels.dtype)
    return np.concatenate([notes, copies]), np.concatenate([labels, unknown])


def arpeggiate(notes: NDArray[np.void], labels: Labels, quarter: int, draw: np.random.Generator) -> Changed:
    """Break the chords of the accompaniment upwards or downwards."""
    rest = np.flatnonzero(labels != 0)
    if not len(rest):
        return notes, labels
    order = rest[np.lexsort((notes["pitch"][rest], notes["onset"][rest]))]
    first = np.flatnonzero(np.diff(notes["onset"][order], prepend=-1))
    size = np.diff(first, append=len(order))
    rank = np.arange(len(order)) - np.repeat(first, size)
    if draw.random() < 0.5:
        rank = np.repeat(size, size) - 1 - rank
    shortest = np.minimum.reduceat(notes["duration"][order], first)
    wait = rank * np.repeat(np.minimum(shortest // size, quarter // 2), size)
    notes["onset"][order] += wait
    notes["duration"][order] = np.maximum(notes["duration"][order] - wait, 1)
    return notes, labels


def chords(notes: NDArray[np.void], labels: Labels, quarter: int, draw: np.random.Generator) -> Changed:
    """Turn the accompaniment into held chords of two quarters, as folk tunes have them."""
    melody, rest = notes[labels == 0], notes[labels != 0]
    found: list[NDArray[np.void]] = []
    slot = rest["onset"] // (2 * quarter)
    for place in np.unique(slot):
        here = rest[slot == place]
        # A chord has its bass and the commonest pitch classes in one octave above it, far below the melody.
        classes, often = np.unique(here["pitch"] % 12, return_counts=True)
        bass = int(here["pitch"].min()) % 12 + 36
        above = bass + 7 + (classes[np.argsort(-often, kind="stable")[:3]] - bass - 7) % 12
        chord = np.repeat(here[:1], len(above) + 1)
        chord["pitch"] = [bass, *above]
        chord["onset"], chord["duration"] = place * 2 * quarter, 2 * quarter
        found.append(chord)
    rest = np.concatenate([rest[:0], *found])
    classes = np.repeat(np.array([0, 1], dtype=labels.dtype), [len(melody), len(rest)])
    return np.concatenate([melody, rest]), classes


def orchestrate(notes: NDArray[np.void], labels: Labels, quarter: int, draw: np.random.Generator) -> Changed:
    """Double most parts in unison or an octave away, as orchestras do. The melody an octave away counts as unknown."""
    parts, classes = [notes], [labels]
    for track in np.unique(notes["track"]):
        for shift in draw.choice([-12, 0, 0, 12], size=draw.integers(0, 4)).tolist():
            ours = notes["track"] == track
            parts.append(_moved(notes[ours].copy(), slice(None), shift))
            melody = labels[ours] == 0
            classes.append(np.where(melody & (shift != 0), _UNKNOWN, labels[ours]).astype(labels.dtype))
    return np.concatenate(parts), np.concatenate(classes)


def hold(notes: NDArray[np.void], labels: Labels, quarter: int, draw: np.random.Generator) -> Changed:
    """Lengthen the accompaniment, as a pedal does."""
    return _longer(notes, labels != 0, draw.uniform(1.5, 3)), labels


def shorten(notes: NDArray[np.void], labels: Labels, quarter: int, draw: np.random.Generator) -> Changed:
    """Shorten all notes, or those of the accompaniment."""
    which = np.ones(len(notes), dtype=bool) if draw.random() < 0.5 else labels != 0
    return _longer(notes, which, draw.uniform(0.3, 0.8)), labels


def break_grid(notes: NDArray[np.void], labels: Labels, quarter: int, draw: np.random.Generator) -> Changed:
    """Move each onset off the grid, and all of them against the bars."""
    moved = draw.normal(0, quarter * draw.uniform(0.005, 0.03), len(notes)) + draw.integers(0, quarter)
    notes["onset"] = np.maximum(notes["onset"] + moved.astype(np.int64), 0)
    return notes, labels


CHANGES: tuple[tuple[float, Callable[..., Changed]], ...] = (
    (0.3, blur),
    (0.4, flatten),
    (0.15, raise_melody),
    (0.1, arpeggiate),
    (0.1, hold),
    (0.1, shorten),
    (0.3, break_grid),
    (0.05, double),
    (0.5, transpose),
)
"""Each change with its chance, in the order in which they are made."""


def _moved(notes: NDArray[np.void], which: slice | NDArray[np.bool_], semitones: int) -> NDArray[np.void]:
    pitch = notes["pitch"].astype(np.int64)
    pitch[which] += semitones
    notes["pitch"] = np.clip(pitch, 0, 127)
    return notes


def _longer(notes: NDArray[np.void], which: NDArray[np.bool_], factor: float) -> NDArray[np.void]:
    notes["duration"][which] = np.maximum(notes["duration"][which] * factor, 1).astype(np.int64)
    return notes
