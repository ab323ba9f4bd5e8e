"""Convert music21 scores to music.

Repeats are not unfolded. A pick-up is moved to the end of a full bar, so that bars begin on downbeats.
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from symbolic.errors import MusicFileError
from symbolic.music.notes import DRUM_PROGRAM, NOTE, Music

if TYPE_CHECKING:
    from music21.stream import Score

RESOLUTION = 10_080
"""Ticks per quarter note. Every common tuplet divides it."""
_VELOCITY = 64


def from_music21(score: Score, name: str = "music21.stream.Score") -> Music:
    """Convert a music21 score to music with one track for each part.

    Args:
        score: A `music21.stream.Score`. Parts without measures are divided into measures.
        name: Name of the score in errors.

    Raises:
        MusicFileError: If its notes cannot be read.
    """
    try:
        if any(not part.getElementsByClass("Measure") for part in score.parts):
            score = score.makeNotation()
        if any(part.getInstrument(returnDefault=True).transposition for part in score.parts):
            score = score.toSoundingPitch()
        return _collect(score, name)
    except MusicFileError:
        raise
    except Exception as error:  # music21 raises all kinds
        raise MusicFileError(name, f"music21 cannot read it ({type(error).__name__}: {error})") from error


def _collect(score: Any, name: str) -> Music:
    parts = list(score.parts)
    if not parts:
        raise MusicFileError(name, "it has no parts")
    time_signatures, pickup = _bars(parts[0])
    found: list[tuple[int, int, int, int, int, int]] = []
    for index, part in enumerate(parts):
        found.extend(_part_notes(part, index, pickup))
    notes = np.array(found, dtype=NOTE)
    tempos: dict[int, float] = {}
    for part in reversed(parts):  # at one time, the mark of the first part holds
        tempos |= {
            _ticks(mark.getOffsetInHierarchy(part) + pickup): float(mark.getQuarterBPM())
            for mark in part.recurse().getElementsByClass("MetronomeMark")
            if mark.getQuarterBPM()
        }
    if not tempos or min(tempos) > 0:
        # The first mark holds before it, as in a pick-up.
        tempos[0] = tempos[min(tempos)] if tempos else 120.0
    names = tuple(str(part.partName or f"part {i + 1}") for i, part in enumerate(parts))
    unpitched = len(score.recurse().getElementsByClass(["Unpitched", "PercussionChord"]))
    repairs = (f"{unpitched} unpitched percussion notes left out",) if unpitched else ()
    return Music(
        notes, RESOLUTION, time_signatures, np.array(sorted(tempos.items()), dtype=np.float64), names, repairs
    )


def _ticks(quarters: float | Fraction) -> int:
    return round(quarters * RESOLUTION)


def _bars(part: Any) -> tuple[np.ndarray, float]:
    """Return the time signatures in ticks and the quarters by which a pick-up shifts everything.

    A measure that only continues the bar before it, as at a repeat sign, begins no bar. A measure out of step
    begins one by a time signature of its own.
    """
    measures = list(part.getElementsByClass("Measure"))
    if not measures:
        return np.array([[0, 4, 4]], dtype=np.int64), 0.0
    numerator, denominator, bar = 4, 4, 4.0
    events: list[tuple[int, int, int]] = []
    expected, pickup = None, 0.0
    for index, measure in enumerate(measures):
        signature, changed = measure.timeSignature, False
        if signature is not None:
            changed = (signature.numerator, signature.denominator) != (numerator, denominator)
            numerator, denominator = signature.numerator, signature.denominator
            bar = float(signature.barDuration.quarterLength)
        length = float(measure.duration.quarterLength)
        if index == 0 and len(measures) > 1 and 0 < length < bar:
            pickup = bar - length
        start = float(measure.offset) + (pickup if index else 0.0)
        inside = expected is not None and start < expected and start + length <= expected
        if expected is None or changed or (start != expected and not inside):
            events.append((_ticks(start), numerator, denominator))
            expected = start + bar
        elif start == expected:
            expected += bar
    return np.array(events, dtype=np.int64), pickup


def _part_notes(part: Any, index: int, pickup: float) -> list[tuple[int, int, int, int, int, int]]:
    """Return the notes of a part as `NOTE` tuples with ties joined."""
    instrument = part.getInstrument(returnDefault=True)
    drum = instrument.midiChannel == 9
    program = DRUM_PROGRAM if drum else instrument.midiProgram or 0
    notes: list[list[int]] = []
    # By pitch and end, since voices may share a pitch.
    tied: dict[tuple[int, int], list[list[int]]] = defaultdict(list)
    for offset, element in _elements(part):
        onset, length = _ticks(offset + pickup), _ticks(element.duration.quarterLength)
        velocity = min(element.volume.velocity or _VELOCITY, 127) if element.volume else _VELOCITY
        for single in element.notes if element.isChord else (element,):
            pitch = int(single.pitch.midi)
            tie = single.tie  # a chord would return the tie of any of its notes
            if tie and tie.type in ("continue", "stop") and tied[pitch, onset]:
                note = tied[pitch, onset].pop(0)
                note[1] += length
            else:
                note = [onset, length, pitch, velocity, program, index]
                notes.append(note)
            if tie and tie.type in ("start", "continue"):
                tied[pitch, note[0] + note[1]].append(note)
    return [tuple(note) for note in notes if 0 <= note[2] <= 127]  # type: ignore[misc]


def _elements(part: Any) -> list[tuple[Any, Any]]:
    """Return the offset in quarters and the element of each note and chord, in time order, no chord symbols."""
    found = []
    for measure in part.getElementsByClass("Measure") or [part]:
        for stream in [measure, *measure.voices]:
            start = measure.offset + (stream.offset if stream is not measure else 0)
            for element in stream.notes:
                if element.isNote or (element.isChord and "Harmony" not in element.classes):
                    found.append((start + element.offset, element))
    return sorted(found, key=lambda pair: pair[0])
