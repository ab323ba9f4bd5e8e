"""Play a score: loudness, tempo, timing and length of each note as sums over what is written."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from symbolic.features.stats import Floats
from symbolic.mapping.written import NAMES, Written, beat_unit, written_features
from symbolic.music.notes import Music, note_array

ASPECTS = ("velocity", "period", "timing", "length")
"""Aspects of playing: deviation from the mean MIDI velocity, natural logarithm of the length of the beat relative to
the tempo of the piece, seconds after the place in the beat, binary logarithm of the length relative to the value."""
_LIMITS = MappingProxyType({"velocity": 60.0, "period": 0.9, "timing": 0.08, "length": 2.0})
_RULE = {
    "velocity": {
        **{"top": 8.0, "level": 12.0, "hairpin": 2.0, "accent": 8.0, "downbeat": 2.0, "contour": 4.0},
        **{"lower_staff": -3.0, "end_bar": -6.0},
    },
    "period": {"end_bar": 0.3, "end_bars": 0.05, "fermata": 0.4, "before_fermata": 0.15},
    "timing": {"top": -0.01},
    "length": {"one": -0.1, "staccato": -1.0, "slurred": 0.1, "tenuto": 0.05},
}
_MEAN_VELOCITY = 64.0
_GRACE = 0.07
"""Seconds between grace notes, and from the last one to the note that it decorates."""
_SMOOTH = 0.75
"""Beats over which the tempo is smoothed to each side."""
RESOLUTION = 480
"""Ticks of the played music to the half second, which is a quarter note of its nominal tempo."""


def rule_weights() -> Floats:
    """Return the (F, 4) weights of a rule that performers agree on: a loud top voice, a slowing end."""
    weights = np.zeros((len(NAMES), len(ASPECTS)))
    for column, aspect in enumerate(ASPECTS):
        for name, weight in _RULE[aspect].items():
            weights[NAMES.index(name), column] = weight
    return weights


def playing(features: Floats, weights: Floats) -> dict[str, Floats]:
    """Return (N,) numbers of each of `ASPECTS`, within what is playable.

    Args:
        features: (N, F) from `written_features`.
        weights: (F, 4) of the aspects.
    """
    return {
        aspect: np.clip(features @ weights[:, column], -_LIMITS[aspect], _LIMITS[aspect])
        for column, aspect in enumerate(ASPECTS)
    }


def play(score: Written, weights: Floats, tempo: float | None = None) -> Music:
    """Play a score as it is written, without repeats.

    Args:
        score: The score.
        weights: (F, 4) weights of `ASPECTS`, from `rule_weights` or as learnt.
        tempo: Quarter notes per minute. None: the tempos of the score.

    Returns:
        Music in which a tick is a 960th of a second, at 120 quarter notes per minute throughout.
    """
    music = score.music
    if not len(music):
        return Music(music.notes, RESOLUTION, tracks=music.tracks)
    aspects = playing(written_features(score), weights)
    onset = music.notes["onset"].astype(np.float64)
    ends = onset + music.notes["duration"]
    ticks = np.unique(np.concatenate([onset, ends]))
    nominal = music.seconds(ticks) if tempo is None else ticks / music.resolution * 60 / tempo
    stretch = _tempo_curve(ticks, onset, aspects["period"], beat_unit(music) * music.resolution)
    steps = np.diff(nominal) * np.exp((stretch[1:] + stretch[:-1]) / 2)
    seconds = np.concatenate([[0.0], np.cumsum(steps)])
    begin = np.interp(onset, ticks, seconds) + aspects["timing"]
    length = (np.interp(ends, ticks, seconds) - np.interp(onset, ticks, seconds)) * 2 ** aspects["length"]
    grace = music.notes["duration"] == 0
    begin, length = _with_graces(begin, length, onset, music.notes["track"], grace)
    begin -= min(float(begin.min()), 0.0)
    drums = music.drums
    velocity = np.where(drums, music.notes["velocity"], _MEAN_VELOCITY + aspects["velocity"])
    notes = note_array(
        np.round(begin * 2 * RESOLUTION).astype(np.int64),
        np.maximum(np.round(length * 2 * RESOLUTION), 1).astype(np.int64),
        music.notes["pitch"],
        np.clip(np.round(velocity), 1, 127).astype(np.int64),
        music.notes["program"],
        music.notes["track"],
    )
    return Music(notes, RESOLUTION, tempos=np.array([[0.0, 120.0]]), tracks=music.tracks)


def _tempo_curve(ticks: Floats, onset: Floats, period: Floats, beat: Floats) -> Floats:
    """Return the mean logarithm of the period around each of some times."""
    order = np.argsort(onset, kind="stable")
    at, total = onset[order], np.concatenate([[0.0], np.cumsum(period[order])])
    reach = _SMOOTH * np.interp(ticks, at, beat[order])
    begin, end = np.searchsorted(at, ticks - reach), np.searchsorted(at, ticks + reach, side="right")
    nearest = np.interp(ticks, at, period[order])
    return np.where(end > begin, (total[end] - total[begin]) / np.maximum(end - begin, 1), nearest)


def _with_graces(
    begin: Floats,
    length: Floats,
    onset: Floats,
    track: NDArray[np.integer],
    grace: NDArray[np.bool_],
) -> tuple[Floats, Floats]:
    """Put grace notes one after the other before the note that they decorate."""
    waiting = 0
    for note in np.flatnonzero(grace)[::-1].tolist():
        following = note + 1
        joined = following < len(grace) and grace[following] and onset[following] == onset[note]
        waiting = waiting + 1 if joined and track[following] == track[note] else 1
        begin[note] -= _GRACE * waiting
        length[note] = _GRACE
    return begin, length
