"""Convert music21 scores to music."""

from __future__ import annotations

from fractions import Fraction
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from symbolic.errors import MusicFileError
from symbolic.music.instruments import program_of
from symbolic.music.notation import VELOCITY, Bar, Notation, Part, altered, counted
from symbolic.music.notes import DRUM_PROGRAM, Music

if TYPE_CHECKING:
    from music21.stream import Stream

_FINEST = 1000
"""Largest denominator of an alteration in semitones."""
_UNPITCHED = ["Unpitched", "PercussionChord"]
_DRUM_CHANNEL = 9
_OFFSET = itemgetter(0)


def from_music21(given: Stream, name: str = "music21.stream") -> Music:
    """Convert a music21 score to music with one track for each part.

    Args:
        given: A score, or a part or another stream of notes. What has no measures is divided into measures.
        name: Name of the score in errors.

    Raises:
        MusicFileError: If its notes cannot be read, or it is an opus of several scores.
    """
    if "Opus" in given.classes:
        raise MusicFileError(name, "it holds several scores", "Pass its scores one by one.")
    try:
        score = _score_of(given)
        if any(not part.getElementsByClass("Measure") for part in score.parts):
            score = score.makeNotation()
        if any(one.transposition for one in score.recurse().getElementsByClass("Instrument")):
            score = score.toSoundingPitch()
        return _notation(score).music(name)
    except MusicFileError:
        raise
    except Exception as error:  # music21 raises all kinds
        raise MusicFileError(name, f"music21 cannot read it ({type(error).__name__}: {error})") from error


def _score_of(given: Any) -> Any:
    """Return a score itself; of another stream a score of its parts, or of itself as the only part."""
    from music21 import stream

    if isinstance(given, stream.Score):
        return given
    parts = [given] if isinstance(given, stream.Part) else list(given.getElementsByClass("Part"))
    if not parts:
        parts = [stream.Part()]
        for element in given:
            parts[0].insert(given.elementOffset(element), element)
    score = stream.Score()
    for part in parts:
        score.insert(0, part)
    return score


def _notation(score: Any) -> Notation:
    notation = Notation()
    for part in score.parts:
        notation.parts.append(_part(part))
        for mark in part.recurse().getElementsByClass("MetronomeMark"):
            if tempo := mark.getQuarterBPM():
                # At one time, the mark of the first part holds.
                notation.tempos.setdefault(Fraction(mark.getOffsetInHierarchy(part)), float(tempo))
    if notation.parts:
        notation.bars = _bars(score.parts[0])
    strokes = [one for element in score.recurse().getElementsByClass(_UNPITCHED) for one in _singles(element)]
    unknown = sum("Unpitched" in one.classes and _stroke(one) is None for one in strokes)
    notation.repairs += counted({"unpitched percussion notes left out": unknown})
    return notation


def _bars(part: Any) -> list[Bar]:
    signature, bars = (4, 4), []
    for measure in part.getElementsByClass("Measure"):
        if (stated := measure.timeSignature) is not None:
            signature = stated.numerator, stated.denominator
        bars.append(Bar(Fraction(measure.offset), Fraction(measure.duration.quarterLength), *signature))
    return bars


def _part(part: Any) -> Part:
    """Return the notes of a part with ties joined."""
    programs = _programs(part)
    found = Part(str(part.partName or ""), programs[0][1])
    for offset, voice, element in _elements(part):
        found.words += bool(element.lyrics)
        program = next((program for since, program in reversed(programs) if since <= offset), programs[0][1])
        velocity = element.volume.velocity or VELOCITY if element.volume else VELOCITY
        for single in _singles(element):
            tie = single.tie  # a chord would return the tie of any of its notes
            if "Unpitched" in single.classes:
                if (pitch := _stroke(single)) is None:
                    continue
                cents, own = 0, DRUM_PROGRAM
            else:
                semitones, cents = altered(Fraction(single.pitch.alter).limit_denominator(_FINEST))
                pitch, own = round(single.pitch.ps - single.pitch.alter) + semitones, program
            found.add(
                Fraction(offset),
                Fraction(element.duration.quarterLength),
                pitch,
                tie=tie.type if tie and tie.type in ("start", "continue", "stop") else "",
                line=(voice,),
                velocity=velocity,
                program=own,
                cents=cents,
            )
    return found


def _programs(part: Any) -> list[tuple[Any, int]]:
    """Return the MIDI programs of a part, 128 for drums, and the offsets from which they hold. One at least."""
    found = []
    for one in part.recurse().getElementsByClass("Instrument"):
        program = one.midiProgram
        if one.midiChannel == _DRUM_CHANNEL:
            program = DRUM_PROGRAM
        elif program is None:
            program = program_of(one.instrumentName or one.partName or "") or 0
        found.append((one.getOffsetInHierarchy(part), program))
    return sorted(found, key=_OFFSET) or [(0, program_of(str(part.partName or "")) or 0)]


def _singles(element: Any) -> Any:
    """Return the notes of a chord, or the note itself."""
    return getattr(element, "notes", (element,))


def _stroke(note: Any) -> int | None:
    """Return the key on the drum kit of an unpitched note. None where its instrument has none or is not known."""
    key = getattr(note.storedInstrument, "percMapPitch", None)
    return key if isinstance(key, int) else None


def _elements(part: Any) -> list[tuple[Any, str, Any]]:
    """Return offset in quarters, voice and element of each note and chord, in time order, no chord symbols."""
    found = []
    for measure in part.getElementsByClass("Measure") or [part]:
        for stream in [measure, *measure.voices]:
            start = measure.offset + (stream.offset if stream is not measure else 0)
            for element in stream.notes:
                if "Harmony" not in element.classes:
                    voice = str(stream.id) if stream is not measure else ""
                    found.append((start + element.offset, voice, element))
    return sorted(found, key=_OFFSET)
