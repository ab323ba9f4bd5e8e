"""Exact playing to learn from: scores played on the beat, and scales. Pianists never play so, but sequencers do."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data.corpora import Piece
from finetune.mapping.examples import Example
from symbolic.mapping.features import TICKS, Ints, performed
from symbolic.mapping.quantisation import STAVES
from symbolic.mapping.written import beat_unit
from symbolic.music.bars import beats
from symbolic.music.notes import Music, note_array

_PERIODS = (0.3, 1.2)
"""Shortest and longest beat in seconds."""
_LOOSE = (0.0, 0.003, 0.01)
"""Deviations of onsets in seconds, one of which is drawn."""
_HELD = (0.4, 1.0)
"""Shortest and longest share of its value for which a note sounds."""
_VELOCITIES = (40, 100)
STEPS = (24, 12, 8, 6)
"""Note values of scales in `TICKS`."""
_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_HANDS = ((57, 80), (26, 40))
"""Lowest and highest first pitch of a scale, by staff."""
_RANGES = (5, 16)
"""Fewest and most notes from the lowest to the highest, and one more."""
_LENGTHS = (40, 80)
"""Fewest and most notes of a scale."""


def exact(score: Music, path: Path, random: np.random.Generator) -> Example | None:
    """Play a score on the beat, at a drawn tempo. None where the unit of its beat changes.

    Grace notes and notes in bars of odd lengths are left out.

    Args:
        score: The score, whose tracks are staves.
        path: Its file.
        random: Draws tempo, looseness, loudness and how long notes are held.
    """
    notes, unit = score.notes, beat_unit(score)
    sound = notes["duration"] > 0
    if not sound.any() or unit.min() < unit.max():
        return None
    time, value = (notes[field] / score.resolution / unit for field in ("onset", "duration"))
    upper, lower = score.time_signatures[0, 1:] if len(score.time_signatures) else (4, 4)
    ahead = np.round((beats(score, notes["onset"])[1] - 1 - time) * TICKS).astype(np.int64) % TICKS
    offset = int(np.bincount(ahead[sound]).argmax())
    written = np.flatnonzero(sound & (ahead == offset))
    tick = np.round(time * TICKS).astype(np.int64) + TICKS + offset
    period, held = random.uniform(*_PERIODS), random.uniform(*_HELD)
    begin = tick / TICKS * period + random.normal(0, 1, len(tick)) * random.choice(_LOOSE)
    written = written[np.lexsort((notes["pitch"][written], begin[written]))]
    played = performed(
        begin[written],
        (begin + value * period * held)[written],
        notes["pitch"][written].astype(np.int64),
        np.full(len(written), int(random.integers(*_VELOCITIES))),
        np.arange(tick.max() // TICKS + 3) * period,
    )
    return Example(
        Piece(path.stem, path.name),
        played,
        np.arange(len(written)),
        written,
        tick[written],
        value[written],
        np.minimum(notes["track"][written].astype(np.int64), STAVES - 1),
        np.full(len(written), upper * 4 / lower / unit[0]),
        unit[written],
        path,
    )


def scale(step: int, random: np.random.Generator) -> Music:
    """Write a major scale that goes up and down in even notes for one hand.

    Args:
        step: The note value in `TICKS`.
        random: Draws hand, key, range and length.
    """
    staff = int(random.integers(STAVES))
    degrees = np.arange(random.integers(*_RANGES))
    up = 12 * (degrees // len(_MAJOR)) + np.array(_MAJOR)[degrees % len(_MAJOR)]
    pitch = np.resize([*up, *up[-2:0:-1]], int(random.integers(*_LENGTHS)))
    onset: Ints = np.arange(len(pitch)) * step
    first = int(random.integers(*_HANDS[staff]))
    return Music(note_array(onset, step, pitch + first, track=staff), TICKS)
