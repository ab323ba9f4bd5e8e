"""Describe the chords of a performance without beats: what distinguishes each from those around it.

A chord is what begins together. Times are in seconds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.features.stats import Floats
from symbolic.mapping.features import CHORD_SECONDS, Ints
from symbolic.music.notes import Music

_LAGS = np.geomspace(0.12, 3.6, 22)
"""Seconds before and after a chord at which others are looked for."""
_RATE = 50
"""Steps of a second in which onsets are counted at these lags."""
_AROUND = 5.0
"""Seconds around a chord in which its lags are averaged."""
_STEPS = 5
"""Chords before and after one whose distances are features."""
_LONGEST = 4.0
"""Seconds at which lengths and distances are clipped."""
_WINDOWS = (1.5, 5.0)
"""Seconds around a chord with which it is compared."""
_HARMONIES = (0.3, 0.6, 1.2, 2.4)
"""Seconds before and after an onset whose pitch classes are compared."""
_SUSTAINED = 1.0
"""Longest time for which a note counts in the harmony."""
_FARTHEST = 40
"""Chords among which one as prominent is looked for."""


class Chords(NamedTuple):
    """Notes by rising onset, and where chords begin among them.

    Attributes:
        time: (C,) onsets of chords.
        first: (C,) index of the first note of each chord.
        onset: (N,) onsets of notes.
        end: (N,) ends of notes.
        pitch: (N,) MIDI pitches.
        velocity: (N,) MIDI velocities.
    """

    time: Floats
    first: Ints
    onset: Floats
    end: Floats
    pitch: Ints
    velocity: Ints


def chords_of(music: Music) -> Chords:
    """Return the chords of a performance. Drums are left out."""
    notes = music.notes[~music.drums]
    notes = notes[np.lexsort((notes["pitch"], notes["onset"]))]
    onset, end = music.seconds(notes["onset"]), music.seconds(notes["onset"] + notes["duration"])
    first = np.flatnonzero(np.diff(onset, prepend=-np.inf) > CHORD_SECONDS)
    pitch, velocity = notes["pitch"].astype(np.int64), notes["velocity"].astype(np.int64)
    return Chords(onset[first], first, onset, end, pitch, velocity)


def chord_features(chords: Chords) -> NDArray[np.float32]:
    """Return (C, F) numbers from which it is predicted whether a chord lies on a beat or a downbeat."""
    time, first = chords.time, chords.first
    own = _attributes(chords)
    gaps = {step: np.clip(np.abs(_shifted(time, step) - time), 0.02, 5) for step in _nearby()}
    ratio = np.log(gaps[1] / gaps[-1])
    columns = [*gaps.values(), ratio, np.log(gaps[2] / gaps[-2]), _shifted(ratio, -1), _shifted(ratio, 1)]
    high = np.maximum.reduceat(chords.pitch, first)
    columns += [*own.values(), high + own["low"], np.log(np.maximum(own["held"], 0.02) / gaps[1])]
    prominent = own | {"high": high.astype(np.float64), "gap": np.minimum(gaps[1], 2)}
    changes = {seconds: _harmony_change(chords, seconds) for seconds in _HARMONIES}
    columns += changes.values()
    prominent |= {"fast": changes[0.6], "slow": changes[1.2]}
    standing = {}
    for name, values in prominent.items():
        scores = [_standard(values, time, seconds) for seconds in _WINDOWS]
        least = values - (3 if name == "loud" else 0)  # loudness varies by chance
        columns += [
            *scores,
            _distance(time, least, values),
            _distance(-time[::-1], least[::-1], values[::-1])[::-1],
        ]
        standing[name] = np.clip(scores[-1], -2, 2)
    columns += [_sums(np.ones(len(time)), time, seconds) for seconds in (0.5, *_WINDOWS)]
    accent = 0.5 + 0.35 * (standing["loud"] + standing["low"] + standing["count"])
    accent += 0.25 * (standing["gap"] + standing["held"])
    for strength in (np.ones(len(time)), np.clip(accent, 0, 2)):
        columns += _lagged(time, strength)
    return np.stack(columns, axis=1).astype(np.float32)


def _nearby() -> list[int]:
    return [step for step in range(-_STEPS, _STEPS + 1) if step]


def _shifted(values: Floats, step: int) -> Floats:
    return values[np.clip(np.arange(len(values)) + step, 0, len(values) - 1)]


def _attributes(chords: Chords) -> dict[str, Floats]:
    """Return (C,) number of notes, depth, loudness, length and length of the lowest note of each chord."""
    first = chords.first
    count = np.diff(first, append=len(chords.onset))
    length = np.minimum(chords.end - chords.onset, _LONGEST)
    lowest = np.lexsort((chords.pitch, np.repeat(np.arange(len(first)), count)))[first]
    return {
        "count": count.astype(np.float64),
        "low": -chords.pitch[lowest].astype(np.float64),
        "loud": np.maximum.reduceat(chords.velocity, first).astype(np.float64),
        "held": np.maximum.reduceat(length, first),
        "held low": length[lowest],
    }


def _harmony_change(chords: Chords, seconds: float) -> Floats:
    """Return (C,) how much the pitch classes differ before and after each chord, from 0 to 1."""
    sounding = np.zeros((len(chords.onset) + 1, 12))
    held = np.minimum(chords.end - chords.onset, _SUSTAINED)
    sounding[np.arange(1, len(sounding)), chords.pitch % 12] = held
    total = np.cumsum(sounding, axis=0)
    at = [total[np.searchsorted(chords.onset, chords.time - 0.01 + step)] for step in (-seconds, 0, seconds)]
    before, after = at[1] - at[0], at[2] - at[1]
    norms = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    return np.asarray(1 - (before * after).sum(axis=1) / np.maximum(norms, 1e-9))


def _sums(values: Floats, time: Floats, seconds: float) -> Floats:
    """Return (C,) sums of values within some seconds of each chord."""
    total = np.concatenate([[0], np.cumsum(values)])
    begin, end = np.searchsorted(time, time - seconds), np.searchsorted(time, time + seconds, side="right")
    return np.asarray(total[end] - total[begin])


def _standard(values: Floats, time: Floats, seconds: float) -> Floats:
    """Return (C,) deviations from the mean within some seconds, in standard deviations."""
    count = _sums(np.ones(len(time)), time, seconds)
    mean = _sums(values, time, seconds) / count
    variance = _sums(values * values, time, seconds) / count - mean**2
    return np.asarray((values - mean) / np.sqrt(np.maximum(variance, 1e-4)))


def _distance(time: Floats, least: Floats, values: Floats) -> Floats:
    """Return (C,) seconds since an earlier chord reached the least value of each chord."""
    found = np.full(len(time), _LONGEST)
    open_ = np.ones(len(time), dtype=np.bool_)
    for step in range(1, min(_FARTHEST, len(time) - 1) + 1):
        reached = open_[step:] & (values[:-step] >= least[step:] - 1e-9)
        found[step:] = np.where(reached, np.minimum(time[step:] - time[:-step], _LONGEST), found[step:])
        open_[step:] &= ~reached
    return found


def _lagged(time: Floats, strength: Floats) -> list[Floats]:
    """Return for each lag how strong what lies before and after a chord is, and how strong it usually is there."""
    at = np.round((time - time[0]) * _RATE).astype(np.int64)
    length = int(at[-1]) + 1
    signal = np.bincount(at, strength, length)
    total = np.concatenate([[0], np.cumsum(signal)])
    begin, end = np.maximum(at - int(_AROUND * _RATE), 0), np.minimum(at + int(_AROUND * _RATE), length)
    usual = np.maximum(total[end] - total[begin], 1e-9)
    columns = []
    for lag in _LAGS:
        width = max(int((0.06 * lag + 0.02) * _RATE), 1)
        step = round(lag * _RATE)
        around = np.hanning(2 * width + 3)[1:-1]
        smooth = np.pad(np.convolve(signal, around)[width : width + length], step)
        before, after = smooth[at], smooth[at + 2 * step]
        products = np.concatenate([[0], np.cumsum(signal * smooth[2 * step :][:length])])
        columns += [before, after, (products[end] - products[begin]) / usual]
    return columns
