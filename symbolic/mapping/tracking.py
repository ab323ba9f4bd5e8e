"""Find beats and bars of a performance by rules: accents of chords, a steady tempo, changes of harmony.

The path of beats is the best one by dynamic programming (after Dixon 2001 and Ellis 2007). Its states are pairs of
chords, so that the tempo may drift while each beat stays close to the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from symbolic.features.stats import Floats
from symbolic.mapping.bars import beat_table, find_bars
from symbolic.mapping.chords import Chords

SHORTEST, LONGEST = 0.25, 1.6
"""Seconds of a beat."""
USUAL = 0.6
"""Seconds of a beat that is neither slow nor fast."""
_SKIPPED = (1, 2, 3)
"""Beats to the next beat with an onset."""
_HIT, _MISSED, _DRIFT, _PACE = 1.0, 1.0, 6.0, 2.0
"""Gain of a beat with an onset. Costs of one without, of a tempo that changes by a factor of e, of an unusual tempo."""
_SILENCE = 3.0
"""Seconds without an onset after which beats are found anew."""
_MOST = 24
"""Chords before one among which its last beat is looked for."""
_AROUND = 4.0
"""Seconds around a chord to which its accent is compared."""


class Tracking(Protocol):
    """An object that finds beats and bars of one performance."""

    def beats(self) -> Floats:
        """Return rising times of beats in seconds, two or more, that enclose the music."""

    def bars(self, beats: Floats, choices: Sequence[int] = ()) -> NDArray[np.bool_]:
        """Return (B,) which beats begin a bar.

        Args:
            beats: (B,) beats in seconds.
            choices: Numbers of beats that a bar may have. (): those that are known to it.
        """


Tracker = Callable[[Chords], Tracking]
"""Reads the chords of a performance."""


class RuleTracking:
    """Find beats and bars by rules.

    Args:
        chords: The chords of a performance.
    """

    def __init__(self, chords: Chords) -> None:
        self._chords = chords

    def beats(self) -> Floats:
        """Return rising times of beats in seconds, two or more, that enclose the music."""
        return track_beats(self._chords.time, self.accents)

    def bars(self, beats: Floats, choices: Sequence[int] = ()) -> NDArray[np.bool_]:
        """Return (B,) which beats begin a bar. Without choices a bar has one of the numbers of `IN_BAR`."""
        return find_bars(beat_table(self._chords, self.accents, beats), choices)[0]

    @cached_property
    def accents(self) -> Floats:
        """(C,) how much each chord stands out among those around."""
        chords = self._chords
        pitch, velocity = chords.pitch.astype(np.float64), chords.velocity.astype(np.float64)
        return accents(chords.time, chords.first, chords.end, pitch, velocity)


def accents(time: Floats, first: NDArray[np.integer], end: Floats, pitch: Floats, velocity: Floats) -> Floats:
    """Return (C,) how much each chord stands out among those around: by loudness, bass, length and number of notes.

    Args:
        time: (C,) onsets of chords in seconds.
        first: (C,) index of the first note of each chord. Notes lie chord after chord.
        end: (N,) ends of notes in seconds.
        pitch: (N,) MIDI pitches.
        velocity: (N,) MIDI velocities.
    """
    if not len(time):
        return np.zeros(0)
    loud = np.maximum.reduceat(velocity, first) / 64
    number = np.log2(1 + np.diff(first, append=len(pitch)))
    low = np.clip((60 - np.minimum.reduceat(pitch, first)) / 24, 0, 1)
    rest = np.minimum(np.diff(time, append=time[-1] + 1), 1.0)
    held = np.minimum(np.maximum.reduceat(end, first) - time, 2.0) / 2
    raw = loud + 0.5 * number + 0.7 * low + 0.8 * rest + 0.4 * held
    begin, until = np.searchsorted(time, time - _AROUND), np.searchsorted(time, time + _AROUND, side="right")
    total, squares = (np.concatenate([[0], np.cumsum(raw**power)]) for power in (1, 2))
    count = until - begin
    mean = (total[until] - total[begin]) / count
    deviation = np.sqrt(np.maximum((squares[until] - squares[begin]) / count - mean**2, 1e-4))
    return np.asarray(np.clip((raw - mean) / deviation, -2, 2))


def track_beats(time: Floats, accent: Floats) -> Floats:
    """Return rising times of beats in seconds, two or more, from before the first chord until after the last one.

    Args:
        time: (C,) onsets of chords in seconds.
        accent: (C,) from `accents`.
    """
    if not len(time):
        return np.array([0.0, USUAL])
    edges = [0, *(np.flatnonzero(np.diff(time) > _SILENCE) + 1).tolist(), len(time)]
    beats = np.zeros(0)
    for begin, end in pairwise(edges):
        found = _tracked(time[begin:end], accent[begin:end])
        if len(beats):
            usual = float(np.median(np.diff(found))) if len(found) > 1 else USUAL
            between = max(round((found[0] - beats[-1]) / usual), 1)
            beats = np.concatenate([beats, np.linspace(beats[-1], found[0], between + 1)[1:-1]])
        beats = np.concatenate([beats, found])
    return covering(beats, float(time[0]), float(time[-1]))


def _tracked(time: Floats, accent: Floats) -> Floats:
    """Return the beats of a stretch without silence, one or more."""
    last: list[NDArray[np.integer]] = []
    skipped: list[NDArray[np.integer]] = []
    period: list[Floats] = []
    score: list[Floats] = []
    back: list[NDArray[np.integer]] = []
    for now in range(len(time)):
        gaps = time[now] - time[max(now - _MOST, 0) : now]
        earlier = np.repeat(np.arange(max(now - _MOST, 0), now), len(_SKIPPED))
        skip = np.tile(_SKIPPED, len(gaps))
        lasting = np.repeat(gaps, len(_SKIPPED)) / skip
        fits = (lasting >= SHORTEST) & (lasting <= LONGEST)
        earlier, skip, lasting = earlier[fits], skip[fits], lasting[fits]
        own = _HIT + accent[now] - _MISSED * (skip - 1) - _PACE * skip * np.log(lasting / USUAL) ** 2
        own = own * lasting  # by time, so that many short beats gain nothing over few long ones
        best, came = own.copy(), np.full(len(own), -1)
        for one in np.unique(earlier).tolist():
            if not len(score[one]):
                continue
            here = np.flatnonzero(earlier == one)
            change = np.log(lasting[here][:, None] / period[one][None, :])
            through = score[one][None, :] - _DRIFT * change**2 * (lasting * skip)[here][:, None]
            chosen = through.argmax(axis=1)
            gained = through[np.arange(len(here)), chosen]
            best[here] = own[here] + gained
            came[here] = chosen
        last.append(earlier)
        skipped.append(skip)
        period.append(lasting)
        score.append(best)
        back.append(came)
    return _traced(time, last, skipped, score, back)


def _traced(
    time: Floats,
    last: list[NDArray[np.integer]],
    skipped: list[NDArray[np.integer]],
    score: list[Floats],
    back: list[NDArray[np.integer]],
) -> Floats:
    """Follow the best path back from the last chords and put even beats where one was skipped."""
    ends = [now for now in range(len(time)) if len(score[now])]
    if not ends:
        return time[:1]
    now = max(ends, key=lambda one: score[one].max())
    state = int(score[now].argmax())
    found = [float(time[now])]
    while state >= 0:
        earlier, count, before = int(last[now][state]), int(skipped[now][state]), int(back[now][state])
        step = (time[now] - time[earlier]) / count
        found += [float(time[now] - step * place) for place in range(1, count + 1)]
        now, state = earlier, before
    return np.array(found[::-1])


def covering(beats: Floats, begin: float, end: float) -> Floats:
    """Continue one beat or more evenly until two or more enclose the music."""
    if len(beats) < 2:
        beats = np.array([beats[0], beats[0] + USUAL])
    first, last = beats[1] - beats[0], beats[-1] - beats[-2]
    before = np.arange(max(int(np.ceil((beats[0] - begin) / first - 0.25)), 0), 0, -1)
    after = np.arange(1, max(int(np.ceil((end - beats[-1]) / last)), 0) + 2)
    return np.concatenate([beats[0] - before * first, beats, beats[-1] + after * last])
