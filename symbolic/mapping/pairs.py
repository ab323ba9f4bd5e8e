"""Describe pairs of chords that may be one beat apart: where others lie between, before and after them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symbolic.features.stats import Floats
from symbolic.mapping.chords import Chords
from symbolic.mapping.features import Ints

SHORTEST, LONGEST = 0.14, 4.6
"""Seconds of a beat."""
_MOST = 40
"""Chords from one beat to the next."""
_LEAST = 0.02
"""Probability of a beat below which a chord is no part of a pair."""
_GRIDS = (2, 3, 4)
_PLACES = (-2.0, -1.0, 1 / 3, 1 / 2, 2 / 3, 2.0, 3.0)
"""Places at which a chord is looked for. 0 is the first chord of the pair and 1 the second."""
_NEAR = 0.15
"""Beats around such a place."""
_WINDOWS = (3.0, 10.0)
"""Seconds around a pair in which beats are counted."""
_MULTIPLES = (1 / 3, 1 / 2, 1.0, 2.0, 3.0, 4.0)
"""Beats after which the piece should resemble itself."""
_RATE = 50
"""Steps of a second in which this is measured."""


def possible_pairs(time: Floats, beat: Floats) -> tuple[Ints, Ints]:
    """Return (P,) the first and the second chord of the pairs that may be one beat apart.

    Args:
        time: (C,) onsets of chords in seconds.
        beat: (C,) probability that a chord lies on a beat.
    """
    likely = beat >= _LEAST
    first, second = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for step in range(1, min(_MOST, len(time) - 1) + 1):
        lasting = time[step:] - time[:-step]
        fits = (lasting >= SHORTEST) & (lasting <= LONGEST) & likely[step:] & likely[:-step]
        first.append(np.flatnonzero(fits))
        second.append(first[-1] + step)
    return np.concatenate(first), np.concatenate(second)


def pair_features(chords: Chords, places: Floats, first: Ints, second: Ints) -> NDArray[np.float32]:
    """Return (P, F) numbers from which it is predicted whether two chords are one beat apart.

    Args:
        chords: The chords.
        places: (C, 3) probability that a chord lies between beats, on a beat and on a downbeat.
        first: (P,) index of the first chord of each pair.
        second: (P,) index of the second one.
    """
    time, down = chords.time, places[:, 2]
    beat = places[:, 1] + down
    lasting = time[second] - time[first]
    between = second - first - 1
    columns = [lasting, beat[first], beat[second], down[first], down[second], between.astype(np.float64)]
    for values in (np.log(1 - np.minimum(beat, 0.995)), beat):
        total = np.concatenate([[0], np.cumsum(values)])
        columns.append(total[second] - total[first + 1])
    columns += _between(time, beat, down, first, second)
    for place in _PLACES:
        columns += _near(time, beat, down, time[first] + place * lasting, lasting)
    middle = (time[first] + time[second]) / 2
    for weight in (np.ones(len(time)), beat, down):
        total = np.concatenate([[0], np.cumsum(weight)])
        for seconds in _WINDOWS:
            begin, end = np.maximum(middle - seconds, time[0]), np.minimum(middle + seconds, time[-1])
            number = total[np.searchsorted(time, end, side="right")] - total[np.searchsorted(time, begin)]
            columns.append(number / np.maximum(end - begin, 0.5) * lasting)
        columns.append(weight.sum() / max(time[-1] - time[0], 1) * lasting)
        alike = _autocorrelation(time, weight)
        columns += [
            np.interp(multiple * lasting * _RATE, np.arange(len(alike)), alike) for multiple in _MULTIPLES
        ]
    low = np.minimum.reduceat(chords.pitch, chords.first)
    loud = np.maximum.reduceat(chords.velocity, chords.first)
    columns += [
        (low[second] - low[first]).astype(np.float64),
        (loud[second] - loud[first]).astype(np.float64),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _between(time: Floats, beat: Floats, down: Floats, first: Ints, second: Ints) -> list[Floats]:
    """Return the most likely beat and downbeat between the chords of pairs, and how well even divisions fit."""
    most = [np.zeros(len(first)) for _ in range(2)]
    missed = [np.zeros(len(first)) for _ in _GRIDS]
    lasting = time[second] - time[first]
    left = np.arange(len(first))
    for step in range(1, _MOST):
        left = left[first[left] + step < second[left]]
        if not len(left):
            break
        at = first[left] + step
        place = (time[at] - time[first[left]]) / lasting[left]
        for highest, values in zip(most, (beat, down), strict=True):
            highest[left] = np.maximum(highest[left], values[at])
        for total, grid in zip(missed, _GRIDS, strict=True):
            total[left] += np.abs(place * grid - np.round(place * grid))
    number = second - first - 1
    return [*most, *(np.where(number > 0, total / np.maximum(number, 1), -1.0) for total in missed)]


def _near(time: Floats, beat: Floats, down: Floats, place: Floats, lasting: Floats) -> list[Floats]:
    """Return how far the nearest chord of a place is, in beats, and the most likely beat and downbeat near it."""
    at = nearest(time, place)
    likely, strong = np.zeros(len(place)), np.zeros(len(place))
    for step in (-1, 0, 1):
        one = np.clip(at + step, 0, len(time) - 1)
        near = np.abs(time[one] - place) < _NEAR * lasting
        likely, strong = np.maximum(likely, near * beat[one]), np.maximum(strong, near * down[one])
    return [np.minimum(np.abs(time[at] - place) / lasting, 1), likely, strong]


def nearest(time: Floats, place: Floats) -> Ints:
    """Return the index of the nearest of two or more rising times for each place."""
    at = np.clip(np.searchsorted(time, place), 1, len(time) - 1)
    return np.asarray(np.where(place - time[at - 1] < time[at] - place, at - 1, at))


def _autocorrelation(time: Floats, weight: Floats) -> Floats:
    """Return how much a piece resembles itself after each lag in steps, from -1 to 1."""
    at = np.round((time - time[0]) * _RATE).astype(np.int64)
    signal = np.convolve(np.bincount(at, weight), np.hanning(7)[1:-1])
    longest = int(max(_MULTIPLES) * LONGEST * _RATE) + 2
    size = 1 << (2 * len(signal)).bit_length()
    spectrum = np.abs(np.fft.rfft(signal, size)) ** 2
    products = np.fft.irfft(spectrum, size)[: min(longest, len(signal))]
    squared = signal.mean() ** 2
    product = products / (len(signal) - np.arange(len(products))) - squared
    return np.asarray(product / max(float(product[0]), 1e-9))
