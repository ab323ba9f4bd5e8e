"""Turn the small elements of MusicXML into numbers: durations, pitches, tempos, time signatures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple
from xml.etree.ElementTree import Element

from symbolic.music.notation import altered

_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_TYPES = ("long", "breve", "whole", "half", "quarter", "eighth")
_LENGTHS = {kind: Fraction(16, 2**index) for index, kind in enumerate(_TYPES)}
_LENGTHS |= {kind: _LENGTHS["eighth"] / 2**index for index, kind in enumerate(("16th", "32nd", "64th"), 1)}
_LENGTHS |= {"128th": Fraction(1, 32), "256th": Fraction(1, 64), "512th": Fraction(1, 128)}
_LENGTHS |= {"1024th": Fraction(1, 256), "maxima": Fraction(32)}
_DECIMAL = re.compile(r"\s*(-?\d{1,9}(?:\.\d{0,9})?)\s*")
_FIRST_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_LARGEST = 2**31
_MAX_BEATS, _MAX_BEAT_TYPE = 255, 128
_MAX_TEMPO = 1e5


class Metronome(NamedTuple):
    """A metronome mark.

    Attributes:
        value: Quarter notes per minute; or the ratio to the tempo before it.
        is_ratio: Whether it is a ratio, as in "quarter = dotted quarter".
    """

    value: float
    is_ratio: bool = False


@lru_cache(maxsize=4096)
def number(text: str | None) -> int | Fraction | None:
    """Return the value of a decimal number; None for anything else, and for what no score can mean."""
    try:
        value: int | Fraction = int(text or "")
    except ValueError:
        if not (match := _DECIMAL.fullmatch(text or "")):
            return None
        value = Fraction(match[1])
        value = int(value) if value.denominator == 1 else value
    return value if -_LARGEST < value < _LARGEST else None


def pitch(element: Element) -> tuple[int, int] | None:
    """Return the written MIDI pitch of a `<pitch>` and its cents; None where it is unreadable."""
    step: int | None = None
    octave: int | Fraction | None = None
    alter: int | Fraction | None = None
    for child in element:
        if child.tag == "step":
            step = _STEPS.get((child.text or "").strip())
        elif child.tag == "octave":
            octave = number(child.text)
        elif child.tag == "alter":
            alter = number(child.text)
    if step is None or not isinstance(octave, int):
        return None
    semitones, cents = altered(alter or 0)
    return 12 * (octave + 1) + step + semitones, cents


def typed_length(note: Element) -> Fraction:
    """Return the length of a note in quarters by its `<type>`, dots and tuplet; 0 without a type."""
    length = _LENGTHS.get((note.findtext("type") or "").strip(), Fraction(0))
    length *= 2 - Fraction(1, 2 ** min(len(note.findall("dot")), 8))
    if (tuplet := note.find("time-modification")) is not None:
        actual, normal = number(tuplet.findtext("actual-notes")), number(tuplet.findtext("normal-notes"))
        if actual and normal and actual > 0 and normal > 0:
            length = length * normal / actual
    return length


def transposition(element: Element) -> tuple[int, int]:
    """Return the semitones from written to sounding pitch of a `<transpose>`, and those of a doubling, or 0."""
    semitones = (number(element.findtext("chromatic")) or 0) + 12 * (
        number(element.findtext("octave-change")) or 0
    )
    double = element.find("double")
    doubling = 0 if double is None else 12 if double.get("above") == "yes" else -12
    return altered(semitones)[0], doubling


@lru_cache(maxsize=4096)
def velocity(dynamics: str | None, otherwise: int) -> int:
    """Return the MIDI velocity of a loudness in percent of forte, which is velocity 90."""
    percent = number(dynamics)
    return otherwise if percent is None else min(max(round(percent * 90 / 100), 1), 127)


def time_signature(element: Element) -> tuple[int, int] | None:
    """Return numerator and denominator of a `<time>`; None for senza misura and what is unreadable.

    Sums such as 3+2 over 8, or 3 over 8 and 2 over 4, become one signature.
    """
    parts: list[tuple[int, int]] = []
    numerator: int | None = None
    for child in element:
        if child.tag == "beats":
            numerator = _sum(child.text)
        elif child.tag == "beat-type" and numerator is not None:
            denominator = number(child.text)
            if not isinstance(denominator, int) or not 0 < denominator <= _MAX_BEAT_TYPE:
                return None
            parts.append((numerator, denominator))
    if not parts:
        return None
    denominator = max(one for _, one in parts)
    total = sum(Fraction(upper * denominator, lower) for upper, lower in parts)
    if total.denominator != 1 or not 0 < total <= _MAX_BEATS:
        return None
    return int(total), denominator


def _sum(text: str | None) -> int | None:
    beats = [number(one) for one in (text or "").split("+")]
    return sum(beats) if all(isinstance(one, int) and one > 0 for one in beats) else None  # type: ignore[arg-type]


def tempo(text: str | None) -> float | None:
    """Return a tempo for playback; None where it is none that music can have."""
    value = number(text)
    return float(value) if value is not None and 0 < value <= _MAX_TEMPO else None


def metronome(element: Element) -> Metronome | None:
    """Return what a `<metronome>` states; None where it is unreadable."""
    units = list(_beat_units(element))
    if len(units) == 1:
        # Programs write "ca. 60" and "100-120".
        first = _FIRST_NUMBER.search((element.findtext("per-minute") or "")[:200])
        marked = tempo(first[0]) if first else None
        return Metronome(marked * float(units[0])) if marked else None
    if len(units) == 2:
        # The first note value was the beat; the second takes its time from now on.
        return Metronome(float(units[1] / units[0]), is_ratio=True)
    return None


def _beat_units(element: Element) -> Iterator[Fraction]:
    """Yield the lengths of the beat units, each with its dots."""
    length, dots = None, 0
    for child in element:
        if child.tag == "beat-unit":
            if length:
                yield length * (2 - Fraction(1, 2**dots))
            length, dots = _LENGTHS.get((child.text or "").strip()), 0
        elif child.tag == "beat-unit-dot":
            dots = min(dots + 1, 8)
    if length:
        yield length * (2 - Fraction(1, 2**dots))
