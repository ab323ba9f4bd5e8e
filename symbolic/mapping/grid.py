"""Find the beats of music at an exact tempo: all onsets lie on the steps of a grid, and some steps are beats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.features.stats import Floats, standard
from symbolic.mapping.chords import Chords
from symbolic.mapping.features import Ints
from symbolic.mapping.tracking import LONGEST, SHORTEST, USUAL, RuleTracking, Tracking, covering

_EXACT = 0.6
"""How closely onsets must keep to a grid, from 0 for anywhere to 1. Performances of (n)ASAP reach 0.4."""
_FEWEST = 32
"""Chords below which onsets may keep to a grid by chance."""
_STEPS = (0.07, 0.45)
"""Shortest and longest step of a grid in seconds."""
_RATE, _FINE = 200, 8
"""Steps of a second in which onsets are counted, and parts of the usual resolution of a spectrum."""
_IN_BEAT = (1, 2, 3, 4, 6, 8, 9, 12, 16)
"""Steps that a beat may have."""
WEIGHTS = np.array([-1.54, -4.56, 1.45, -0.71, 6.29, 2.85, 1.77, 1.61, 2.07, 0.04, -0.82])
"""Weights of the numbers of `grid_features`, by `python -m experiments.grids --fit --songs 250`."""


class Grid(NamedTuple):
    """Even steps.

    Attributes:
        start: Seconds of one of them.
        step: Seconds from one to the next.
    """

    start: float
    step: float


def find_grid(time: Floats) -> Grid | None:
    """Return the grid on which all onsets lie. None if there is none, as in free playing.

    Args:
        time: (C,) rising onsets of chords in seconds.
    """
    if len(time) < _FEWEST:
        return None
    since = time - time[0]
    counts = np.bincount(np.round(since * _RATE).astype(np.int64))
    size = 1 << (_FINE * len(counts) - 1).bit_length()
    pace = np.arange(size // 2 + 1) * _RATE / size
    inside = (pace > 1 / _STEPS[1]) & (pace < 1 / _STEPS[0])
    found = float(pace[np.where(inside, np.abs(np.fft.rfft(counts, size)), 0).argmax()])
    for _ in range(2):  # the spectrum is coarse: a line through what is left over gives the exact pace
        late = _late(since, found)
        found -= float(np.polyfit(since, late, 1)[0])
    mean = np.exp(2j * np.pi * found * since).mean()
    if abs(mean) < _EXACT:
        return None
    return Grid(float(time[0] + np.angle(mean) / (2 * np.pi * found)), 1 / found)


def _late(time: Floats, pace: float) -> Floats:
    """Return how late onsets are on the best grid of a pace, in its steps."""
    turns = np.exp(2j * np.pi * pace * time)
    return np.asarray(np.angle(turns / turns.mean()) / (2 * np.pi))


def on_grid(chords: Chords, other: Tracking) -> Tracking:
    """Return what finds beats on the grid of a performance, or the other one if there is no grid."""
    grid = find_grid(chords.time)
    return other if grid is None else GridTracking(chords, grid)


def rules(chords: Chords) -> Tracking:
    """Read a performance by rules alone."""
    return on_grid(chords, RuleTracking(chords))


class GridTracking(RuleTracking):
    """Find the beats of a performance among the steps of its grid, and bars by rules.

    Args:
        chords: The chords of the performance.
        grid: Their grid.
    """

    def __init__(self, chords: Chords, grid: Grid) -> None:
        super().__init__(chords)
        self._grid = grid

    def beats(self) -> Floats:
        """Return rising times of even beats in seconds, two or more, that enclose the music."""
        time, (start, step) = self._chords.time, self._grid
        steps, first, numbers = grid_features(self._chords, self.accents, self._grid)
        best = int((numbers @ WEIGHTS).argmax())
        period, begin = steps[best] * step, start + first[best] * step
        place = np.floor((time[0] - begin) / period + 0.5)
        return covering(begin + (place + np.arange(2)) * period, float(time[0]), float(time[-1]))


def grid_features(
    chords: Chords, accents: Floats, grid: Grid, lengths: Sequence[int] = ()
) -> tuple[Ints, Ints, Floats]:
    """Return the beats that are possible on a grid and (P, F) numbers from which the likely one is chosen.

    Args:
        chords: The chords.
        accents: (C,) from `tracking.accents`.
        grid: Their grid.
        lengths: Numbers of steps that a beat may have. (): those that are neither too short nor too long.

    Returns:
        (P,) steps of a beat, (P,) the step on which beats begin, and the numbers.
    """
    at = np.round((chords.time - grid.start) / grid.step).astype(np.int64)
    place = at - at.min()
    total = int(place.max()) + 1
    low = standard(-np.minimum.reduceat(chords.pitch, chords.first).astype(np.float64))
    rest = standard(np.minimum(np.diff(chords.time, append=chords.time[-1] + 1), 2))
    played, accented = np.zeros(total), np.zeros(total)
    played[place] = 1
    np.maximum.at(accented, place, accents + 2)
    together = np.log(len(chords.onset) / len(chords.time))
    found: list[tuple[int, int]] = []
    rows = []
    usual = [one for one in _IN_BEAT if SHORTEST <= one * grid.step <= LONGEST]
    for steps in lengths or usual:
        pace = np.log(steps * grid.step / USUAL)
        dense = np.log(len(at) * steps / total)
        again, accents_again = _alike(played, steps), _alike(accented, 4 * steps)
        for first in range(steps):
            on = (at - first) % steps == 0
            half = float(((at - first) % steps * 2 == steps).mean())
            share = len(np.unique(at[on])) * steps / total
            contrasts = [_contrast(values, on) for values in (accents, low, rest)]
            found.append((steps, first))
            rows.append(
                [pace, pace**2, pace * together, dense**2, share, half, again, accents_again, *contrasts]
            )
    steps_of, first_of = np.array(found, dtype=np.int64).T
    return steps_of, first_of, np.array(rows)


def _contrast(values: Floats, on: NDArray[np.bool_]) -> float:
    """Return by how much values on beats exceed others."""
    inside = float(values[on].mean()) if on.any() else -1.0
    return inside - float(values[~on].mean() if not on.all() else values.mean())


def _alike(signal: Floats, lag: int) -> float:
    """Return how much a signal resembles itself after some steps, from -1 to 1."""
    if lag >= len(signal):
        return 0.0
    varied = signal - signal.mean()
    return float((varied[lag:] * varied[:-lag]).mean() / max(float((varied**2).mean()), 1e-9))
