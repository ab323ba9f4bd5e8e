"""Find the bars of a piece whose beats are known: how many beats they have, and where they begin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from symbolic.features.stats import Floats
from symbolic.mapping.features import BEAT_SECONDS, in_beats
from symbolic.mapping.pairs import nearest

IN_BAR = (2, 3, 4)
"""Beats of a bar that are told apart."""
_SILENT = 0.2
"""Probability that a beat without an onset begins a bar."""
_SURE = 0.02
"""Least probability."""
_JUMP = -8.0
"""Gain of a bar that is longer or shorter than the others."""
_LAGS = (1, 2, 3, 4, 6, 8)


def strong_beats(time: Floats, places: Floats, beats: Floats) -> Floats:
    """Return (B,) probabilities that beats begin a bar, without knowledge of the metre.

    Args:
        time: (C,) onsets of chords in seconds, two or more.
        places: (C, 3) probability that a chord lies between beats, on a beat and on a downbeat.
        beats: (B,) times of beats in seconds.
    """
    at = nearest(time, beats)
    strong = places[at, 2] / np.maximum(places[at, 1] + places[at, 2], 1e-9)
    strong = np.where(np.abs(time[at] - beats) <= BEAT_SECONDS, strong, _SILENT)
    return np.asarray(np.clip(strong, _SURE, 1 - _SURE))


def downbeats(strong: Floats, in_bar: int) -> tuple[NDArray[np.bool_], float]:
    """Return (B,) which beats begin a bar, and the mean log probability of that. Few bars differ from the others.

    Args:
        strong: (B,) from `strong_beats`.
        in_bar: Beats of a bar.
    """
    gains = np.log(1 - strong)[:, None].repeat(in_bar, axis=1)
    gains[:, 0] = np.log(strong)
    best, back = gains[0], np.zeros(gains.shape, dtype=np.int64)
    for beat in range(1, len(strong)):
        onward = np.roll(best, 1)
        jump = int(best.argmax())
        jumps = best[jump] + _JUMP > onward
        back[beat] = np.where(jumps, jump, (np.arange(in_bar) - 1) % in_bar)
        best = np.where(jumps, best[jump] + _JUMP, onward) + gains[beat]
    place = int(best.argmax())
    down = np.zeros(len(strong), dtype=np.bool_)
    for beat in range(len(strong) - 1, -1, -1):
        down[beat] = place == 0
        place = int(back[beat, place])
    return down, float(best.max()) / len(strong)


def metre_features(time: Floats, strong: Floats, beats: Floats) -> NDArray[np.float32]:
    """Return (1, F) numbers from which the beats of a bar are predicted.

    Args:
        time: (C,) onsets of chords in seconds.
        strong: (B,) from `strong_beats`.
        beats: (B,) times of beats in seconds, two or more.
    """
    fits = np.array([downbeats(strong, in_bar)[1] for in_bar in IN_BAR])
    varied = strong - strong.mean()
    variance = max(float((varied**2).mean()), 1e-9)
    alike = [
        float((varied[lag:] * varied[:-lag]).mean()) / variance if lag < len(varied) else 0.0 for lag in _LAGS
    ]
    place = in_beats(time, beats) % 1
    between = place[(place > 0.1) & (place < 0.9)]
    grids = [
        float(np.abs(between * grid - np.round(between * grid)).mean()) if len(between) else 0.0
        for grid in (2, 3, 4, 6)
    ]
    about = [np.log(np.median(np.diff(beats))), len(time) / len(beats), float(strong.mean()), variance]
    return np.array([[*fits, *(fits - fits.max()), *alike, *grids, *about]], dtype=np.float32)
