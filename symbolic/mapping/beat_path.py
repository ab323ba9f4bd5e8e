"""Find the path of beats through pairs of chords: each pair lasts one beat, and the tempo changes little by little."""

from __future__ import annotations

import numpy as np

from symbolic.features.stats import Floats
from symbolic.mapping.features import Ints
from symbolic.mapping.pairs import LONGEST, SHORTEST

_PERIODS = np.linspace(np.log(SHORTEST), np.log(LONGEST), 60)
"""Logarithms of the seconds of a beat that are told apart."""
_DRIFT = 8.0
"""Cost of a tempo that changes by a factor of e from a beat to the next, by the square."""
_PACE, _USUAL = 0.6, 0.6
"""Cost of a second with a beat that is longer or shorter than usual by a factor of e, by the square; seconds of a
usual beat. It costs nothing on performances of (n)ASAP and helps plain accompaniments."""
_GAP = -6.0
"""Gain of a second without beats, as in long silence."""
_RESTART = -20.0
"""Gain of beats that begin anew after a gap."""
_UNLIKELY = 1e-4
"""Least probability of a pair."""


def best_beats(time: Floats, first: Ints, second: Ints, likely: Floats) -> Floats:
    """Return rising times of beats, one or more.

    The gain of a path is the log probability of its pairs, each times the seconds that it lasts. So neither many short
    beats nor few long ones are preferred.

    Args:
        time: (C,) onsets of chords in seconds, one or more.
        first: (P,) index of the first chord of each pair.
        second: (P,) index of the second one.
        likely: (P,) probability that they are one beat apart.
    """
    order = np.argsort(second, kind="stable")
    first, second, likely = first[order], second[order], likely[order]
    lasting = time[second] - time[first]
    gain = np.log(np.maximum(likely, _UNLIKELY)) - _PACE * np.log(lasting / _USUAL) ** 2
    gain *= lasting
    period = np.round((np.log(lasting) - _PERIODS[0]) / (_PERIODS[1] - _PERIODS[0])).astype(np.int64)
    change = -_DRIFT * np.square(_PERIODS[:, None] - _PERIODS[None, :])
    edges = np.searchsorted(second, np.arange(len(time) + 1))
    best = np.full((len(time), len(_PERIODS)), -np.inf)
    before = np.full((2, *best.shape), -1)  # chord and period before; a period of -1 follows a gap
    best[0] = 0.0
    furthest, reached = 0, 0.0  # the chord after which beats best begin anew now, and the gain of that
    for now in range(1, len(time)):
        reached += _GAP * (time[now] - time[now - 1])
        best[now], before[0, now] = reached, furthest
        pairs = slice(edges[now], edges[now + 1])
        through = best[first[pairs]] + change[period[pairs]]
        came = through.argmax(axis=1)
        value = through[np.arange(len(came)), came] + gain[pairs]
        order = np.argsort(value)  # of pairs with one period, the best is written last
        order = order[value[order] > reached]
        at = period[pairs][order]
        best[now, at] = value[order]
        before[:, now, at] = first[pairs][order], came[order]
        if best[now].max() + _RESTART > reached:
            furthest, reached = now, float(best[now].max()) + _RESTART
    last = int((best.max(axis=1) + _GAP * (time[-1] - time)).argmax())
    return _traced(time, best, before, last)


def _traced(time: Floats, best: Floats, before: Ints, last: int) -> Floats:
    """Follow the best path back and put even beats into its gaps."""
    now, state = last, int(best[last].argmax())
    found = [time[last]]
    while now > 0:
        earlier, came = (int(one) for one in before[:, now, state])
        if came >= 0:
            found.append(time[earlier])
        elif earlier == 0:
            break  # beats begin here
        else:
            usual = found[-2] - found[-1] if len(found) > 1 else np.inf
            count = max(round(float((time[now] - time[earlier]) / usual)), 1)
            found += np.linspace(time[now], time[earlier], count + 1)[1:].tolist()
            came = int(best[earlier].argmax())
        now, state = earlier, came
    return np.array(found[::-1])
