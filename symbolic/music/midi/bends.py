"""Pitch bends: how far notes lie off their MIDI pitch, read from tracks and written into them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from symbolic.music.midi.check import items
from symbolic.music.notes import Music

if TYPE_CHECKING:
    from symusic import Track

_FULL = 8192
"""A full bend downwards. One upwards is less by 1."""
_USUAL = 2
"""Semitones of a full bend where a file does not state them."""
_MOST_BENDS = 1024
"""Bends within a note that are looked at: a limit for files made to be slow."""
_COARSE, _FINE, _LOW, _HIGH = 6, 38, 100, 101
"""Controllers: the semitones and cents of a registered parameter, and its number. That of the bend range is 0, 0."""


def bent_cents(track: Track, onset: NDArray[np.integer], duration: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return (N,) cents by which notes of a track are bent: the median over the time that each sounds.

    So a note that slides up to its pitch, or vibrates around it, is in tune.

    Args:
        track: A track of symusic, in ticks, with the bends of its channel.
        onset: (N,) ticks.
        duration: (N,) ticks.
    """
    bends = track.pitch_bends.numpy()
    order = np.argsort(bends["time"], kind="stable")
    time, value = bends["time"][order].astype(np.int64), np.append(0, bends["value"][order])
    first = np.searchsorted(time, onset, side="right")
    held = value[first]
    last = np.minimum(np.searchsorted(time, onset + duration, side="left"), first + _MOST_BENDS)
    for index in np.flatnonzero(last > first).tolist():
        start, stop = first[index], last[index]
        edges = np.concatenate([onset[index : index + 1], time[start:stop], [onset[index] + duration[index]]])
        values = value[start : stop + 1]
        ranks = np.argsort(values, kind="stable")
        passed = np.cumsum(np.diff(edges)[ranks])
        held[index] = values[ranks[np.searchsorted(passed, passed[-1] / 2)]]
    start, size = _ranges(track)
    full = size[np.searchsorted(start, onset, side="right") - 1]
    return np.rint(held * full / _FULL).astype(np.int64)


def _ranges(track: Track) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (K,) ticks from which a range of bends holds, and (K,) ranges in cents."""
    found, parameter, semitones, cents = [(-1, 100 * _USUAL)], {_HIGH: 127, _LOW: 127}, _USUAL, 0
    for event in sorted(items(track.controls), key=lambda one: one.time):
        if event.number in parameter:
            parameter[event.number] = event.value
        elif event.number in (_COARSE, _FINE) and not any(parameter.values()):
            semitones, cents = (event.value, cents) if event.number == _COARSE else (semitones, event.value)
            found.append((event.time, 100 * semitones + cents))
    start, size = np.array(found, dtype=np.int64).T
    return start, size


def add_bends(track: Track, notes: NDArray[np.void]) -> None:
    """Add the bends of notes to a track that has none, and the range that they need.

    Args:
        track: A track of symusic, in ticks.
        notes: (N,) array of dtype `NOTE`. Of notes that sound together all have the same cents: see `apart`.
    """
    from symusic import ControlChange, PitchBend

    semitones = max(_USUAL, int(np.abs(notes["cents"].astype(np.int64)).max()) // 100 + 1)
    for number, setting in ((_HIGH, 0), (_LOW, 0), (_COARSE, semitones), (_FINE, 0)):
        track.controls.append(ControlChange(0, number, setting))
    ordered = notes[np.argsort(notes["onset"], kind="stable")]
    value = np.rint(ordered["cents"] * (_FULL / (100 * semitones))).astype(np.int64)
    for place in np.flatnonzero(np.diff(value, prepend=0)).tolist():
        track.pitch_bends.append(PitchBend(int(ordered["onset"][place]), int(value[place])))


def apart(music: Music) -> Music:
    """Return music in which notes of a track that sound together have the same cents.

    A bend moves all notes of its channel. So a note with other cents goes on another track of the same name.
    """
    notes = music.notes
    if not notes["cents"].any():
        return music
    end = notes["onset"] + np.maximum(notes["duration"], 1)
    layers, sounding = np.zeros(len(notes), dtype=np.int64), dict[tuple[int, int], list[tuple[int, int]]]()
    columns = (notes["track"], notes["program"], notes["onset"], end, notes["cents"])
    order = np.lexsort((end, notes["onset"]))
    for index, track, program, onset, until, cents in zip(
        order.tolist(), *(column[order].tolist() for column in columns), strict=True
    ):
        last = sounding.setdefault((track, program), [])
        free = (layer for layer, (bent, ends) in enumerate(last) if bent == cents or ends <= onset)
        layer = next(free, len(last))
        ends = max([until, *(before for bent, before in last[layer : layer + 1] if bent == cents)])
        last[layer : layer + 1] = [(cents, ends)]
        layers[index] = layer
    return on_layers(music, layers)


def on_layers(music: Music, layers: NDArray[np.int64]) -> Music:
    """Return music whose notes of layers above 0 are on further tracks, with the names of their own.

    Args:
        music: The music.
        layers: (N,) the layer of each note in its track.
    """
    if not layers.any():
        return music
    notes = music.notes
    count = max(len(music.tracks), int(notes["track"].max()) + 1)
    names, moved = [*music.tracks, *[""] * (count - len(music.tracks))], notes.copy()
    for layer, track in sorted({*zip(layers.tolist(), notes["track"].tolist(), strict=True)}):
        if layer:
            moved["track"][(layers == layer) & (notes["track"] == track)] = len(names)
            names.append(names[track])
    return replace(music, notes=moved, tracks=tuple(names))
