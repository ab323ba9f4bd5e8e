"""Write a measure of MusicXML anew: what is kept as it was, and new notes as voices beside it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from typing import NamedTuple
from xml.etree.ElementTree import Element

from symbolic.music.musicxml import values
from symbolic.music.notation import VELOCITY

FORTE = 90
"""The velocity that MusicXML counts loudness by."""
_IN_DIVISIONS = re.compile(r"<(duration|offset)\b([^>]*)>\s*(-?\d+(?:\.\d+)?)\s*</\1>")
_DIVISIONS = re.compile(r"<divisions\b[^>]*>[^<]*</divisions>")
_CHORD = re.compile(r"<chord\s*/>|<chord>\s*</chord>")
_TYPES = ("whole", "half", "quarter", "eighth", "16th", "32nd", "64th", "128th")
_SHAPES = {
    Fraction(4, 2**place) * factor: (kind, dots)
    for place, kind in enumerate(_TYPES)
    for dots, factor in enumerate((Fraction(1), Fraction(3, 2), Fraction(7, 4)))
}
"""Type and dots by length in quarters."""
_LONGEST = sorted(_SHAPES, reverse=True)
_NAMES = {-1: "F", 0: "C", 1: "G", 2: "D", 3: "A", 4: "E", 5: "B"}
"""Steps by their place on the line of fifths."""


class NewNote(NamedTuple):
    """A note, or the part of a note, that lies in one measure.

    Attributes:
        onset: Quarters from the start of the measure.
        length: Length in quarters.
        pitch: Written MIDI pitch. Of drums none.
        cents: What it lies above that.
        velocity: MIDI velocity.
        staff: Staff of the part.
        model: A note whose instrument it has, and whose place on the staff if it has no pitch.
        before: Whether it goes on from the measure before.
        after: Whether it goes on in the next measure.
    """

    onset: Fraction
    length: Fraction
    pitch: int
    cents: int
    velocity: int
    staff: int
    model: Element
    before: bool = False
    after: bool = False


@dataclass
class Kept:
    """An element that stays, with the notes of its chord.

    Attributes:
        onset: Quarters from the start of the measure.
        length: Time that it takes in quarters.
        divisions: Divisions of a quarter in its texts.
        texts: Its XML, and that of the notes that share its stem.
        voice: Voice of a note; "" of anything else.
        staff: Staff of a note.
    """

    onset: Fraction
    length: Fraction
    divisions: int
    texts: list[str]
    voice: str = ""
    staff: int = 0


@dataclass
class Measure:
    """The content of a measure, taken apart.

    Attributes:
        kept: What stays in the order of the document.
        last: Bar lines at its end, which stay.
        voices: Voices of the notes and rests that go, by staff.
        divisions: Divisions of a quarter at its end.
    """

    divisions: int
    kept: list[Kept] = field(default_factory=list)
    last: list[str] = field(default_factory=list)
    voices: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))

    def delay_notes(self, time: Fraction) -> None:
        """Move the notes, and whatever stands after the beginning, by a time in quarters."""
        for one in self.kept:
            if one.voice or one.onset:
                one.onset += time


def take_apart(
    elements: Sequence[tuple[Element, str]], gone: set[int], staves: Iterable[int], divisions: int
) -> Measure:
    """Take a measure apart.

    Args:
        elements: Its children, each with its text.
        gone: Ids of the notes that go.
        staves: Staves that are written anew. Rests go there in voices without a note that stays.
        divisions: Divisions of a quarter at its start.
    """
    found = Measure(divisions)
    now = before = Fraction(0)
    notes = [element for element, _ in elements if element.tag == "note"]
    staying = {_voice(one) for one in notes if id(one) not in gone and one.find("rest") is None}
    dropping = {_voice(one) for one in notes if id(one) in gone}
    leading: Kept | None = None
    for element, text in elements:
        if element.tag in ("backup", "forward"):
            time = _time(element, found.divisions)
            now = max(now - time if element.tag == "backup" else now + time, Fraction(0))
            continue
        if element.tag != "note":
            if (stated := values.number(element.findtext("divisions"))) and element.tag == "attributes":
                found.divisions = int(stated)
                text = _DIVISIONS.sub("", text)
            if element.tag == "barline" and element.get("location", "right") == "right":
                found.last.append(text)
            else:
                found.kept.append(Kept(now, Fraction(0), found.divisions, [text]))
            continue
        follows, voice, staff = element.find("chord") is not None, _voice(element), _staff(element)
        grace = element.find("grace") is not None
        length = Fraction(0) if grace else _time(element, found.divisions)
        onset = before if follows else now
        if not follows:
            leading, before = None, onset
            now += length
        silent = element.find("rest") is not None and staff in staves
        if id(element) in gone or (silent and (voice in dropping or voice not in staying)):
            found.voices[staff].append(voice)
        elif follows and leading is not None:
            leading.texts.append(text)
        else:
            kept = Kept(onset, length, found.divisions, [_CHORD.sub("", text)], voice, staff)
            found.kept.append(kept)
            leading = kept
    return found


def put_together(
    measure: Measure,
    new: Sequence[NewNote],
    staves: Iterable[int],
    length: Fraction,
    divisions: int,
    fifths: int,
    several: bool,
) -> tuple[str, int]:
    """Write a measure.

    Args:
        measure: What stays.
        new: The new notes.
        staves: Staves whose first voice is filled up with rests.
        length: Length of the measure in quarters.
        divisions: Divisions of a quarter that hold before it.
        fifths: Key signature, for the spelling of pitches.
        several: Whether the part has several staves.

    Returns:
        The XML, and the divisions that hold after it.
    """
    voices = _voices(measure, new, staves, length)
    times = [one.onset for one in measure.kept] + [one.length for one in measure.kept]
    times += [time for items in voices.values() for item in items for time in item[:2]]
    own = lcm(
        *{time.denominator for time in times}, *{one.divisions for one in measure.kept}, measure.divisions
    )
    out = [f"<attributes><divisions>{own}</divisions></attributes>"] if own != divisions else []
    now = Fraction(0)
    for one in measure.kept:
        out.append(_move(one.onset - now, own))
        out += [_scaled(text, Fraction(own, one.divisions)) for text in one.texts]
        now = one.onset + one.length
    for (staff, voice), items in voices.items():
        for onset, lasting, chord in items:
            out.append(_move(onset - now, own))
            where = f"<voice>{voice}</voice>", f"<staff>{staff}</staff>" if several else ""
            out.append(_written(chord, lasting, own, fifths, where))
            now = onset + lasting
    return "".join([*out, *measure.last]), own


_Item = tuple[Fraction, Fraction, list[NewNote]]
"""Onset, length and notes of a chord. A rest has no notes."""


def _voices(
    measure: Measure, new: Sequence[NewNote], staves: Iterable[int], length: Fraction
) -> Mapping[tuple[int, str], list[_Item]]:
    """Deal new notes into voices in which nothing overlaps, and fill the first voice of each staff with rests."""
    busy: dict[str, list[tuple[Fraction, Fraction]]] = defaultdict(list)
    owner: dict[str, int] = {}
    for one in measure.kept:
        if one.voice:
            busy[one.voice].append((one.onset, one.onset + one.length))
            owner[one.voice] = one.staff
    found: dict[tuple[int, str], list[_Item]] = {}
    chords: dict[tuple[int, Fraction, Fraction], list[NewNote]] = defaultdict(list)
    for note in new:
        chords[note.staff, note.onset, note.length].append(note)
    for staff in sorted({*staves, *(staff for staff, _, _ in chords)}):
        names = list(dict.fromkeys(measure.voices.get(staff, ())))
        names = [name for name in names if owner.get(name, staff) == staff]
        for (_, onset, lasting), chord in sorted(
            ((key, chord) for key, chord in chords.items() if key[0] == staff), key=lambda item: item[0]
        ):
            voice = next((name for name in names if _free(busy[name], onset, onset + lasting)), "")
            if not voice:
                voice = _unused({*owner, *names, *(name for _, name in found)}, staff)
                names.append(voice)
            busy[voice].append((onset, onset + lasting))
            found.setdefault((staff, voice), []).append((onset, lasting, chord))
        first = names[0] if names else _unused(set(owner), staff)
        now, rests = Fraction(0), list[_Item]()
        for start, stop in [*sorted(busy[first]), (length, length)]:
            rests += _rests(now, start)
            now = max(now, stop)
        own = found.setdefault((staff, first), [])
        own[:] = sorted([*own, *rests], key=lambda item: item[0])
    return found


def _free(busy: Iterable[tuple[Fraction, Fraction]], start: Fraction, stop: Fraction) -> bool:
    return all(stop <= begun or ended <= start for begun, ended in busy)


def _unused(names: set[str], staff: int) -> str:
    number = 4 * staff - 3
    while str(number) in names:
        number += 1
    return str(number)


def _rests(start: Fraction, stop: Fraction) -> list[_Item]:
    """Return rests that fill a stretch, each a plain note value where it can be."""
    found: list[_Item] = []
    for length in lengths(stop - start):
        found.append((start, length, []))
        start += length
    return found


def lengths(total: Fraction) -> list[Fraction]:
    """Cut a length in quarters into as few note values as a greedy choice gives. What is none stays whole."""
    found, left = list[Fraction](), total
    while left > 0:
        largest = next((one for one in _LONGEST if one <= left), None)
        if largest is None:
            return [total]
        found.append(largest)
        left -= largest
    return found


def _written(
    chord: Sequence[NewNote], lasting: Fraction, divisions: int, fifths: int, where: tuple[str, str]
) -> str:
    """Return a chord or a rest as XML, in tied pieces where no note value is as long."""
    out = []
    pieces = lengths(lasting) if chord else [lasting]
    for place, piece in enumerate(pieces):
        duration = f"<duration>{int(piece * divisions)}</duration>"
        kind, dots = _SHAPES.get(piece, ("", 0))
        shape = f"<type>{kind}</type>{'<dot/>' * dots}" if kind else ""
        if not chord:
            out.append(f"<note><rest/>{duration}{where[0]}{shape}{where[1]}</note>")
        for index, note in enumerate(chord):
            stop = note.before or place > 0
            start = note.after or place < len(pieces) - 1
            kinds = [name for name, there in (("stop", stop), ("start", start)) if there]
            ties = "".join(f'<tie type="{one}"/>' for one in kinds)
            curves = "".join(f'<tied type="{one}"/>' for one in kinds)
            loud = "" if note.velocity == VELOCITY else f' dynamics="{note.velocity * 100 / FORTE:.2f}"'
            out.append(
                f"<note{loud}>{'<chord/>' * (index > 0)}{_sound(note, fifths)}{duration}{ties}{_instrument(note)}"
                f"{where[0]}{shape}{where[1]}{f'<notations>{curves}</notations>' * bool(kinds)}</note>"
            )
    return "".join(out)


def _sound(note: NewNote, fifths: int) -> str:
    """Return what a note sounds: a pitch, or the place of its model on the staff."""
    drum = note.model.find("unpitched")
    if drum is None:
        return pitch_xml(note.pitch, fifths, note.cents)
    places = "".join(
        f"<{name}>{text}</{name}>"
        for name in ("display-step", "display-octave")
        if (text := (drum.findtext(name) or "").strip()).isalnum()
    )
    return f"<unpitched>{places}</unpitched>"


def pitch_xml(pitch: int, fifths: int, cents: int = 0) -> str:
    """Return a MIDI pitch as a `<pitch>`, spelled as the key has it: of C major's, C# Eb F# G# Bb.

    Cents are hundredths of its `<alter>`.
    """
    place = next(one for one in range(fifths - 3, fifths + 9) if (one * 7 - pitch) % 12 == 0)
    step, alter = _NAMES[(place + 1) % 7 - 1], (place + 1) // 7
    octave = (pitch - alter) // 12 - 1
    altered = f"<alter>{alter + cents / 100:g}</alter>" if alter or cents else ""
    return f"<pitch><step>{step}</step>{altered}<octave>{octave}</octave></pitch>"


def _instrument(note: NewNote) -> str:
    element = note.model.find("instrument")
    identity = "" if element is None else element.get("id", "")
    return f'<instrument id="{identity}"/>' if re.fullmatch(r"[\w.-]+", identity) else ""


def _move(time: Fraction, divisions: int) -> str:
    """Return the `<forward>` or `<backup>` over a time in quarters."""
    tag = "forward" if time > 0 else "backup"
    return f"<{tag}><duration>{abs(int(time * divisions))}</duration></{tag}>" if time else ""


def _scaled(text: str, factor: Fraction) -> str:
    """Return a text in which durations and offsets are in other divisions."""
    if factor == 1:
        return text
    return _IN_DIVISIONS.sub(
        lambda found: f"<{found[1]}{found[2]}>{_decimal(Fraction(found[3]) * factor)}</{found[1]}>", text
    )


def _decimal(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else str(float(value))


def _time(element: Element, divisions: int) -> Fraction:
    value = values.number(element.findtext("duration"))
    if value is None or value < 0:
        return values.typed_length(element) if element.tag == "note" else Fraction(0)
    return Fraction(value) / divisions


def _voice(note: Element) -> str:
    return (note.findtext("voice") or "1").strip()


def _staff(note: Element) -> int:
    value = values.number(note.findtext("staff"))
    return value if isinstance(value, int) and value > 0 else 1
