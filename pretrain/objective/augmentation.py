"""Change a window as another performance, edition or instrument would, and keep what makes the piece."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symbolic.tokens.tokenizer import rebase_bars
from symbolic.tokens.transposition import transpose, transposition_range
from symbolic.tokens.vocabulary import (
    BAR,
    DURATION,
    HIDDEN,
    POSITION,
    PROGRAM,
    RESERVED,
    TEMPO,
    TIME_SIGNATURE,
    VELOCITY,
    Vocabulary,
)

Ids = NDArray[np.integer]
TRANSPOSITION = 6
"""Largest shift in semitones either way."""
TEMPO_CHANGE = 0.2
"""Largest change of tempo, as a share of it."""
LOUDNESS, JITTER = 12, 4
"""Largest shift of all velocities, and of each, in MIDI units."""
DROPPED = 0.1
"""Share of notes that are left out."""
PROGRAM_HIDDEN = 0.25
"""Probability that programs are hidden."""
NOMINAL_TEMPO = 120.0
"""Tempo of the grid on which performances are written, in quarters a minute."""


def augment(window: Ids, vocabulary: Vocabulary, random: np.random.Generator) -> Ids:
    """Return a changed copy of a window: transposed, at another tempo, louder or softer, with fewer notes.

    Args:
        window: (L, 8) ids of consecutive tokens, L > 0.
        vocabulary: Meaning of the ids.
        random: Source of randomness.

    Returns:
        (K, 8) ids, 0 < K <= L, whose bars count from the first token.
    """
    kept = random.random(len(window)) >= DROPPED
    kept[random.integers(len(window))] = True
    found = rebase_bars(window[kept])
    low, high = transposition_range(found, TRANSPOSITION)
    found = transpose(found, int(random.integers(low, high + 1)))
    octaves = np.log2(1 + random.uniform(-TEMPO_CHANGE, TEMPO_CHANGE))
    _shift(found, TEMPO, round(octaves * vocabulary.tempos_per_octave), len(vocabulary.tempos))
    width = 128 // vocabulary.velocity_bins
    moves = random.integers(-JITTER, JITTER + 1, len(found)) + random.integers(-LOUDNESS, LOUDNESS + 1)
    _shift(found, VELOCITY, np.rint(moves / width).astype(np.int64), vocabulary.velocity_bins)
    if random.random() < PROGRAM_HIDDEN:
        found[:, PROGRAM] = HIDDEN
    return found


def any_loudness(window: Ids, random: np.random.Generator, vocabulary: Vocabulary) -> Ids:
    """Return a copy of a window that is louder or softer as a whole, in half of the cases, else the window.

    All shifts that keep every velocity in range are equally likely. So music without dynamics gets any velocity.

    Args:
        window: (L, 8) ids. Hidden velocities stay.
        random: Source of randomness.
        vocabulary: Meaning of the ids.
    """
    values = window[:, VELOCITY].astype(np.int64) - RESERVED
    known = values[values >= 0]
    if not len(known) or random.random() < 0.5:
        return window
    found = window.copy()
    shift = random.integers(-known.min(), vocabulary.velocity_bins - known.max())
    _shift(found, VELOCITY, int(shift), vocabulary.velocity_bins)
    return found


def _shift(window: Ids, field: int, by: NDArray[np.int64] | int, size: int) -> None:
    """Move the values of a field in place, within its range; hidden ones stay."""
    values = window[:, field].astype(np.int64) - RESERVED
    window[:, field] = np.where(values >= 0, (values + by).clip(0, size - 1), values) + RESERVED


def as_performed(window: Ids, vocabulary: Vocabulary) -> Ids:
    """Return a copy on the grid of performances: 4/4 at 120 quarters a minute, at the times that were notated.

    Args:
        window: (L, 8) ids without hidden fields, whose bars count from the first token.
        vocabulary: Meaning of the ids.

    Returns:
        (L, 8) ids; the same window where it would have more bars than the vocabulary.
    """
    values = window.astype(np.int64) - RESERVED
    lengths = vocabulary.bar_positions[values[:, TIME_SIGNATURE]]
    steps = np.diff(values[:, BAR]) * lengths[:-1] + np.diff(values[:, POSITION])
    stretch = (
        NOMINAL_TEMPO / vocabulary.tempos[values[:, TEMPO]]
    )  # positions of the grid for one that is notated
    onset = np.rint(np.cumsum([values[0, POSITION] * stretch[0], *(steps * stretch[:-1])])).astype(np.int64)
    onset = np.maximum.accumulate(onset.clip(min=0))
    bar = 4 * vocabulary.positions_per_quarter
    if onset[-1] // bar >= vocabulary.max_bars:
        return window
    durations = vocabulary.durations
    longer = np.rint(durations[values[:, DURATION]] * stretch)
    found = values.copy()
    found[:, BAR], found[:, POSITION] = onset // bar, onset % bar
    found[:, DURATION] = np.searchsorted(durations, longer).clip(max=len(durations) - 1)
    found[:, TIME_SIGNATURE] = vocabulary.time_signature_values[4, 4]
    found[:, TEMPO] = np.abs(vocabulary.tempos - NOMINAL_TEMPO).argmin()
    return rebase_bars((found + RESERVED).astype(window.dtype))
