"""Describe written notes for playing: pitch among its neighbours, place in the bar and the piece, marks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import MusicFileError
from symbolic.features.stats import Floats
from symbolic.mapping.beats import is_compound
from symbolic.music.bars import beats
from symbolic.music.files import MUSICXML_SUFFIXES, music_bytes, read_music
from symbolic.music.musicxml.markings import MARKING, MARKS, markings
from symbolic.music.musicxml.reader import read_tree
from symbolic.music.musicxml.source import score_tree
from symbolic.music.notes import Music, without_notes

NAMES = (
    *("one", "pitch", "high", "low", "top", "bottom", "chord", "lower_staff", "value", "until_next", "rest"),
    *("downbeat", "beat", "between", "leap_from", "leap_to", "density", "density_around", "height_around"),
    *(
        "contour",
        "begin",
        "end_bar",
        "end_bars",
        "level",
        "unstated",
        "hairpin",
        "level_top",
        "before_fermata",
    ),
    *MARKS,
)
"""Names of the numbers of `written_features`."""
_AROUND = 2.0
"""Beats around a note that are its neighbourhood."""


@dataclass(frozen=True, eq=False)
class Written:
    """A score to be played.

    Attributes:
        music: Its notes in written order.
        marks: (N,) `MARKING` of the notes.
    """

    music: Music
    marks: NDArray[np.void]


def read_score(path: str | Path) -> Written:
    """Read a score of any format. Only MusicXML gives markings.

    Raises:
        MusicFileError: If it cannot be read, or holds no notes.
    """
    if Path(path).suffix.lower() not in MUSICXML_SUFFIXES:
        music = read_music(path)
        marks = np.zeros(len(music), dtype=MARKING)
    else:
        root = score_tree(music_bytes(path), str(path))
        music, elements = read_tree(root, str(path))
        marks = markings(root, elements)
    if not len(music):
        raise MusicFileError(path, without_notes(music))
    return Written(music, marks)


def beat_unit(music: Music) -> Floats:
    """Return (N,) quarter notes of a beat where each note begins."""
    starts, upper, lower = np.vstack([[0, 4, 4], music.time_signatures]).T
    at = np.searchsorted(starts, music.notes["onset"], side="right") - 1
    units = np.array([3 if is_compound(u, v) else 1 for u, v in zip(upper, lower, strict=True)]) * 4 / lower
    return np.asarray(units[at])


def written_features(score: Written) -> Floats:
    """Return (N, F) numbers of the notes in the order of the score, named by `NAMES`."""
    music, marks = score.music, score.marks
    order = np.lexsort((music.notes["pitch"], music.notes["onset"]))
    notes, mark = music.notes[order], marks[order]
    unit = beat_unit(music)[order]
    time = notes["onset"] / music.resolution
    value = notes["duration"] / music.resolution / unit
    pitch = notes["pitch"].astype(np.float64)
    first = np.flatnonzero(np.diff(time, prepend=-1))
    chord = np.cumsum(np.diff(time, prepend=-1) > 0) - 1
    count = np.diff(first, append=len(time))
    high, low = np.maximum.reduceat(pitch, first)[chord], np.minimum.reduceat(pitch, first)[chord]
    distinct = time[first]
    gap = np.minimum(np.diff(distinct, append=distinct[-1:] + 4)[chord] / unit, 8)
    top = np.maximum.reduceat(pitch, first)
    before, after = np.diff(top, prepend=top[:1])[chord], np.diff(top, append=top[-1:])[chord]
    place = beats(music, notes["onset"])[1]
    begin = np.searchsorted(time, time - _AROUND * unit)
    end = np.searchsorted(time, time + _AROUND * unit, side="right")
    total = np.concatenate([[0], np.cumsum(pitch)])
    around = (total[end] - total[begin]) / (end - begin)
    sung = np.concatenate([[0], np.cumsum(top)])
    left, right = (
        np.searchsorted(distinct, time - _AROUND * unit),
        np.searchsorted(distinct, time + _AROUND * unit),
    )
    sung_around = (sung[right] - sung[left]) / np.maximum(right - left, 1)
    remaining = (time[-1] - time) / (4 * unit)
    fermata = np.zeros(len(distinct))
    np.maximum.at(fermata, chord, mark["fermata"].astype(np.float64))
    is_top = pitch == high
    columns = {
        "one": np.ones(len(time)),
        "pitch": (pitch - 60) / 12,
        "high": np.maximum(pitch - 72, 0) / 12,
        "low": np.maximum(48 - pitch, 0) / 12,
        "top": is_top,
        "bottom": (pitch == low) & (count[chord] > 1),
        "chord": np.log2(count[chord]),
        "lower_staff": notes["track"] % 2,
        "value": np.log2(np.clip(value, 1 / 16, 8)),
        "until_next": np.log2(np.clip(gap, 1 / 16, 8)),
        "rest": np.clip(gap - value, -2, 4),
        "downbeat": place == 1,
        "beat": (place % 1 == 0) & (place > 1),
        "between": place % 0.5 != 0,
        "leap_from": np.clip(before, -12, 12) / 12,
        "leap_to": np.clip(after, -12, 12) / 12,
        "density": np.log2((end - begin) / (2 * _AROUND)),
        "density_around": np.log2(np.maximum(right - left, 1)),
        "height_around": (around - 60) / 12,
        "contour": np.clip((high - sung_around) / 12, -2, 2),
        "begin": np.exp(-time / (4 * unit)),
        "end_bar": np.exp(-2 * remaining),
        "end_bars": np.exp(-remaining / 2),
        "level": mark["level"],
        "unstated": ~mark["stated"],
        "hairpin": mark["hairpin"],
        "level_top": mark["level"] * is_top,
        "before_fermata": np.append(fermata[1:], 0)[chord],
        **{name: mark[name] for name in MARKS},
    }
    found = np.empty((len(time), len(NAMES)))
    found[order] = np.stack([np.asarray(columns[name], dtype=np.float64) for name in NAMES], axis=1)
    return found
