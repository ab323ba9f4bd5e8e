"""Choose the places of chords together: what each looks like by itself, and which rhythms scores are made of."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from symbolic.features.stats import Floats
from symbolic.mapping.features import TICKS, Ints

STEPS = TICKS + 2
"""Steps between chords that are told apart: 0 to `TICKS` ticks and longer."""
_BACKWARDS = -50.0
"""Logarithm of the probability that a chord stands before the one that was played first."""
_PRIOR = 5.0
"""Weight, in counts, of what is known without the place."""


def rhythm_table(lines: Iterable[Ints]) -> Floats:
    """Return (`TICKS`, S, S) log probabilities of the step to the next chord, by its place in the beat and last step.

    Args:
        lines: The onsets of the chords of scores, in ticks.
    """
    counts = np.zeros((TICKS, STEPS, STEPS))
    for onset in lines:
        steps = np.minimum(np.diff(onset), STEPS - 1)
        sound = (steps[:-1] >= 0) & (steps[1:] >= 0)
        place = (onset[1:-1] % TICKS)[sound]
        np.add.at(counts, (place, steps[:-1][sound], steps[1:][sound]), 1)
    by_place, by_step = counts.sum(axis=1) + 0.5, counts.sum(axis=0) + 0.5
    by_place /= by_place.sum(axis=-1, keepdims=True)
    by_step /= by_step.sum(axis=-1, keepdims=True)
    counts += _PRIOR * (by_place[:, None] + by_step[None]) / 2
    return np.asarray(np.log(counts / counts.sum(axis=-1, keepdims=True)))


def best_rhythm(logits: Floats, ticks: Ints, table: Floats) -> Ints:
    """Return the (C,) most likely onsets of chords, by Viterbi's algorithm over pairs of places.

    Args:
        logits: (C, P) log probabilities of the places of each chord.
        ticks: (C, P) the places as onsets in ticks.
        table: (`TICKS`, S, S) from `rhythm_table`.
    """
    count, places = logits.shape
    if count < 2:
        return np.asarray(ticks[np.arange(count), logits.argmax(axis=1)])
    steps = ticks[1:, None, :] - ticks[:-1, :, None]  # (C - 1, place before, place)
    barred = np.where(steps < 0, _BACKWARDS, 0.0)
    kinds = np.clip(steps, 0, STEPS - 1)
    best = logits[0][:, None] + logits[1][None, :] + barred[0]
    back = np.zeros((count, places, places), dtype=np.int8)
    for chord in range(2, count):
        rhythm = table[
            (ticks[chord - 1] % TICKS)[None, :, None], kinds[chord - 2][:, :, None], kinds[chord - 1][None]
        ]
        through = best[:, :, None] + rhythm + barred[chord - 1][None]
        back[chord] = through.argmax(axis=0)
        best = through.max(axis=0) + logits[chord][None, :]
    before, last = (int(one) for one in np.unravel_index(best.argmax(), best.shape))
    path = [last, before]
    for chord in range(count - 1, 1, -1):
        before, last = int(back[chord, before, last]), before
        path.append(before)
    return np.asarray(ticks[np.arange(count), path[::-1]])
