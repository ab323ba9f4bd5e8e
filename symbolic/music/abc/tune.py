"""Read the lines of an abc tune: its header, its fields and the music of its voices in turn."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from symbolic.music.abc import fields
from symbolic.music.abc.macros import Macros
from symbolic.music.abc.tokens import ALTERATIONS, NOTE, TOKEN, written
from symbolic.music.abc.voice import Setting, Voice
from symbolic.music.notes import DRUM_PROGRAM

_FIELD = re.compile(r"[ \t]*(?![A-Ga-gxz]:[|:])([A-Za-z+]):(.*)")
"""A field. "G:|" is a note and a bar line."""
_COMMENT = re.compile(r"(?<!\\)%")
_SYLLABLE = re.compile(r"[^\W\d_][^\s\-_*|]*")
_NUMBER = re.compile(r"[+-]?\d{1,4}")
_FIRST_VOICE = "1"
"""Identifier of the voice that holds the music before any `V:` field."""
_MAX_VOICES = 65_536
_MOST_PROBLEMS = 20
_DRUM_CHANNEL = 10
_Value = TypeVar("_Value")


class Tune:
    """A tune that is read from its lines: the voices and what its header states for them.

    Args:
        lines: The lines from `X:` on. An empty line after music ends the tune.

    Attributes:
        voices: Voices by identifier in the order of the text.
        tempo: Quarters a minute by the header. None if it states none.
        problems: Fields that were left out, as sentences.
        left_out: Number of lines that were left out by their kind.

    Raises:
        OverflowError: If it has more voices, or longer rests, than any piece.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self.voices: dict[str, Voice] = {}
        self.tempo: float | None = None
        self.problems: list[str] = []
        self.left_out: dict[str, int] = {}
        self._defaults = Setting()
        self._tempo_field = ""
        self._programs: dict[int, int] = {}  # by MIDI channel, which is the number of the voice
        self._of_voices: list[tuple[str, str]] = []  # fields of the header that belong to single voices
        self._macros = Macros()
        self._voice: Voice | None = None  # None in the header
        self._key_was_read = False
        self._read(lines)
        self._start()

    def _read(self, lines: Sequence[str]) -> None:
        lines = _with_whole_fields(lines)
        key = next((index for index, line in enumerate(lines) if line.lstrip().startswith("K:")), -1)
        text, rest = 0, iter(enumerate(lines))
        for index, line in rest:
            if index < key and not line.startswith("%") and not _FIELD.match(line):
                text += bool(line.strip())
            elif self._voice is not None and not line.strip():
                break
            else:
                self._line(line)
        self.left_out["lines of the header that are no fields left out"] = text
        after = sum("|" in line and not line.startswith("%") and not _FIELD.match(line) for _, line in rest)
        self.left_out["lines of music after an empty line left out"] = after

    def _line(self, line: str) -> None:
        if line.startswith("%%"):
            self._field("I", line[2:])
            return
        line = _COMMENT.split(line, maxsplit=1)[0]
        if match := _FIELD.match(line):
            self._field(match[1], match[2])
        elif line.strip():
            self._music(line)

    def _music(self, line: str) -> None:
        voice = self._start()
        for match in TOKEN.finditer(self._macros.replaced(line)):
            if match.lastgroup == "field":
                self._field(match["name"], match["value"])
                voice = self._voice or voice
            else:
                voice.read(match)

    def _start(self, identifier: str = "") -> Voice:
        """End the header, begin the voices that it lists or else a first one, and return the voice to go on with.

        Args:
            identifier: Identifier of the first voice if the header lists none.
        """
        if self._voice is None:
            self._defaults.unit = self._defaults.unit or fields.default_unit(self._defaults.signature)
            self.tempo = self._value("Q", self._tempo_field, self._read_tempo)
            for letter, value in self._of_voices:
                if letter == "V":
                    self._go_on_with(value)
                else:
                    self._directive(value)
            self._voice = next(iter(self.voices.values()), None) or self._switch(identifier)
        return self._voice

    def _switch(self, identifier: str) -> Voice:
        """Go on with a voice, which may be new. "" is that of music that stands before any `V:` field."""
        key = identifier or _FIRST_VOICE
        if key not in self.voices:
            if len(self.voices) == _MAX_VOICES:
                raise OverflowError(f"it has more than {_MAX_VOICES:,} voices")
            setting = replace(self._defaults, shifts=dict(self._defaults.shifts))
            setting.program = self._programs.get(len(self.voices) + 1, setting.program)
            self.voices[key] = Voice(identifier, setting)
        self._voice = self.voices[key]
        return self._voice

    def _go_on_with(self, value: str) -> None:
        """Read a `V:` field: the identifier of a voice and what is stated of it."""
        identifier, about = (*value.split(maxsplit=1), "", "")[:2]
        voice = self._switch(identifier)
        voice.name = fields.voice_name(about) or voice.name or identifier
        voice.setting.shifts |= fields.shifts(about)

    def _field(self, letter: str, value: str) -> None:
        listing = self._voice is None and not self._key_was_read
        if listing and (letter == "V" or (letter == "I" and self._of_voices)):
            self._of_voices.append((letter, value))
        elif letter == "V":
            self._start(value.split(maxsplit=1)[0] if value.strip() else "")
            self._go_on_with(value)
        elif letter == "I":
            self._directive(value)
        elif letter == "K":
            self._key_was_read = True
            setting, key = self._setting(), fields.key_signature(value)
            if key is not None:
                setting.key = key
            elif value.lstrip()[:1].isupper():  # no clef
                self._leave_out(letter, value)
            setting.shifts |= fields.shifts(value)
        elif letter == "M":
            self._set_signature(value)
        elif letter == "L":
            self._setting().unit = self._value(letter, value, fields.unit_length) or self._setting().unit
        elif letter == "Q":
            self._set_tempo(value)
        elif letter == "w" and self._voice:
            self._voice.words += len(_SYLLABLE.findall(value))
        elif letter == "m" and not self._macros.add(value):
            self._leave_out(letter, value)

    def _setting(self) -> Setting:
        """Return what a field changes: the setting of the voice, or in the header that of all voices."""
        return self._voice.setting if self._voice else self._defaults

    def _set_signature(self, value: str) -> None:
        signature = self._value("M", value, fields.time_signature)
        if signature and self._voice:
            self._voice.set_signature(signature)
        elif signature:
            self._defaults.signature = signature

    def _set_tempo(self, value: str) -> None:
        if self._voice is None:
            self._tempo_field = value  # the header may state its unit later
        elif tempo := self._value("Q", value, self._read_tempo):
            self._voice.set_tempo(tempo)

    def _read_tempo(self, value: str) -> float | None:
        return fields.tempo(value, self._setting().unit or fields.default_unit((4, 4)))

    def _directive(self, value: str) -> None:
        """Follow a directive that changes pitches or instruments."""
        kind, *words = re.split(r"[\s=]+", value.strip())
        setting = self._setting()
        if kind == "propagate-accidentals" and words and words[0] in ("not", "octave", "pitch"):
            setting.spread = words[0]
        elif kind == "MIDI" and words:
            numbers = [int(word) for word in words[1:] if _NUMBER.fullmatch(word)]
            if words[0] == "program" and numbers and 0 <= numbers[-1] <= 127:
                self._set_program(setting, *numbers)
            elif words[0] == "channel" and numbers == [_DRUM_CHANNEL]:
                setting.program = DRUM_PROGRAM
            elif words[0] == "transpose" and numbers:
                setting.shifts["MIDI"] = numbers[0]
            elif words[0] == "rtranspose" and numbers:
                setting.shifts["MIDI"] = setting.shifts.get("MIDI", 0) + numbers[0]
            elif words[0] == "drummap" and numbers and (note := NOTE.fullmatch(words[1])):
                _, pitch = written(note)
                # All voices share these, as in abc2midi.
                setting.drums[pitch + ALTERATIONS.get(note["sign"], 0)] = numbers[-1]

    def _set_program(self, setting: Setting, *numbers: int) -> None:
        """Set the program of the voice, or in the header that of a channel or of all voices."""
        if self._voice is None and len(numbers) > 1:
            self._programs[numbers[0]] = numbers[-1]
        elif setting.program != DRUM_PROGRAM:
            setting.program = numbers[-1]

    def _value(self, letter: str, value: str, read: Callable[[str], _Value]) -> _Value | None:
        """Read a field, or note that it cannot be read."""
        try:
            return read(value)
        except ValueError:
            self._leave_out(letter, value)
            return None

    def _leave_out(self, letter: str, value: str) -> None:
        problem = f"the field '{letter}:{value.strip()[:40]}' cannot be read and is left out"
        if problem not in self.problems and len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(problem)


def _with_whole_fields(lines: Sequence[str]) -> list[str]:
    """Return lines without those that begin with "+:", which are put at the end of the field before."""
    found = list[str]()
    field = -1
    for line in lines:
        if line.startswith("+:") and field >= 0:
            found[field] = f"{_COMMENT.split(found[field], maxsplit=1)[0]} {line[2:]}"
            continue
        if not line.startswith("%"):
            field = len(found) if _FIELD.match(line) else -1
        found.append(line)
    return found
