"""Symbols of notation: note values that fill a length, names of pitches, accidentals and beams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

DIVISIONS = 48
"""Units of a quarter note: a sixteenth of it and a triplet of sixty-fourths are whole numbers."""
_TYPES = {192: "whole", 96: "half", 48: "quarter", 24: "eighth", 12: "16th", 6: "32nd", 3: "64th"}
_BEAMS = {"eighth": 1, "16th": 2, "32nd": 3, "64th": 4}
_ORDER = "FCGDAEB"
"""Letters by fifths, from F at -1."""
_NATURAL = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SIGNS = {
    -2: "flat-flat",
    -1.5: "three-quarters-flat",
    -1: "flat",
    -0.5: "quarter-flat",
    0: "natural",
    0.5: "quarter-sharp",
    1: "sharp",
    1.5: "three-quarters-sharp",
    2: "double-sharp",
}
_LOWEST = -3
"""Fifths from the tonic of the key to the flattest name: Eb in C major and A minor."""


class Symbol(NamedTuple):
    """A note value: length in `DIVISIONS`, MusicXML type, whether dotted, whether one of three for two."""

    length: int
    kind: str
    dotted: bool = False
    triplet: bool = False

    @property
    def beams(self) -> int:
        """Number of beams or flags."""
        return _BEAMS.get(self.kind, 0)


class Spelling(NamedTuple):
    """A written pitch: letter, semitones above it, octave. Microtones are fractions of semitones."""

    step: str
    alter: float
    octave: int


SYMBOLS = {length: Symbol(length, kind) for length, kind in _TYPES.items()}
SYMBOLS |= {
    length * 3 // 2: Symbol(length * 3 // 2, kind, dotted=True)
    for length, kind in _TYPES.items()
    if length > 3
}
SYMBOLS |= {length * 2 // 3: Symbol(length * 2 // 3, kind, triplet=True) for length, kind in _TYPES.items()}


def split(at: int, length: int, beat: int) -> list[Symbol]:
    """Fill a length with note values that show the beats.

    Args:
        at: Start in the bar in `DIVISIONS`.
        length: Length in `DIVISIONS`.
        beat: Length of a beat in `DIVISIONS`.

    Returns:
        The symbols in time, to be tied. A rest of less than the smallest symbol is left out.
    """
    found = []
    while length >= min(SYMBOLS):
        since = at % beat
        room = beat - since
        if length in SYMBOLS and (length <= room or not since or (length == beat and 2 * since == beat)):
            symbol = SYMBOLS[length]
        elif not since and length > beat:
            symbol = SYMBOLS[
                max(one for one in SYMBOLS if one <= length and (one % beat == 0 or one <= beat))
            ]
        else:
            most = min(length, room)
            fitting = [
                one for one in SYMBOLS.values() if one.length <= most and one.triplet == (most % 3 > 0)
            ]
            symbol = SYMBOLS.get(most) or max(fitting)
        found.append(symbol)
        at, length = at + symbol.length, length - symbol.length
    return found


def spelled(pitch: int, fifths: int, cents: int = 0) -> Spelling:
    """Name a MIDI pitch in a key, with the sharpened degrees of its minor.

    Args:
        pitch: MIDI pitch.
        fifths: Sharps of the key signature, flats below 0.
        cents: What the note lies above its pitch.
    """
    lowest = fifths + _LOWEST
    place = lowest + (pitch * 7 - lowest) % 12  # the only one of twelve fifths that sounds like it
    step, alter = _ORDER[(place + 1) % 7], (place + 1) // 7
    octave = (pitch - alter - _NATURAL[step]) // 12 - 1
    return Spelling(step, alter + cents / 100 if cents else alter, octave)


def signature_of(fifths: int) -> dict[str, int]:
    """Return the semitones by which a key signature alters each letter."""
    altered = {step: (fifths + 6 - index) // 7 for index, step in enumerate(_ORDER)}
    return altered


def accidental(written: Spelling, standing: dict[tuple[str, int], float], fifths: int) -> str:
    """Return the sign that a note needs, "" for none, and remember it for the rest of the bar.

    Signs are those of the nearest quarter tone.

    Args:
        written: The note.
        standing: Alterations that stand in the bar by letter and octave. It is changed.
        fifths: The key signature.
    """
    place = written.step, written.octave
    before = standing.get(place, signature_of(fifths)[written.step])
    standing[place] = shown = min(max(round(2 * written.alter) / 2, min(_SIGNS)), max(_SIGNS))
    return "" if before == shown else _SIGNS[shown]


def beams(symbols: Sequence[tuple[int, Symbol | None]], beat: int) -> list[list[str]]:
    """Return the beams of the symbols of a voice in a bar, for each level from the longest values on.

    Args:
        symbols: Start and symbol of each. None stands for a rest.
        beat: Length of a beat in `DIVISIONS`: beams end with it.
    """
    levels = [(at // beat, 0 if symbol is None else symbol.beams) for at, symbol in symbols]
    found: list[list[str]] = []
    for index, (group, count) in enumerate(levels):
        before = levels[index - 1][1] if index and levels[index - 1][0] == group else 0
        after = levels[index + 1][1] if index + 1 < len(levels) and levels[index + 1][0] == group else 0
        found.append(list(_beams_of(count, before, after)) if before or after else [])
    return found


def _beams_of(count: int, before: int, after: int) -> Iterator[str]:
    for level in range(1, count + 1):
        joined = level <= before, level <= after
        if any(joined):
            yield {(True, True): "continue", (True, False): "end", (False, True): "begin"}[joined]
        else:
            yield "backward hook" if before else "forward hook"
