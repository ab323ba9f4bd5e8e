"""Read one token of a Humdrum **kern spine: durations, pitches and ties."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import cache, lru_cache
from typing import NamedTuple

_RECIP = re.compile(r"(\d+)(?:%(\d+))?")
_STROKES = re.compile(r"@+\d+@+")
"""The strokes of a tremolo, as in `@16@4c`. A sign alone, as in `@4c`, is one that a file explains itself."""
_LETTER = re.compile("[a-gA-G]")
_STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
UNIT = 2**8 * 3**3 * 5**2 * 7 * 11 * 13
"""Parts of a quarter in which times are counted while a file is read."""
Time = int | Fraction
"""A time in units. It is a whole number for all common durations, since Python's fractions are slow."""
_LONGEST_NUMBER = 3
"""Digits of a duration. More would let the denominators of a hostile file grow without end."""
_MOST_DOTS = 8
_QUARTER = Fraction(1)


class Note(NamedTuple):
    """One note of a token.

    Attributes:
        length: Length in quarter notes, 0 for a grace note.
        pitch: MIDI pitch. None: an unpitched note.
        tie: "start", "continue", "stop" or "".
        timeless: It has neither a duration nor the mark of a grace note, and is read as a quarter.
    """

    length: Fraction
    pitch: int | None
    tie: str
    timeless: bool


class Token(NamedTuple):
    """One token of a spine: a note, a chord or a rest.

    Attributes:
        length: Time until the next token of the spine, in units.
        notes: Its notes, none for a rest.
        unread: Number of its parts that are neither a note nor a rest.
    """

    length: Time
    notes: tuple[Note, ...]
    unread: int


@lru_cache(1 << 14)
def parse_token(text: str) -> Token:
    """Parse a data token that is not null.

    The notes of a chord are separated by spaces. A note without a duration has that of the note before it. A chord is
    as long as its first note or rest.

    Args:
        text: The token, such as `8.cc#L`, `4C 4E [4G`, `3%2r` or `8qd`.
    """
    notes: list[Note] = []
    whole: Fraction | None = None
    length: Fraction | None = None
    unread = 0
    for part in text.split(" "):
        if not part:
            continue
        own = _length(part)
        length = length if own is None else own
        # The letters of an unpitched note, as in "4Re", only tell on which line it is printed.
        rest, unpitched = "r" in part, "R" in part
        pitch = None if unpitched else pitch_of(part)
        if not rest and pitch is None and not unpitched:
            unread += 1
            whole = length if whole is None else whole
            continue
        timeless = length is None
        length = _QUARTER if length is None else length
        whole = length if whole is None else whole
        if not rest:
            notes.append(Note(length, pitch, _tie(part), timeless))
    units = (whole or 0) * UNIT
    return Token(int(units) if units == int(units) else units, tuple(notes), unread)


def pitch_of(text: str) -> int | None:
    """Return the MIDI pitch of a note, or None if it states none. `c` is 60, `C` 48, `cc` 72 and `CC` 36.

    Other signs may stand between its letters and accidentals, as in `8eyye` and `2b/-`.
    """
    found = _LETTER.search(text)
    if not found:
        return None
    letter = found[0]
    count = text.count(letter)
    octave = 4 + count if letter.islower() else 5 - count
    return 12 * octave + _STEPS[letter.lower()] + text.count("#") - text.count("-")


def _tie(part: str) -> str:
    """Return the tie of a note. One that both ends and begins a tie continues it, however that is written."""
    ends, begins = "]" in part, "[" in part
    if "_" in part or (ends and begins):
        return "continue"
    return "stop" if ends else "start" if begins else ""


def _length(part: str) -> Fraction | None:
    """Return the length of a note or rest in quarter notes, or None if it states none.

    `4` is a quarter, `0` a breve, `00` a long and `000` a maxima. `3%2` is a third of two whole notes.
    """
    if "q" in part:
        return Fraction(0)
    found = _RECIP.search(_STROKES.sub("", part) if "@" in part else part)
    return _quarters(found[1], found[2] or "1", part.count(".")) if found else None


@cache
def _quarters(number: str, over: str, dots: int) -> Fraction | None:
    if max(len(number), len(over)) > _LONGEST_NUMBER or dots > _MOST_DOTS:
        return None
    whole = Fraction(1, int(number)) if number.strip("0") else Fraction(2 ** len(number))
    return 4 * whole * int(over) * (2 - Fraction(1, 2**dots))
