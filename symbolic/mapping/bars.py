"""Find the bars of a piece by rules: how many beats they have, and where they begin.

Each number of beats with each first beat is a possible answer. A weighted sum of what speaks for it chooses: long
notes, accents and new harmonies on its downbeats, music that comes again after a bar, and a piece that begins with
one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.features.stats import Floats, standard
from symbolic.mapping.chords import Chords
from symbolic.mapping.features import BEAT_SECONDS, Ints
from symbolic.mapping.metre import IN_BAR

_SUSTAINED = 2.0
"""Longest time in seconds for which a note counts in the harmony."""
_LONGEST = 4.0
"""Longest time in beats for which a note counts as held."""
_USUAL = 4
"""Beats of a bar where nothing tells them."""
BAR_WEIGHTS = np.array([0.3, 0.89, 1.08, 0.67, 0.89, 1.36, 2.62, -0.3, 1.25, -8.02])
"""Weights of the numbers of `bar_features`, by `python -m experiments.grids --fit --songs 250`."""
BEGINNING = 4
"""Which of them tells that the piece begins with a bar."""


class BeatTable(NamedTuple):
    """Accents, harmonies, lengths and density on the beats of a piece.

    Attributes:
        strength: (B,) accent of the chord on each beat, in standard deviations, as the others.
        change: (B,) how much the harmony differs from that of the beat before.
        held: (B,) how long the longest note lasts.
        density: (B,) chords from the beat to the next one.
        first: The beat on which or after which the music begins.
        at_once: Whether it begins on that beat.
    """

    strength: Floats
    change: Floats
    held: Floats
    density: Floats
    first: int
    at_once: bool


def beat_table(chords: Chords, accents: Floats, beats: Floats) -> BeatTable:
    """Return the accents, harmonies, lengths and density of beats.

    Args:
        chords: The chords of the piece.
        accents: (C,) from `tracking.accents`.
        beats: (B,) times in seconds, two or more.
    """
    count, beat = len(beats), float(np.median(np.diff(beats)))
    at = np.clip(np.searchsorted(beats, chords.onset + BEAT_SECONDS) - 1, 0, count - 1)
    begins = at[chords.first]
    on = np.abs(chords.time - beats[begins]) <= BEAT_SECONDS
    strength, held, chroma = np.zeros(count), np.zeros(count), np.zeros((count, 12))
    np.maximum.at(strength, begins[on], accents[on] + 2)
    longest = np.maximum.reduceat(chords.end, chords.first) - chords.time
    np.maximum.at(held, begins[on], np.minimum(longest[on] / beat, _LONGEST))
    np.add.at(chroma, (at, chords.pitch % 12), np.minimum(chords.end - chords.onset, _SUSTAINED))
    unit = chroma / np.maximum(np.linalg.norm(chroma, axis=1, keepdims=True), 1e-9)
    sounds = np.asarray(chroma.sum(axis=1) > 0)
    change = np.where(sounds[1:] & sounds[:-1], 1 - (unit[1:] * unit[:-1]).sum(axis=1), 0.0)
    change[sounds[1:] & ~sounds[:-1]] = 0.5  # after silence nothing is known to be new
    return BeatTable(
        standard(strength),
        standard(np.concatenate([[0.0], change])),
        standard(held),
        standard(np.bincount(begins, minlength=count).astype(np.float64)),
        int(begins[0]) if len(on) else 0,
        bool(on[:1].all()),
    )


def bar_features(table: BeatTable, choices: Sequence[int] = ()) -> tuple[Ints, Ints, Floats]:
    """Return the bars that are possible and (P, F) numbers from which the likely ones are chosen.

    Args:
        table: From `beat_table`.
        choices: Numbers of beats that a bar may have. (): `IN_BAR`.

    Returns:
        (P,) beats of a bar, (P,) the beat that begins one, and the numbers.
    """
    count = len(table.strength)
    found, rows = [], []
    for in_bar, phase in ((one, phase) for one in choices or IN_BAR for phase in range(one)):
        place = (np.arange(count) - phase) % in_bar
        down = place == 0
        if not down.any() or down.all():
            continue
        # More phases offer more chances: the contrast of noise grows with their number.
        noise = np.sqrt((1 / down.sum() + 1 / (~down).sum()) * 2 * np.log(in_bar))
        found.append((in_bar, phase))
        rows.append(
            [
                *(_contrast(values, down) for values in table[:4]),
                table.at_once and place[table.first] == 0,
                *(_alike(table.strength, lag) for lag in (in_bar, 4 * in_bar)),
                *(in_bar == one for one in (2, 4)),
                noise,
            ]
        )
    in_bars, phases = np.array(found, dtype=np.int64).reshape(-1, 2).T
    return in_bars, phases, np.array(rows, dtype=np.float64).reshape(len(found), len(BAR_WEIGHTS))


def find_bars(table: BeatTable, choices: Sequence[int] = ()) -> tuple[NDArray[np.bool_], float]:
    """Return (B,) which beats begin a bar, and what speaks for that: a log probability but for a constant.

    Args:
        table: From `beat_table`.
        choices: Numbers of beats that a bar may have. (): `IN_BAR`.
    """
    in_bars, phases, numbers = bar_features(table, choices)
    if not len(numbers):
        return np.arange(len(table.strength)) % (choices[0] if choices else _USUAL) == 0, 0.0
    gains = numbers @ BAR_WEIGHTS
    best = int(gains.argmax())
    return np.arange(len(table.strength)) % in_bars[best] == phases[best], float(gains[best])


def _contrast(values: Floats, some: NDArray[np.bool_]) -> float:
    return float(values[some].mean() - values[~some].mean())


def _alike(values: Floats, lag: int) -> float:
    """Return how much standard values resemble themselves after some beats, from -1 to 1."""
    return float((values[lag:] * values[:-lag]).mean()) if lag < len(values) - 2 else 0.0
