"""Set a melody in textures that corpora lack: below its chords, among pads, in octaves, under strummed chords."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from symbolic.music.notes import Music, note_array

Labels = NDArray[np.int8]
Strike = tuple[int, int, int]
"""A note of a figure: ticks since the chord began, duration in ticks, and which note of the chord it is, from below."""
ABOVE, BELOW, AMONG, INSIDE = "above", "below", "among", "inside"
"""Places of a melody: above its chords, below them, between chords and bass, in the register of the chords."""
WRITTEN = "written"
"""The accompaniment of the piece itself."""
FINE = 16
"""Ticks that one tick becomes, so that the strings of a guitar sound one after the other."""
_LOUDER = 16
"""Steps of velocity between a melody that is louder and its chords."""
_HIGHEST = 103
_TONES = 4
"""Most pitch classes of a chord."""


@dataclass(frozen=True)
class Texture:
    """A setting of a melody.

    Attributes:
        place: Of the melody against its chords.
        figure: Of the chords: a name in `FIGURES`, or `WRITTEN`.
        octaves: Whether the melody is doubled an octave away. Both notes are melody then.
        apart: Whether melody, chords and bass have a track each, in any order. Otherwise all are on one.
        louder: Whether the melody is louder than new chords. Otherwise they are as loud.
    """

    place: str = ABOVE
    figure: str = WRITTEN
    octaves: bool = False
    apart: bool = False
    louder: bool = False


def any_texture(draw: np.random.Generator) -> Texture:
    """Choose a texture by chance."""
    place = str(draw.choice([BELOW, AMONG, INSIDE, ABOVE], p=[0.4, 0.25, 0.15, 0.2]))
    written = place in (ABOVE, BELOW) and draw.random() < 0.4
    return Texture(
        place,
        WRITTEN if written else str(draw.choice([*FIGURES])),
        bool(draw.random() < (0.8 if place == ABOVE else 0.15)),
        bool(draw.random() < (0.6 if place == AMONG else 0.3)),
        bool(draw.random() < 0.25),
    )


def textured(
    music: Music, labels: Labels, texture: Texture, draw: np.random.Generator
) -> tuple[Music, Labels]:
    """Set the melody of a piece in a texture. Its rhythm and pitch classes stay.

    Args:
        music: A piece without drums. A melody or an accompaniment alone stays as it is.
        labels: (N,) 0 for melody, 1 for the rest, -1 where unknown.
        texture: The texture.
        draw: Source of chance: registers, lengths of chords, the rhythm of a figure.

    Returns:
        The new piece and its labels.
    """
    music, is_tune = finer(music), labels == 0
    tune, rest, others = music.notes[is_tune], music.notes[~is_tune], labels[~is_tune]
    if not len(tune) or not len(rest):
        return music, labels
    if texture.figure == WRITTEN:
        parts = _written(tune, rest, texture.place)
    else:
        parts = _set(tune, rest, music.resolution, texture, draw)
        others = np.ones(sum(len(part) for part in parts[1:]), dtype=np.int8)
    if texture.octaves:
        top = int(parts[0]["pitch"].max())
        parts[0] = np.concatenate([parts[0], _moved(parts[0], 12 if top + 12 <= _HIGHEST else -12)])
    for part, track in zip(parts, draw.permutation(len(parts)), strict=True):
        part["track"] = track if texture.apart else 0
    notes = np.concatenate(parts)
    return (
        replace(music, notes=notes, tracks=("",) * len(parts), sung=()),
        np.concatenate([np.zeros(len(parts[0]), dtype=np.int8), others]),
    )


def finer(music: Music) -> Music:
    """Return a copy with `FINE` times as many ticks a quarter note."""
    notes, times, tempos = music.notes.copy(), music.time_signatures.copy(), music.tempos.copy()
    for ticks in (notes["onset"], notes["duration"], times[:, 0], tempos[:, 0]):
        ticks *= FINE
    return replace(
        music, notes=notes, time_signatures=times, tempos=tempos, resolution=music.resolution * FINE
    )


def held(length: int, quarter: int, draw: np.random.Generator) -> list[Strike]:
    """Hold the chord."""
    return [(0, length, tone) for tone in range(3)]


def repeated(length: int, quarter: int, draw: np.random.Generator) -> list[Strike]:
    """Repeat the chord in quarters or eighths."""
    step = quarter // int(draw.integers(1, 3))
    return [(start, step * 9 // 10, tone) for start in range(0, length, step) for tone in range(3)]


def offbeat(length: int, quarter: int, draw: np.random.Generator) -> list[Strike]:
    """Strike the lowest note on the beat and the others after it."""
    step = quarter // int(draw.integers(1, 3))
    return [
        (start, step * 9 // 10, tone)
        for place, start in enumerate(range(0, length, step))
        for tone in ((1, 2, 3) if place % 2 else (0,))
    ]


def broken(length: int, quarter: int, draw: np.random.Generator) -> list[Strike]:
    """Break the chord upwards, downwards, both ways or as Alberti did, in eighths, triplets or sixteenths."""
    orders = ((0, 1, 2, 3), (3, 2, 1, 0), (0, 1, 2, 3, 2, 1), (0, 2, 1, 2), (0, 1, 2))
    order, step = orders[draw.integers(len(orders))], quarter // int(draw.integers(2, 5))
    lasting = step * int(draw.choice([1, 1, 3]))
    return [(start, lasting, order[place % len(order)]) for place, start in enumerate(range(0, length, step))]


def strummed(length: int, quarter: int, draw: np.random.Generator) -> list[Strike]:
    """Strum five strings down and up in some of the eighths."""
    step, delay, found = quarter // 2, quarter // int(draw.integers(24, 64)), list[Strike]()
    for place, start in enumerate(range(0, length, step)):
        if place == 0 or draw.random() < 0.6:
            strings = range(5) if place % 2 == 0 else range(4, 0, -1)
            found += [(start + late * delay, step, tone) for late, tone in enumerate(strings)]
    return found


FIGURES: dict[str, Callable[[int, int, np.random.Generator], list[Strike]]] = {
    one.__name__: one for one in (held, repeated, offbeat, broken, strummed)
}
"""Figures of new chords by name: from the ticks of a chord and of a quarter note to its notes."""


def _written(tune: NDArray[np.void], rest: NDArray[np.void], place: str) -> list[NDArray[np.void]]:
    """Move melody and accompaniment by octaves, so that the melody lies below most of it. None moves otherwise."""
    if place != BELOW:
        return [tune, rest]
    wanted = np.quantile(rest["pitch"], 0.1)
    fall = int(np.ceil(max(np.median(tune["pitch"]) - wanted, 0) / 12))
    rise = min((fall + 1) // 2, (_HIGHEST - int(rest["pitch"].max())) // 12)
    return [_moved(tune, 12 * (rise - fall)), _moved(rest, 12 * rise)]


def _set(
    tune: NDArray[np.void], rest: NDArray[np.void], quarter: int, texture: Texture, draw: np.random.Generator
) -> list[NDArray[np.void]]:
    """Return the melody in its register, new chords, and a bass where the melody lies between them."""
    place = texture.place
    if place in (BELOW, AMONG):
        centre = draw.integers(43, 57) if place == BELOW else draw.integers(50, 63)
        tune = _moved(tune, 12 * int(np.round((centre - np.median(tune["pitch"])) / 12)))
    low, middle, high = np.quantile(tune["pitch"], [0.1, 0.5, 0.9]).astype(int)
    floor = {
        ABOVE: low - draw.integers(13, 22),
        BELOW: high + draw.integers(0, 9),
        AMONG: high + draw.integers(0, 7),
        INSIDE: middle - draw.integers(4, 15),
    }[place]
    length = quarter * int(draw.choice([1, 2, 2, 4]))
    chords = _chords(rest, length)
    loud = int(np.clip(tune["velocity"].mean() - _LOUDER * texture.louder, 1, 127))
    found = [tune, _played(chords, int(floor), FIGURES[texture.figure](length, quarter, draw), loud)]
    if place == AMONG:
        step = int(draw.choice([length, quarter]))
        bass = [(start, step, 0) for start in range(0, length, step)]
        found.append(
            _played([(at, tones[:1]) for at, tones in chords], int(draw.integers(28, 36)), bass, loud)
        )
    return found


def _chords(rest: NDArray[np.void], length: int) -> list[tuple[int, list[int]]]:
    """Return onset and pitch classes of a chord for each stretch that sounds, its bass first."""
    found = []
    ends = rest["onset"] + rest["duration"]
    for start in range(0, int(ends.max()), length):
        lasting = np.minimum(ends, start + length) - np.maximum(rest["onset"], start)
        here = lasting > 0
        if here.any():
            weights = np.bincount(rest["pitch"][here] % 12, lasting[here], minlength=12)
            bass = int(rest["pitch"][here].min()) % 12
            often = [tone for tone in np.argsort(-weights, kind="stable").tolist() if weights[tone] > 0]
            found.append((start, [bass, *(tone for tone in often if tone != bass)][:_TONES]))
    return found


def _played(
    chords: list[tuple[int, list[int]]], floor: int, figure: list[Strike], velocity: int
) -> NDArray[np.void]:
    """Play a figure over chords whose notes are stacked from a pitch upwards."""
    onset, duration, pitch = [], [], []
    for start, classes in chords:
        stack = sorted(floor + (tone - floor) % 12 for tone in classes)
        for late, lasting, tone in figure:
            octave, place = divmod(tone, len(stack))
            onset.append(start + late)
            duration.append(lasting)
            pitch.append(min(stack[place] + 12 * octave, 127))
    return note_array(onset, duration, pitch, velocity)


def _moved(notes: NDArray[np.void], semitones: int) -> NDArray[np.void]:
    found = notes.copy()
    found["pitch"] = np.clip(found["pitch"].astype(np.int64) + semitones, 0, 127)
    return found
