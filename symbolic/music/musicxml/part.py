"""Walk through the measures of a MusicXML part: notes, backup, forward, chord, and what changes on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple, TypeAlias
from xml.etree.ElementTree import Element

from symbolic.music.musicxml import values
from symbolic.music.musicxml.sounds import Instrument, read_instruments
from symbolic.music.notation import VELOCITY
from symbolic.music.notes import DRUM_PROGRAM

Time: TypeAlias = int | Fraction
"""A time in the units of the score, of which `Score.unit` make a quarter note."""


class WrittenNote(NamedTuple):
    """A note as it is written, tied or not. Times count from its measure."""

    onset: Time
    measure: int
    length: Time
    pitch: int
    tie: str
    velocity: int
    program: int
    staff: int
    element: Element
    cents: int = 0


class Signature(NamedTuple):
    """A time signature, at a time within a measure."""

    measure: int
    onset: Time
    numerator: int
    denominator: int


class Mark(NamedTuple):
    """A tempo, at a time within a measure."""

    measure: int
    onset: Time
    metronome: values.Metronome


class PartReader:
    """Collects what stands in a part. One object reads one part.

    Args:
        score_part: The part's entry in the list of parts.
        unit: Units of time to the quarter note: a multiple of all divisions.
        silent_cues: Whether cue notes are silent, as the standard says.

    Attributes:
        notes: The notes, in the order of the document.
        lengths: Length of each measure: the latest time that its notes and the rests among them reach.
        reached: The latest time that anything in each measure reaches: rests of whole bars, hidden ones and
            `<forward>` too.
        signatures: Changes of the time signature.
        sounds: Tempos for playback.
        marks: Metronome marks.
        instruments: Its instruments by their ids, as they are at the end.
        repairs: How often each kind of repair was made.
    """

    def __init__(self, score_part: Element | None, unit: int, silent_cues: bool = True) -> None:
        self.notes: list[WrittenNote] = []
        self.lengths: list[Time] = []
        self.reached: list[Time] = []
        self.signatures: list[Signature] = []
        self.sounds: list[Mark] = []
        self.marks: list[Mark] = []
        self.repairs: Counter[str] = Counter()
        self._unit = unit
        self._silent_cues = silent_cues
        self._factor: Time = unit  # units in one division
        self.instruments = read_instruments(score_part)
        self._only = next(iter(self.instruments.values()))
        self._sounding: dict[str, tuple[int, int | None]] = {}
        self._transposed: dict[int, tuple[int, int]] = {}  # by staff; 0 is all staves
        self._voice_staff: dict[str, int] = {}
        self._now: Time = 0
        self._latest: Time = 0
        self._seen: Time = 0  # latest end of a note or a rest that counts
        self._before: Time = 0  # onset of the note that a chord joins

    def read(self, measures: Iterable[Iterable[Element]]) -> None:
        """Read the measures in their order."""
        steps = {
            "note": self._note,
            "backup": self._backup,
            "forward": self._forward,
            "attributes": self._attributes,
            "direction": self._direction,
            "sound": self._sound,
        }
        for measure in measures:
            self._now = self._latest = self._seen = self._before = 0
            for element in measure:
                if step := steps.get(element.tag):
                    step(element)
            self.lengths.append(self._seen)
            self.reached.append(self._latest)

    @property
    def _measure(self) -> int:
        return len(self.lengths)

    def _move(self, time: Time) -> None:
        self._now += time
        if self._now < 0:
            self._now = 0
            self.repairs["times before a bar's start moved to it"] += 1
        elif self._now > self._latest:
            self._latest = self._now

    def _duration(self, text: str | None) -> Time:
        value = values.number(text)
        if value is None:
            self.repairs["unreadable durations taken as none"] += 1
            return 0
        return value * self._factor

    def _backup(self, element: Element) -> None:
        self._move(-self._duration(element.findtext("duration")))

    def _forward(self, element: Element) -> None:
        self._move(self._duration(element.findtext("duration")))

    def _note(self, note: Element) -> None:
        duration: Time | None = None
        grace = chord = silent = whole = False
        kind: Element | None = None
        voice, staff, instrument, ties = "", 0, "", ""
        for child in note:
            match child.tag:
                case "pitch" | "unpitched":
                    kind = child
                case "rest":
                    whole = child.get("measure") == "yes"
                case "duration":
                    duration = self._duration(child.text)
                case "voice":
                    voice = child.text or ""
                case "chord":
                    chord = True
                case "staff":
                    staff = _staff(child.text)
                case "grace":
                    grace = True
                case "cue":
                    silent = self._silent_cues
                case "tie":
                    ties += child.get("type", "")
                case "instrument":
                    instrument = child.get("id", "")
        if staff:
            self._voice_staff[voice] = staff
        else:
            staff = self._voice_staff.get(voice, 1)
        onset = self._before if chord else self._now
        length: Time = 0
        if grace:
            self._before = onset
        else:
            length = self._length(note, duration)
            if not chord:
                self._before = onset
                self._move(length if duration is None else duration)
                if kind is not None or not (whole or note.get("print-object") == "no"):
                    self._seen = max(self._seen, self._now)
        if kind is None:
            return
        if silent and note.get("print-object") != "no":
            # A cue that is not printed is how programs write out an ornament: it sounds.
            self.repairs["silent cue notes left out"] += 1
            return
        self._sound_note(note, kind, onset, length, _tie(ties), staff, instrument)

    def _length(self, note: Element, duration: Time | None) -> Time:
        """Return the length of a note: its duration, or that of its type where the duration cannot be one."""
        if duration is not None and duration >= 0:
            return duration
        self.repairs["notes without a duration given that of their type"] += 1
        return values.typed_length(note) * self._unit

    def _sound_note(
        self, note: Element, kind: Element, onset: Time, length: Time, tie: str, staff: int, instrument: str
    ) -> None:
        program, stroke = self._program(instrument)
        doubling = cents = 0
        if kind.tag == "unpitched":
            if stroke is None:
                self.repairs["unpitched percussion notes left out"] += 1
                return
            pitch, program = stroke, DRUM_PROGRAM
        else:
            written = values.pitch(kind)
            if written is None:
                self.repairs["notes without a readable pitch left out"] += 1
                return
            pitch, cents = written
            if self._transposed:
                semitones, doubling = self._transposed.get(staff) or self._transposed.get(0, (0, 0))
                pitch += semitones
        velocity = values.velocity(note.get("dynamics"), VELOCITY)
        for one in (pitch, pitch + doubling) if doubling else (pitch,):
            if 0 <= one <= 127:
                self.notes.append(
                    WrittenNote(onset, self._measure, length, one, tie, velocity, program, staff, note, cents)
                )
            else:
                self.repairs["notes outside MIDI's pitches left out"] += 1

    def _program(self, instrument: str) -> tuple[int, int | None]:
        """Return the program of an instrument and the pitch of its strokes."""
        if (found := self._sounding.get(instrument)) is None:
            one = self.instruments.get(instrument, self._only)
            found = self._sounding[instrument] = one.sounding_program, one.stroke
        return found

    def _attributes(self, element: Element) -> None:
        for child in element:
            match child.tag:
                case "divisions":
                    divisions = values.number(child.text)
                    if divisions and divisions > 0:
                        self._factor = Fraction(self._unit) / divisions
                        if self._factor.denominator == 1:
                            self._factor = int(self._factor)
                case "time":
                    if (found := values.time_signature(child)) and child.get("number", "1") == "1":
                        self.signatures.append(Signature(self._measure, self._now, *found))
                case "measure-style":
                    signs = (one.get("type") for one in child.findall("measure-repeat"))
                    self.repairs["signs that repeat bars left out"] += "start" in signs
                case "transpose":
                    staff = _staff(child.get("number"), otherwise=0)
                    if not staff:
                        self._transposed.clear()
                    self._transposed[staff] = values.transposition(child)

    def _direction(self, element: Element) -> None:
        offset = element.find("offset")
        moved = self._now if offset is None else max(self._now + self._duration(offset.text), 0)
        for mark in element.iter("metronome"):
            if found := values.metronome(mark):
                self.marks.append(Mark(self._measure, moved, found))
        for sound in element.iter("sound"):
            # The offset of a direction moves its look alone, unless it says otherwise.
            with_sound = offset is not None and offset.get("sound") == "yes"
            self._sound(sound, moved if with_sound else self._now)

    def _sound(self, element: Element, onset: Time | None = None) -> None:
        at = self._now if onset is None else onset
        if (offset := element.find("offset")) is not None:
            at = max(self._now + self._duration(offset.text), 0)
        if (stated := element.get("tempo")) is not None:
            if tempo := values.tempo(stated):
                self.sounds.append(Mark(self._measure, at, values.Metronome(tempo)))
            else:
                self.repairs["unreadable tempos left out"] += 1
        for change in element.iter("midi-instrument"):
            self._change(change.get("id", "")).read_midi(change)
        for change in element.iter("instrument-change"):
            if sound := change.findtext("instrument-sound"):
                one = self._change(change.get("id", ""))
                one.names, one.program = (sound, *one.names), None

    def _change(self, instrument: str) -> Instrument:
        """Return an instrument that is about to change."""
        self._sounding.clear()
        return self.instruments.get(instrument, self._only)


def _staff(text: str | None, otherwise: int = 1) -> int:
    value = values.number(text)
    return value if isinstance(value, int) and value > 0 else otherwise


def _tie(ties: str) -> str:
    """Return the tie of a note from the types of its `<tie>` elements."""
    if "start" in ties:
        return "continue" if "stop" in ties else "start"
    return "stop" if "stop" in ties else ""
