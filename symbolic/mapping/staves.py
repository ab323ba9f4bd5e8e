"""Keep the notes of a line on one staff: each note is drawn to the staff of the note that it continues."""

from __future__ import annotations

import numpy as np

from symbolic.features.stats import Floats
from symbolic.mapping.features import Ints, Performed

_REACH = 7
"""Semitones within which a note continues another one."""
_BEATS = 2.0
"""Beats within which it does."""
_MOST = 16
"""Notes before one among which the one that it continues is looked for."""
_STEP = 6.0
"""Semitones that count as much as a beat between two notes."""
PULL = 3.0
"""Log odds by which a note is drawn to the staff of the note that it continues, where both have one pitch."""


def continued(notes: Performed) -> tuple[Ints, Floats]:
    """Return (N,) the earlier note that each one continues, -1 for none, and how far that is in semitones.

    Time counts as `_STEP` semitones a beat.
    """
    count = len(notes.onset)
    before, far = np.full(count, -1), np.full(count, np.inf)
    for step in range(1, min(_MOST, count - 1) + 1):
        leap = np.abs(notes.pitch[step:] - notes.pitch[:-step])
        beats = notes.onset[step:] - notes.onset[:-step]
        away = leap + _STEP * beats
        nearer = (leap <= _REACH) & (beats <= _BEATS) & (away < far[step:])
        nearer &= notes.chord[step:] != notes.chord[:-step]
        far[step:] = np.where(nearer, away, far[step:])
        before[step:] = np.where(nearer, np.arange(count - step), before[step:])
    return before, far


def smoothed(odds: Floats, before: Ints, far: Floats, pull: float = PULL) -> Ints:
    """Return (N,) the staves that are most likely together.

    Lines are trees, for each note continues one note at most. So the best staves are found exactly, by a pass back
    and a pass forth.

    Args:
        odds: (N,) log odds of the lower staff.
        before: (N,) from `continued`.
        far: (N,) from `continued`.
        pull: Log odds at distance 0.
    """
    weight = (pull / (1 + far / _STEP)).tolist()
    total, parents = odds.tolist(), before.tolist()
    for note in range(len(total) - 1, -1, -1):
        if parents[note] >= 0:
            total[parents[note]] += min(max(total[note], -weight[note]), weight[note])
    staff: list[int] = []
    for note, parent in enumerate(parents):
        drawn = 0.0 if parent < 0 else weight[note] * (2 * staff[parent] - 1)
        staff.append(int(total[note] + drawn > 0))
    return np.array(staff, dtype=np.int64)
