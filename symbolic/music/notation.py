"""Collect the notes and bars of a written score and turn them into `Music`.

Times are exact fractions of a quarter note in written order: repeats are not unfolded and grace notes take no time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import MusicFileError
from symbolic.music.notes import DRUM_PROGRAM, NOTE, Music

RESOLUTION = 10_080
"""Ticks per quarter note. Every common tuplet divides it."""
VELOCITY = 64
"""Velocity of a note whose loudness is not written."""
_LAST_TICK = 2**31 - 1
_MAX_PARTS = np.iinfo(NOTE["track"]).max + 1
_LEAST_WORDS = 0.05
"""Least syllables to a note of what is sung."""
_BEFORE = {"continue", "stop"}
_AFTER = {"start", "continue"}


class Bar(NamedTuple):
    """A bar as it sounds: start and length in quarter notes and the time signature that holds in it.

    A pick-up, or the part of a bar before a repeat sign, is a bar of its own here.
    """

    start: Fraction
    length: Fraction
    numerator: int
    denominator: int


class Part:
    """The notes of one part: one track of the music.

    Args:
        name: Name of the track.
        program: MIDI program of notes that state none, 128 for drums. It may be changed at any time.

    Attributes:
        words: How many syllables its lyrics have.
    """

    def __init__(self, name: str = "", program: int = 0) -> None:
        self.name = name
        self.program = program
        self.words = 0
        self.notes: list[
            list[Any]
        ] = []  # onset, length, pitch, velocity, program, cents; ties change lengths
        # By pitch, cents and end, since voices may share a pitch: index and line of notes that wait for their ties.
        self._tied: dict[tuple[int, int, Fraction], list[tuple[int, Sequence[object]]]] = defaultdict(list)

    @property
    def sung(self) -> bool:
        """Whether it has lyrics. A few words in a long part are stage directions and cues."""
        return self.words > _LEAST_WORDS * len(self.notes)

    def add(
        self,
        onset: Fraction,
        length: Fraction,
        pitch: int,
        *,
        tie: str = "",
        line: Sequence[object] = (),
        velocity: int = VELOCITY,
        program: int | None = None,
        cents: int = 0,
    ) -> int:
        """Add a note or lengthen the note that a tie joins it to.

        Args:
            onset: Start in quarter notes.
            length: Length in quarter notes, 0 for a grace note.
            pitch: MIDI pitch. A note outside 0..127 is left out of the music.
            tie: "start", "continue", "stop" or "" for a note that is not tied. An end of a tie without a beginning
                is a note of its own.
            line: Where the note stands, such as its voice and its staff. Where ties of one pitch end together, the
                first of these that agrees decides which note goes on.
            velocity: MIDI velocity.
            program: MIDI program. By default the part's.
            cents: What it lies above its pitch. Ties join notes of the same cents.

        Returns:
            Index of the note in `notes`, which is the first note's where ties join.
        """
        waiting = self._tied.get((pitch, cents, onset)) if tie in _BEFORE else None
        if waiting:
            index, _ = chosen = waiting[0] if len(waiting) == 1 else _nearest(waiting, line)
            waiting.remove(chosen)
            self.notes[index][1] += length
        else:
            program = self.program if program is None else program
            index = len(self.notes)
            self.notes.append([onset, length, pitch, velocity, program, cents])
        if tie in _AFTER:
            self._tied[pitch, cents, onset + length].append((index, line))
        return index


def _nearest(
    waiting: Sequence[tuple[int, Sequence[object]]], line: Sequence[object]
) -> tuple[int, Sequence[object]]:
    """Return the first of some notes whose line agrees best with another. What stands first in a line weighs most."""
    return max(waiting, key=lambda note: [here == there for here, there in zip(note[1], line, strict=True)])


@dataclass
class Notation:
    """A written score while it is read.

    Attributes:
        parts: Parts in the order of the tracks.
        bars: Bars of all parts together by rising start.
        tempos: Quarter notes per minute by time in quarter notes.
        repairs: What was made, moved or left out, in words.
    """

    parts: list[Part] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    tempos: dict[Fraction, float] = field(default_factory=dict)
    repairs: list[str] = field(default_factory=list)

    def music(self, name: str) -> Music:
        """Return the music in ticks. A pick-up is moved to the end of a full bar, so that bars begin on downbeats.

        Args:
            name: Name of the score in errors.

        Raises:
            MusicFileError: If there are no parts, too many or times outside MIDI's range.
        """
        if not self.parts:
            raise MusicFileError(name, "it has no parts")
        if len(self.parts) > _MAX_PARTS:
            raise MusicFileError(name, f"it holds {len(self.parts):,} parts, more than {_MAX_PARTS:,}")
        time_signatures, pickup = time_signatures_of(self.bars)
        notes, outside = self._notes(name, pickup)
        tempos = {ticks(at + pickup): tempo for at, tempo in sorted(self.tempos.items())}
        if not tempos or min(tempos) > 0:
            # The first mark holds before it, as in a pick-up.
            tempos[0] = tempos[min(tempos)] if tempos else 120.0
        repairs = list(self.repairs)
        repairs += counted({"notes outside MIDI's pitches left out": outside})
        return Music(
            notes,
            RESOLUTION,
            time_signatures,
            np.array(sorted(tempos.items()), dtype=np.float64),
            tuple(part.name or f"part {index + 1}" for index, part in enumerate(self.parts)),
            tuple(repairs),
            sung=tuple(index for index, part in enumerate(self.parts) if part.sung),
        )

    def _notes(self, name: str, pickup: Fraction) -> tuple[NDArray[np.void], int]:
        """Return the notes that MIDI can hold part after part, and the number of the others."""
        found, outside = [], 0
        for track, part in enumerate(self.parts):
            for onset, length, pitch, velocity, program, cents in part.notes:
                if not 0 <= pitch <= 127:
                    outside += 1
                    continue
                start, duration = ticks(onset + pickup if pickup else onset), ticks(length)
                if start < 0 or duration < 0 or start + duration > _LAST_TICK:
                    raise MusicFileError(name, "its notes lie outside the 2^31 ticks of MIDI time")
                cents = 0 if program == DRUM_PROGRAM else cents
                found.append((start, duration, pitch, min(max(velocity, 1), 127), program, track, cents))
        return np.array(found, dtype=NOTE), outside


def altered(semitones: int | Fraction) -> tuple[int, int]:
    """Divide an alteration of a note into whole semitones and cents.

    Half a semitone is kept as 50 cents, so that a quarter tone above C is a C.

    Args:
        semitones: By how much the note is altered. Microtones are fractions.

    Returns:
        Whole semitones, and from -50 to 50 cents.
    """
    if isinstance(semitones, int):
        return semitones, 0
    whole = ceil(abs(semitones) - Fraction(1, 2))
    whole = whole if semitones > 0 else -whole
    return whole, round(100 * (semitones - whole))


def counted(repairs: Mapping[str, int]) -> list[str]:
    """Return repairs in words with how often each was made, such as "silent cue notes left out: 3"."""
    return [f"{repair}: {count:,}" for repair, count in repairs.items() if count]


def time_signatures_of(bars: Sequence[Bar]) -> tuple[NDArray[np.int64], Fraction]:
    """Return the time signatures of bars and the time by which a pick-up shifts everything.

    A bar that only continues the one before it, as at a repeat sign, begins no bar. A bar out of step begins one by
    a time signature of its own.

    Args:
        bars: Bars by rising start.

    Returns:
        (M, 3) int64 of tick, numerator and denominator and the shift in quarter notes.
    """
    if not bars:
        return np.array([[0, 4, 4]], dtype=np.int64), Fraction(0)
    events: list[tuple[int, int, int]] = []
    signature: tuple[int, int] | None = None
    pickup, expected = Fraction(0), Fraction(0)
    for index, (start, length, numerator, denominator) in enumerate(bars):
        full = Fraction(4 * numerator, denominator)
        if index == 0 and len(bars) > 1 and 0 < length < full:
            pickup = full - length
        at = start + pickup if index else start
        inside = at < expected and at + length <= expected
        if (numerator, denominator) != signature or (at != expected and not inside):
            events.append((ticks(at), numerator, denominator))
            signature, expected = (numerator, denominator), at + full
        elif at == expected:
            expected += full
    return np.array(events, dtype=np.int64), pickup


def ticks(quarters: Fraction) -> int:
    """Return `round(quarters * RESOLUTION)`, several times as fast."""
    whole, rest = divmod(quarters.numerator * RESOLUTION, quarters.denominator)
    twice = 2 * rest - quarters.denominator
    return whole + (whole & 1 if twice == 0 else twice > 0)
