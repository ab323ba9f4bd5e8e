"""Describe performed notes against given beats: where an onset lies among its neighbours, and how long it lasts.

All times are in beats: beat 0 is the first one given, and the time between two beats runs evenly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.features.stats import Floats

Ints = NDArray[np.int64]
TICKS = 24
"""Steps of a beat: sixteenths, their halves and triplets divide it."""
CHORD_SECONDS = 0.035
"""Onsets that follow the one before within this time are one chord."""
BEAT_SECONDS = 0.07
"""Onsets within this time of a beat are on it."""
_GRIDS = (1, 2, 3, 4, 6, 8, 12)
_NEAR = 3
_REACH = 8.0
"""Beats beyond which a distance is clipped."""
_WITHIN = (3, 7, 12)
"""Semitones around a note among which its continuation is looked for."""


class Performed(NamedTuple):
    """Performed notes in the order of onset and pitch.

    Attributes:
        onset: (N,) onsets in beats.
        end: (N,) ends in beats.
        pitch: (N,) MIDI pitches.
        velocity: (N,) MIDI velocities.
        seconds: (N,) seconds a beat takes where the note begins.
        chord: (N,) index of the chord that a note begins with.
    """

    onset: Floats
    end: Floats
    pitch: Ints
    velocity: Ints
    seconds: Floats
    chord: Ints


def in_beats(seconds: Floats, beats: Floats) -> Floats:
    """Convert times in seconds to beats. Before the first and after the last beat, the tempo stays as it is there.

    Args:
        seconds: Times of any shape.
        beats: (B,) rising times of beats in seconds, two or more.
    """
    at = np.clip(np.searchsorted(beats, seconds, side="right") - 1, 0, len(beats) - 2)
    return np.asarray(at + (seconds - beats[at]) / (beats[at + 1] - beats[at]))


def performed(onset: Floats, end: Floats, pitch: Ints, velocity: Ints, beats: Floats) -> Performed:
    """Place notes among beats.

    Args:
        onset: (N,) onsets in seconds, by rising onset.
        end: (N,) ends in seconds.
        pitch: (N,) MIDI pitches.
        velocity: (N,) MIDI velocities.
        beats: (B,) rising times of beats in seconds, two or more.
    """
    at = np.clip(np.searchsorted(beats, onset, side="right") - 1, 0, len(beats) - 2)
    chord = np.cumsum(np.diff(onset, prepend=-np.inf) > CHORD_SECONDS) - 1
    return Performed(
        in_beats(onset, beats), in_beats(end, beats), pitch, velocity, (beats[1:] - beats[:-1])[at], chord
    )


def onset_features(notes: Performed) -> NDArray[np.float32]:
    """Return (N, F) numbers from which the place of each onset in its beat is predicted."""
    first = np.flatnonzero(np.diff(notes.chord, prepend=-1))
    count = np.diff(first, append=len(notes.onset))
    time = np.add.reduceat(notes.onset, first) / count
    beat = np.floor(time)
    phase = time - beat
    columns = [phase, notes.seconds[first], count, *_grid_columns(time, beat)]
    for step in range(1, _NEAR + 1):
        before, after = _shifted(time, -step), _shifted(time, step)
        columns += [before - beat, after - beat, (time - before) * notes.seconds[first]]
    columns += [np.diff(time, prepend=time[:1]), np.diff(time, append=time[-1:])]
    by_note = np.stack([np.clip(column, -_REACH, _REACH) for column in columns], axis=1)[notes.chord]
    own = notes.onset - np.floor(time)[notes.chord]
    duration = np.minimum(notes.end - notes.onset, _REACH)
    rank = np.arange(len(notes.onset)) - first[notes.chord]
    last, following = _neighbours(notes.onset, notes.pitch)
    further = [own, duration, notes.pitch, notes.velocity, rank, *(notes.onset - one for one in last)]
    further += [one - notes.onset for one in following]
    return np.column_stack([by_note, *(np.clip(one, -_REACH, 127) for one in further)]).astype(np.float32)


def value_features(
    notes: Performed, onset: Ints, staff: Ints, beats_in_bar: Ints | int, unit: Floats | float
) -> NDArray[np.float32]:
    """Return (N, F) numbers from which the note value of each note is predicted.

    Args:
        notes: The performed notes.
        onset: (N,) quantised onsets in ticks of a beat, `TICKS` each.
        staff: (N,) 0 for the upper and 1 for the lower staff.
        beats_in_bar: Beats of a bar.
        unit: Quarter notes of a beat.
    """
    placed = onset / TICKS
    length = notes.end - notes.onset
    distinct = np.unique(onset) / TICKS
    at = np.searchsorted(distinct, placed, side="right")
    coming = [distinct[np.minimum(at + step, len(distinct) - 1)] - placed for step in range(4)]
    sides = [np.full(len(placed), _REACH) for _ in range(2)]
    for one in (0, 1):
        here = np.flatnonzero(staff == one)
        own = np.unique(onset[here]) / TICKS
        if len(own):
            next_one = np.searchsorted(own, placed[here], side="right")
            for step, column in enumerate(sides):
                reached = next_one + step
                column[here] = np.where(
                    reached < len(own), own[np.minimum(reached, len(own) - 1)] - placed[here], _REACH
                )
    _, following = _neighbours(placed, notes.pitch)
    same = _same_pitch(placed, notes.pitch)
    ahead = [*coming, *sides, *(one - placed for one in following), same]
    ahead = [np.clip(one, 0, _REACH) for one in ahead]
    ratios = [length / np.maximum(one, 1 / TICKS) for one in ahead[:6]]
    first = np.flatnonzero(np.diff(notes.chord, prepend=-1))
    count = np.diff(first, append=len(placed))
    mean = (np.add.reduceat(length, first) / count)[notes.chord]
    about = [length, length * notes.seconds, mean, notes.pitch, notes.velocity, count[notes.chord], staff]
    about += [placed % 1, np.broadcast_to(beats_in_bar, len(placed)), np.broadcast_to(unit, len(placed))]
    about += [np.arange(len(placed)) - first[notes.chord], notes.seconds]
    return np.column_stack([*ahead, *(np.clip(one, 0, 20) for one in ratios), *about]).astype(np.float32)


def staff_features(notes: Performed) -> NDArray[np.float32]:
    """Return (N, F) numbers from which the staff of each note is predicted."""
    first = np.flatnonzero(np.diff(notes.chord, prepend=-1))
    count = np.diff(first, append=len(notes.onset))
    by_pitch = np.lexsort((notes.pitch, notes.chord))
    rank = np.empty(len(by_pitch), dtype=np.int64)
    rank[by_pitch] = np.arange(len(by_pitch)) - first[notes.chord]
    sorted_pitch = notes.pitch[by_pitch]
    inside = np.diff(notes.chord, append=-1) == 0
    above = np.full(len(by_pitch), 40)
    above[by_pitch] = np.where(inside, np.append(sorted_pitch[1:], 0) - sorted_pitch, 40)
    below = np.full(len(by_pitch), 40)
    below[by_pitch] = np.where(
        np.concatenate([[False], inside[:-1]]), sorted_pitch - np.append(0, sorted_pitch[:-1]), 40
    )
    low = np.minimum.reduceat(notes.pitch, first)[notes.chord]
    high = np.maximum.reduceat(notes.pitch, first)[notes.chord]
    columns = [
        notes.pitch,
        rank,
        count[notes.chord] - rank,
        above,
        below,
        notes.pitch - low,
        high - notes.pitch,
    ]
    for beats in (0.5, 1.0, 2.0, 4.0):
        begin = np.searchsorted(notes.onset, notes.onset - beats)
        end = np.searchsorted(notes.onset, notes.onset + beats, side="right")
        total = np.concatenate([[0], np.cumsum(notes.pitch)])
        squares = np.concatenate([[0], np.cumsum(notes.pitch**2)])
        number = end - begin
        mean = (total[end] - total[begin]) / number
        spread = np.sqrt(np.maximum((squares[end] - squares[begin]) / number - mean**2, 0))
        columns += [notes.pitch - mean, spread, number]
    last, following = _neighbours(notes.onset, notes.pitch)
    columns += [np.minimum(notes.onset - one, _REACH) for one in last]
    columns += [np.minimum(one - notes.onset, _REACH) for one in following]
    columns += [np.minimum(notes.end - notes.onset, _REACH), notes.velocity]
    return np.column_stack(columns).astype(np.float32)


def _grid_columns(time: Floats, beat: Floats) -> list[Floats]:
    """Return how well even divisions fit the onsets of a beat and of the beats around, and the place in the beat."""
    number = beat.astype(np.int64) - int(beat.min(initial=0))
    counts = np.bincount(number)
    ahead = np.searchsorted(time, beat)
    columns: list[Floats] = [
        counts[number].astype(np.float64),
        (np.arange(len(time)) - ahead).astype(np.float64),
    ]
    for grid in _GRIDS:
        off = time * grid - np.round(time * grid)
        missed = np.bincount(number, np.abs(off))
        around = np.convolve(missed, np.ones(5), "same") / np.maximum(
            np.convolve(counts, np.ones(5), "same"), 1
        )
        columns += [off, (missed / np.maximum(counts, 1))[number], around[number]]
    for grid in (3, 4):
        columns.append(np.full(len(time), np.abs(time * grid - np.round(time * grid)).mean()))
    return columns


def _neighbours(time: Floats, pitch: Ints) -> tuple[list[Floats], list[Floats]]:
    """Return when the last and the next note of a nearby pitch begins, for each reach of `_WITHIN`."""
    last, following = [], []
    order = np.argsort(time, kind="stable")
    for reach in _WITHIN:
        before, after = np.full(len(time), -np.inf), np.full(len(time), np.inf)
        before[order] = _last_nearby(time[order], pitch[order], reach)
        after[order[::-1]] = -_last_nearby(-time[order][::-1], pitch[order][::-1], reach)
        last.append(before)
        following.append(after)
    return last, following


def _last_nearby(time: Floats, pitch: Ints, reach: int, most: int = 24) -> Floats:
    """Return when the last note of a pitch within `reach` began, among the `most` notes before."""
    found = np.full(len(time), -np.inf)
    for step in range(1, min(most, len(time) - 1) + 1):
        earlier, now = time[:-step], time[step:]
        fits = (
            (np.abs(pitch[step:] - pitch[:-step]) <= reach) & (earlier < now - 1e-2) & np.isinf(found[step:])
        )
        found[step:] = np.where(fits, earlier, found[step:])
    return found


def _same_pitch(time: Floats, pitch: Ints) -> Floats:
    """Return how long it takes until the pitch is struck again."""
    order = np.lexsort((time, pitch))
    again = np.full(len(time), _REACH)
    same = np.diff(pitch[order]) == 0
    again[order[:-1]] = np.where(same, np.diff(time[order]), _REACH)
    return again


def _shifted(values: Floats, step: int) -> Floats:
    """Return the value `step` places further on, that of the end where there is none."""
    return values[np.clip(np.arange(len(values)) + step, 0, len(values) - 1)]
