"""Convert music21 scores to music."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from symbolic.errors import MusicFileError
from symbolic.music.notation import VELOCITY, Bar, Notation, Part, altered, counted
from symbolic.music.notes import DRUM_PROGRAM, Music

if TYPE_CHECKING:
    from music21.stream import Stream

_FINEST = 1000
"""Largest denominator of an alteration in semitones."""


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
        if any(part.getInstrument(returnDefault=True).transposition for part in score.parts):
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
    unpitched = len(score.recurse().getElementsByClass(["Unpitched", "PercussionChord"]))
    notation.repairs += counted({"unpitched percussion notes left out": unpitched})
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
    instrument = part.getInstrument(returnDefault=True)
    drum = instrument.midiChannel == 9
    found = Part(str(part.partName or ""), DRUM_PROGRAM if drum else instrument.midiProgram or 0)
    for offset, voice, element in _elements(part):
        found.words += bool(element.lyrics)
        velocity = element.volume.velocity or VELOCITY if element.volume else VELOCITY
        for single in element.notes if element.isChord else (element,):
            tie = single.tie  # a chord would return the tie of any of its notes
            semitones, cents = altered(Fraction(single.pitch.alter).limit_denominator(_FINEST))
            found.add(
                Fraction(offset),
                Fraction(element.duration.quarterLength),
                round(single.pitch.ps - single.pitch.alter) + semitones,
                tie=tie.type if tie and tie.type in ("start", "continue", "stop") else "",
                line=(voice,),
                velocity=velocity,
                cents=cents,
            )
    return found


def _elements(part: Any) -> list[tuple[Any, str, Any]]:
    """Return offset in quarters, voice and element of each note and chord, in time order, no chord symbols."""
    found = []
    for measure in part.getElementsByClass("Measure") or [part]:
        for stream in [measure, *measure.voices]:
            start = measure.offset + (stream.offset if stream is not measure else 0)
            for element in stream.notes:
                if element.isNote or (element.isChord and "Harmony" not in element.classes):
                    voice = str(stream.id) if stream is not measure else ""
                    found.append((start + element.offset, voice, element))
    return sorted(found, key=lambda pair: pair[0])
