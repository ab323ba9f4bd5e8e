"""Read the values of abc's fields: keys, time signatures, note lengths, tempos, clefs, names of voices.

Source: the abc music standard 2.1, December 2011. Where it leaves a choice, the choice is abc2midi's.
"""

from __future__ import annotations

import re
from fractions import Fraction

from symbolic.music.abc.tokens import alteration

_SHARPS = "FCGDAEB"
"""Letters in the order in which sharps come into a key signature. Flats come from its end."""
_MODES = {"ion": 0, "maj": 0, "mix": -1, "dor": -2, "aeo": -3, "min": -3, "phr": -4, "loc": -5, "lyd": 1}
"""Sharps that a mode has more than the major key on its tonic."""
_KEY = re.compile(
    r"\s*([A-Ga-g])([#b♯♭n]?)\s*(?:((?i:maj|min|ion|mix|dor|aeo|phr|loc|lyd|exp))[a-zA-Z]*|([mM])?(?![a-zA-Z]))"
)
_ALTERED = re.compile(r"(\^\^?|__?|=)(\d{0,2}/\d{0,2})?([A-Ga-g])(?![a-z])")
_CLEF = re.compile(
    r"(?:(?<![^\s=])(?:treble|alto|tenor|bass|perc|auto|none|[GCFP](?=\d))\d?([+-](?:8|15))?"
    r"|(?<!\S)([+-]8)(?:v[ab])?)(?!\w)"
)
_QUOTED = re.compile(r'"[^"]*"?')
_NAME = re.compile(r'(?<!\S)(?:name|nm)\s*=\s*(?:"([^"]*)"?|(\S+))')
_TERM = re.compile(r"\s*\+?\s*\(?\s*(\d{1,3}(?:\s*\+\s*\d{1,3})*)\s*\)?\s*/\s*(\d{1,3})(?!\d)")
_BEATS = (1, 2, 4, 8, 16, 32, 64)
_LARGEST = 255
"""Largest numerator of a time signature, as in MIDI."""
_FASTEST = 10_000
"""Tempos from here on are no tempos."""


def key_signature(value: str) -> dict[str, int | Fraction] | None:
    """Read the alterations in semitones by letter from a `K:` field.

    Args:
        value: The field, such as "D", "Em", "Ador", "E phr bass", "D exp _b", "G _/B", "HP", "none".

    Returns:
        Alterations of the letters that have one. None if the field names no key such as a change of clef.
    """
    value = _QUOTED.sub("", value)
    plain = value.strip()
    if plain[:2] in ("HP", "Hp"):  # the pipes sound F sharp and C sharp, written or not
        return {"F": 1, "C": 1}
    altered = {letter.upper(): alteration(sign, micro) for sign, micro, letter in _ALTERED.findall(value)}
    match = _KEY.match(value)
    if match is None:
        return altered if altered or plain.lower().startswith("none") else None
    tonic, sign, mode, short = match.groups()
    mode = (mode or "").lower()
    if mode == "exp":
        return altered
    sharps = _SHARPS.index(tonic.upper()) - 1 + 7 * ((sign in ("#", "♯")) - (sign in ("b", "♭")))
    sharps += _MODES["min" if short else mode or "maj"]
    # The nth letter of seven is sharp in keys of n sharps, and sharp twice in keys of seven more.
    signature = {letter: (sharps - place + 6) // 7 for place, letter in enumerate(_SHARPS)}
    return {letter: by for letter, by in (signature | altered).items() if by}


def shifts(value: str) -> dict[str, int]:
    """Read by how many semitones the parameters of a `K:` or `V:` field transpose what is written.

    Args:
        value: The field such as "C clef=treble-8 transpose=-2".

    Returns:
        Semitones by kind of parameter: "clef", "octave", "transpose", and "8va" for one that is no part of a clef.
        Only those that the field states.
    """
    value = _QUOTED.sub("", value)
    found = {}
    if match := _CLEF.search(value):
        octave = match[1] or match[2] or ""
        kind = "8va" if match[2] else "clef"
        found[kind] = (24 if "15" in octave else 12) * (octave.startswith("+") - octave.startswith("-"))
    for name, semitones in (("octave", 12), ("transpose", 1)):
        if match := re.search(rf"\b{name}\s*=\s*([+-]?\d{{1,3}})(?!\d)", value):
            found[name] = semitones * int(match[1])
    return found


def time_signature(value: str) -> tuple[int, int]:
    """Read an `M:` field, such as "4/4", "C|", "(2+3)/8", "3/4+2/8". Free time counts as 4/4.

    Raises:
        ValueError: If it is no time signature, or one that MIDI cannot hold.
    """
    value = _QUOTED.sub("", value).strip()
    if not value or value.lower().startswith("none"):
        return 4, 4
    if match := re.match(r"C(\|?)(?![\w|])", value):
        return (2, 2) if match[1] else (4, 4)
    numerator, denominator, at = Fraction(0), 1, 0
    while (match := _TERM.match(value, at)) and (not at or "+" in match[0]) and int(match[2]):
        numerator += Fraction(sum(map(int, match[1].split("+"))), int(match[2]))
        denominator, at = max(denominator, int(match[2])), match.end()
    numerator *= denominator
    if not 0 < numerator <= _LARGEST or numerator.denominator > 1 or denominator not in _BEATS:
        raise ValueError(value)
    return int(numerator), denominator


def unit_length(value: str) -> Fraction:
    """Read the quarters of a note without a length from an `L:` field such as "1/8".

    Raises:
        ValueError: If it is no length.
    """
    match = re.match(r"\s*(\d{1,3})(?:\s*/\s*(\d{1,3}))?(?!\d)", value)
    if match is None or not int(match[1]) or not int(match[2] or 1):
        raise ValueError(value)
    return Fraction(4 * int(match[1]), int(match[2] or 1))


def default_unit(signature: tuple[int, int]) -> Fraction:
    """Return the quarters of a note without a length in a tune without an `L:` field."""
    return Fraction(1, 4) if Fraction(*signature) < Fraction(3, 4) else Fraction(1, 2)


def tempo(value: str, unit: Fraction) -> float | None:
    """Read the quarters a minute from a `Q:` field, such as '1/4=120', '"Slow" 3/8=50', '1/4 3/8=40', 'C3=120'.

    Args:
        value: The field. A number alone counts quarters.
        unit: Quarters of a note without a length, which "C" stands for.

    Returns:
        The tempo or None if the field holds words alone.

    Raises:
        ValueError: If it is no tempo.
    """
    value = _QUOTED.sub("", value).strip()
    if not value:
        return None
    beat, _, number = value.rpartition("=")
    match = re.match(r"\s*(\d{1,5}(?:\.\d{1,9})?)(?![\d/])", number)
    if match is None:
        raise ValueError(value)
    quarters = Fraction(1)
    if multiple := re.match(r"\s*C(\d{0,3})", beat):
        quarters = unit * int(multiple[1] or 1)
    elif beat:
        terms = re.findall(r"(\d{1,3})/(\d{1,3})", beat)
        quarters = sum((Fraction(4 * int(above), int(below) or 1) for above, below in terms), Fraction(0))
    found = float(quarters) * float(match[1])
    if not 0 < found < _FASTEST:
        raise ValueError(value)
    return found


def voice_name(value: str) -> str:
    """Return the name in a `V:` field or "" if it states none."""
    match = _NAME.search(value)
    return (match[1] or match[2] or "").replace("\\n", " ").strip() if match else ""
