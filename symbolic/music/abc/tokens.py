"""Divide the music text of abc into notes, chords, bar lines and what else stands there."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

_LENGTH = r"\d{0,9}(?:/{1,8}\d{0,9})?"
_NOTE = (
    r"(?:(?P<sign>\^\^?|__?|=)(?P<micro>\d{0,2}/\d{0,2})?)?"
    rf"(?P<letter>[A-Ga-g])(?P<octave>[,']*)(?P<length>{_LENGTH})"
)
_UNNAMED = re.sub(r"\?P<[a-z]+>", "?:", _NOTE)
NOTE = re.compile(_NOTE)
TOKEN = re.compile(
    "|".join(
        # No bracket holds its own kind: else a line of opening ones would be searched to its end for each.
        [
            f"(?P<note>{_NOTE})",
            r"(?P<bar>\.?(?:\[\||:{0,4}\||::)[|\]:]*(?:\[?\d[\d,.\-]*)?)",
            rf"(?P<rest>[zx](?P<rest_length>{_LENGTH}))",
            r'(?P<text>"[^"]*"?)',
            rf"(?P<old_chord>\+(?!f+\+)(?P<between>(?:{_UNNAMED}-?[ \t]*){{2,}})\+)",
            r"(?P<decoration>![^!\s|\]\[]*!|\+[^+\s|\]\[]*\+)",
            r"(?P<field>\[(?P<name>[A-Za-z]):(?P<value>[^\[\]]*)\])",
            rf"(?P<chord>\[(?P<inside>[^\[\]|]*)\](?P<chord_length>{_LENGTH}))",
            r"(?P<ending>\[\d[\d,.\-]*)",
            r"(?P<tie>-)",
            r"(?P<broken>>{1,8}|<{1,8})",
            r"(?P<tuplet>\((?P<p>\d{1,2})(?::(?P<q>\d{0,2}))?(?::(?P<r>\d{0,3}))?)",
            r"(?P<grace>\{(?P<graces>[^{}]*)\})",
            r"(?P<bars_of_rest>[ZX](?P<bars>\d{0,9}))",
            r"(?P<overlay>\(&|&\)|&{1,99})",
            r"(?P<spacer>y\d*)",
            r"(?P<stray>\[(?!\")|[^\s.~`()H-Wh-w$\\:\]*;!+\[])",
        ]
    )
)
"""Music text of one line, without comment. Spaces, slurs and decorations of one letter stand between the matches."""

ALTERATIONS = {"^": 1, "^^": 2, "_": -1, "__": -2, "=": 0}
"""Semitones by which an accidental alters a note."""
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
OUTSIDE_CHORDS = re.compile(r'"[^"]*"?|![^!]*!|\{[^}]*\}')
"""What stands within chords beside the notes."""


def alteration(sign: str, micro: str | None = None) -> int | Fraction:
    """Return the semitones of an accidental.

    Args:
        sign: One of `ALTERATIONS`.
        micro: The share of a semitone after it, such as "3/4" or "/", for microtones.
    """
    if not micro:
        return ALTERATIONS[sign]
    above, _, below = micro.partition("/")
    return ALTERATIONS[sign] * Fraction(int(above or 1), int(below or 2) or 2)


@lru_cache(maxsize=1024)
def multiple(length: str) -> Fraction:
    """Read how many units a note lasts, such as "3/2", "/" or "". Zeros count as nothing written."""
    above, slashes, below = length.partition("/")
    more = len(below) - len(below := below.lstrip("/"))
    halves = 2 ** (more + 1) if slashes and not int(below or 0) else int(below or 1)
    return Fraction(int(above or 1) or 1, halves)


def written(note: re.Match[str]) -> tuple[tuple[str, int], int]:
    """Return the letter and octave of a match of `NOTE`, and its MIDI pitch without accidentals."""
    letter, marks = note["letter"], note["octave"]
    name, octave = letter.upper(), marks.count("'") - marks.count(",") + letter.islower()
    return (name, octave), 60 + 12 * octave + _SEMITONES[name]
