"""MIDI programs and drums of Humdrum's instrument codes, and of names where a part has no code.

The codes are those of the Humdrum User Guide, Appendix II, and of the collections that our corpora come from.
"""

from __future__ import annotations

import re

from symbolic.music import instruments

_PROGRAMS = {
    0: "piano forte pfrte pianf Clav",
    6: "cemba hpschd virgi spine",
    7: "clavi",
    8: "celes",
    9: "glock",
    11: "vibra",
    12: "marim",
    13: "xylo",
    14: "campn tubel carll",
    15: "cimba zithr dulcm psalt",
    19: "organ porti regal",
    20: "physh harmn hmnium reedo",
    21: "accor conce",
    22: "armon",
    24: "guitr liuto archl theor tiorb chita mando vihue banjl ukule lyra",
    33: "bguit",
    40: "violn viols",
    41: "viola violt violm viold",
    42: "cello violb violc gamba viole",
    43: "cbass violon",
    46: "arpa arpha",
    47: "timpa",
    52: "soprn canto cant mezzo calto alto tenor barit bass bspro bsbar vox male feme female nfant recit coro "
    "choir lyrsp lyrtn colsp heltn counT ftenr sesto quinto trebl falto",
    56: "tromp clrno cornt cornet flugh buccn",
    57: "tromb tromt troma trombn sackb",
    58: "tuba ophic serp sousa euph barhn",
    60: "cor corno",
    61: "brass",
    64: "saxS saxso",
    65: "saxA",
    66: "saxT",
    67: "saxR saxB",
    68: "oboe oboeD shawm",
    69: "cangl oboC",
    70: "fagot fagoc dulc contf",
    71: "clars clara clarb clarp bassh clari",
    72: "picco",
    73: "flt flute flt_a",
    74: "recor fltds fltda fltdt fltdb fltdn",
    75: "panpi",
    105: "banjo",
    109: "bagpi",
}
PROGRAMS = {code: program for program, codes in _PROGRAMS.items() for code in codes.split()}
"""MIDI program of each code of an instrument or a voice."""
DRUMS = {
    "bdrum": 36,
    "drumB": 36,
    "sdrum": 38,
    "drum": 38,
    "drumP": 38,
    "drums": 38,
    "rulla": 38,
    "tambu": 38,
    "piatt": 49,
    "crshc": 49,
    "gong": 52,
    "tamtm": 52,
    "tambn": 54,
    "cowb": 56,
    "woodb": 76,
    "tmplb": 77,
    "trngl": 81,
    "sleig": 83,
    "campa": 83,
    "castn": 85,
    "casts": 85,
}
"""Key on the drum kit of each code of an unpitched instrument."""
_PERCUSSION = re.compile(r"\W*(?:banda|batteria)\b", re.IGNORECASE)
"""Names of the drums, cymbals and triangles of a band of Turkish music. They may be those of its winds as well."""
_SEVERAL = re.compile(r"[&|/]")
_CLASSES = {"vox": 52, "str": 48, "bras": 61, "brass": 61, "ww": 71, "klav": 0, "Klav": 0}
KEYBOARDS = frozenset(
    {"piano", "forte", "organ", "cemba", "clavi", "celes", "physh", "arpa", "accor", "Clav", "reedo"}
)
"""Codes of instruments that are written on two staves."""


def program_of(code: str, kind: str, name: str) -> int:
    """Return the MIDI program of an instrument, 0 where nothing is known of it.

    Args:
        code: Its code, as after `*I`. The first one holds of several with `&`, `|` or `/`.
        kind: Its class, as after `*IC`.
        name: Its name, as after `*I"`.
    """
    known = PROGRAMS.get(_first(code))
    if known is None:
        known = instruments.program_of(name)
    return _CLASSES.get(kind, 0) if known is None else known


def drum_of(code: str, name: str) -> int:
    """Return the key of an unpitched instrument on the drum kit, 0 for any other instrument.

    Args:
        code: Its code, as after `*I`.
        name: Its name, which is asked where there is no known code.
    """
    first = _first(code)
    if first in DRUMS or first in PROGRAMS:
        return DRUMS.get(first, 0)
    return instruments.drum_of(name) or 0 if instruments.program_of(name) is None else 0


def stroke_of(code: str, name: str) -> int:
    """Return the key on the drum kit of the unpitched notes of a staff, 0 where their instrument is not known.

    A band's percussion, written on one line, is a bass drum. Nobody knows the pitch of timpani on one line.

    Args:
        code: The code of the staff's instrument, as after `*I`.
        name: Its name.
    """
    return drum_of(code, name) or (DRUMS["bdrum"] if _PERCUSSION.match(name) else 0)


def _first(code: str) -> str:
    return _SEVERAL.split(code)[0]
