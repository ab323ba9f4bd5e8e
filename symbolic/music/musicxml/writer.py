"""Write MusicXML that notation programs open: one staff or two, voices, ties, tuplets, beams and accidentals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from symbolic.music.musicxml.symbols import DIVISIONS, Symbol, accidental, beams, spelled, split

SHEET_NOTE = np.dtype(
    [
        ("onset", "<i8"),
        ("length", "<i8"),
        ("pitch", "u1"),
        ("staff", "u1"),
        ("voice", "u1"),
        ("cents", "<i2"),
    ]
)
"""A note: times in `DIVISIONS` of a quarter note, staff and voice from 0, cents above its pitch.

Voices count within a staff.
"""
_VOICES = 4
"""Voices of a staff in the numbering of programs."""
TREBLE, BASS = ("G", 2), ("F", 4)
"""Clefs: sign and line."""


class SheetBar(NamedTuple):
    """A bar.

    Attributes:
        start: Start in `DIVISIONS` of a quarter note.
        length: Length in the same.
        upper: Upper number of its time signature.
        lower: Lower number.
        beat: Length of a beat in `DIVISIONS`.
        fifths: Sharps of its key signature, flats below 0.
    """

    start: int
    length: int
    upper: int
    lower: int
    beat: int
    fifths: int = 0


@dataclass(frozen=True, eq=False)
class Sheet:
    """The content of a score for piano or for one voice.

    Attributes:
        notes: (N,) `SHEET_NOTE`. Notes of a voice begin and end together or do not overlap.
        bars: Bars one after the other. A shorter first bar is a pick-up.
        tempo: Quarter notes per minute.
        title: Title of the piece.
        origin: How the file was made.
        clefs: Clef of each staff.
    """

    notes: NDArray[np.void]
    bars: Sequence[SheetBar]
    tempo: float = 120.0
    title: str = ""
    origin: str = ""
    clefs: Sequence[tuple[str, int]] = (TREBLE, BASS)


class _Item(NamedTuple):
    """A symbol at a time in the bar. It is a rest without pitches and tied to what is before and after."""

    at: int
    symbol: Symbol
    pitches: tuple[tuple[int, int], ...] = ()  # with cents
    before: bool = False
    after: bool = False


def musicxml_bytes(sheet: Sheet) -> bytes:
    """Return a MusicXML file of one part.

    Raises:
        ValueError: If a note has no length or does not lie within the bars.
    """
    notes, bars = np.sort(sheet.notes, order=("onset", "pitch")), sheet.bars
    end = bars[-1].start + bars[-1].length if bars else 0
    last = notes["onset"] + notes["length"]
    if len(notes) and (
        notes["length"].min() <= 0 or notes["onset"].min() < bars[0].start or last.max() > end
    ):
        raise ValueError("Each note of a sheet needs a length and must lie within its bars.")
    measures = "".join(_measures(sheet, notes))
    described = f"<encoding-description>{escape(sheet.origin)}</encoding-description>" if sheet.origin else ""
    part = "Piano" if len(sheet.clefs) > 1 else "Voice"
    title = f"<work><work-title>{escape(sheet.title)}</work-title></work>" if sheet.title else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<score-partwise version="4.0">'
        f"{title}<identification><encoding><software>Counterpoint</software>{described}</encoding></identification>"
        f'<part-list><score-part id="P1"><part-name>{part}</part-name></score-part></part-list>\n'
        f'<part id="P1">\n{measures}</part></score-partwise>\n'
    ).encode()


def _measures(sheet: Sheet, notes: NDArray[np.void]) -> Iterator[str]:
    before: SheetBar | None = None
    full = 4 * DIVISIONS * sheet.bars[0].upper // sheet.bars[0].lower if sheet.bars else 0
    pickup = len(sheet.bars) > 1 and sheet.bars[0].length < full
    ends = notes["onset"] + notes["length"]
    for index, bar in enumerate(sheet.bars):
        inside = notes[(notes["onset"] < bar.start + bar.length) & (ends > bar.start)]
        head, before = _attributes(bar, before, sheet.clefs), bar
        if index == 0:
            head += f'<direction><sound tempo="{sheet.tempo:.2f}"/></direction>'
        implicit = ' implicit="yes"' if index == 0 and pickup else ""
        content = _staves(bar, inside, len(sheet.clefs))
        if index == len(sheet.bars) - 1:
            content += '<barline location="right"><bar-style>light-heavy</bar-style></barline>'
        yield f'<measure number="{index + (not pickup)}"{implicit}>{head}{content}</measure>\n'


def _attributes(bar: SheetBar, before: SheetBar | None, clefs: Sequence[tuple[str, int]]) -> str:
    """Return the key and time signature of a bar as far as they are not those of the bar before."""
    key, time = f"<key><fifths>{bar.fifths}</fifths></key>", ""
    if before is None or (bar.upper, bar.lower) != (before.upper, before.lower):
        time = f"<time><beats>{bar.upper}</beats><beat-type>{bar.lower}</beat-type></time>"
    if before is not None:
        changed = key * (bar.fifths != before.fifths) + time
        return f"<attributes>{changed}</attributes>" if changed else ""
    shown = "".join(
        f'<clef number="{staff}"><sign>{sign}</sign><line>{line}</line></clef>'
        for staff, (sign, line) in enumerate(clefs, 1)
    )
    staves = f"<staves>{len(clefs)}</staves>" if len(clefs) > 1 else ""
    return f"<attributes><divisions>{DIVISIONS}</divisions>{key}{time}{staves}{shown}</attributes>"


def _staves(bar: SheetBar, notes: NDArray[np.void], staves: int) -> str:
    """Return the notes of a bar, voice after voice, each from the beginning of the bar."""
    backup = f"<backup><duration>{bar.length}</duration></backup>"
    voices = []
    for staff in range(staves):
        own = notes[notes["staff"] == staff]
        found = [
            list(_items(bar, own[own["voice"] == voice])) for voice in range(max(own["voice"], default=0) + 1)
        ]
        signs = _signs(found, bar.fifths)
        for voice, items in enumerate(found):
            if items or not voice:
                voices.append(_voice(bar, items, staff, voice, bar.fifths, signs))
    return backup.join(voices)


def _items(bar: SheetBar, notes: NDArray[np.void]) -> Iterator[_Item]:
    """Yield the chords of a voice and the rests between them, in time."""
    now, end = 0, bar.length
    for onset in np.unique(notes["onset"]).tolist():
        chord = notes[notes["onset"] == onset]
        begin, until = onset - bar.start, onset - bar.start + int(chord["length"][0])
        at, stop = max(begin, 0), min(until, end)
        yield from _rests(now, at, bar.beat)
        pitches = tuple(chord[["pitch", "cents"]].tolist())
        symbols, now = split(at, stop - at, bar.beat), stop
        for place, symbol in enumerate(symbols):
            before, after = place > 0 or begin < 0, place + 1 < len(symbols) or until > end
            yield _Item(at, symbol, pitches, before, after)
            at += symbol.length
    if len(notes):
        yield from _rests(now, end, bar.beat)


def _rests(at: int, end: int, beat: int) -> Iterator[_Item]:
    for symbol in split(at, end - at, beat):
        yield _Item(at, symbol)
        at += symbol.length


def _signs(voices: Sequence[Sequence[_Item]], fifths: int) -> dict[tuple[int, int, tuple[int, int]], str]:
    """Return the accidentals of a staff in a bar by time, voice and pitch."""
    standing: dict[tuple[str, int], float] = {}
    placed = sorted((item.at, voice, item) for voice, items in enumerate(voices) for item in items)
    return {
        (at, voice, pitch): accidental(spelled(pitch[0], fifths, pitch[1]), standing, fifths)
        for at, voice, item in placed
        if not item.before
        for pitch in item.pitches
    }


def _voice(
    bar: SheetBar,
    items: Sequence[_Item],
    staff: int,
    voice: int,
    fifths: int,
    signs: dict[tuple[int, int, tuple[int, int]], str],
) -> str:
    where = f"<voice>{1 + voice + _VOICES * staff}</voice>"
    number = f"<staff>{staff + 1}</staff>"
    if not items:
        return f'<note><rest measure="yes"/><duration>{bar.length}</duration>{where}{number}</note>'
    written, tuplets = [], _tuplets(items, bar.beat)
    beamed = beams([(item.at, item.symbol if item.pitches else None) for item in items], bar.beat)
    for item, levels, tuplet in zip(items, beamed, tuplets, strict=True):
        duration = f"<duration>{item.symbol.length}</duration>"
        if not item.pitches and voice:  # rests of further voices clutter the page
            written.append(f"<forward>{duration}{where}{number}</forward>")
            continue
        value = f"<type>{item.symbol.kind}</type>{'<dot/>' * item.symbol.dotted}"
        ratio = "<actual-notes>3</actual-notes><normal-notes>2</normal-notes>"
        change = f"<time-modification>{ratio}</time-modification>" if item.symbol.triplet else ""
        joined = "".join(f'<beam number="{level}">{kind}</beam>' for level, kind in enumerate(levels, 1))
        if not item.pitches:
            written.append(
                f"<note><rest/>{duration}{where}{value}{change}{number}{_notations(tuplet)}</note>"
            )
        for place, pitch in enumerate(item.pitches):
            step, alter, octave = spelled(pitch[0], fifths, pitch[1])
            altered = f"<alter>{alter:g}</alter>" if alter else ""
            name = f"<pitch><step>{step}</step>{altered}<octave>{octave}</octave></pitch>"
            ties = ["stop"] * item.before + ["start"] * item.after
            tied = "".join(f'<tie type="{kind}"/>' for kind in ties)
            sign = signs.get((item.at, voice, pitch), "")
            shown = f"<accidental>{sign}</accidental>" if sign else ""
            marks = "".join(f'<tied type="{kind}"/>' for kind in ties) + (tuplet if not place else "")
            written.append(
                f"<note>{'<chord/>' * (place > 0)}{name}{duration}{tied}{where}{value}{shown}{change}{number}"
                f"{joined if not place else ''}{_notations(marks)}</note>"
            )
    return "".join(written)


def _tuplets(items: Sequence[_Item], beat: int) -> list[str]:
    """Return the marks at which brackets of triplets begin and end. A bracket lies within a beat."""
    found, is_open = [], False
    for index, item in enumerate(items):
        marks = ""
        if item.symbol.triplet:
            marks = "" if is_open else '<tuplet type="start" bracket="yes"/>'
            end = item.at + item.symbol.length
            is_open = end % beat > 0 and index + 1 < len(items) and items[index + 1].symbol.triplet
            marks += "" if is_open else '<tuplet type="stop"/>'
        found.append(marks)
    return found


def _notations(marks: str) -> str:
    return f"<notations>{marks}</notations>" if marks else ""
