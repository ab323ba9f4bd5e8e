"""The instruments of a MusicXML part: MIDI programs and drums by their ids."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from symbolic.music.instruments import drum_of, program_of
from symbolic.music.musicxml.values import number
from symbolic.music.notes import DRUM_PROGRAM

_DRUM_CHANNEL = 10


@dataclass
class Instrument:
    """One instrument of a part.

    Attributes:
        names: Its names and its sound, the most telling first.
        channel: MIDI channel from 1. 0 where none is stated.
        program: MIDI program from 0. None where none is stated.
        unpitched: MIDI pitch of its strokes. None where none is stated.
    """

    names: tuple[str, ...] = ()
    channel: int = 0
    program: int | None = None
    unpitched: int | None = None

    def read_midi(self, element: Element) -> None:
        """Take what a `<midi-instrument>` states."""
        if channel := _within(element.findtext("midi-channel"), 16):
            self.channel = channel
        if program := _within(element.findtext("midi-program"), 128):
            self.program = program - 1
        if stroke := _within(element.findtext("midi-unpitched"), 128):
            self.unpitched = stroke - 1

    @property
    def sounding_program(self) -> int:
        """MIDI program by its number or else by its names. 128 for drums, 0 for the unknown."""
        if self.channel == _DRUM_CHANNEL:
            return DRUM_PROGRAM
        if self.program is not None:
            return self.program
        return next((found for name in self.names if (found := program_of(name)) is not None), 0)

    @property
    def stroke(self) -> int | None:
        """MIDI pitch of its strokes by its number or else by its names. None for the unknown."""
        if self.unpitched is not None:
            return self.unpitched
        return next((found for name in self.names if (found := drum_of(name)) is not None), None)


def read_instruments(score_part: Element | None) -> dict[str, Instrument]:
    """Return the instruments of a part by their ids, the first one first. One at least.

    Args:
        score_part: The part's entry in the list of parts. None where it has none.
    """
    if score_part is None:
        return {"": Instrument()}
    part_name = score_part.findtext("part-name") or ""
    found: dict[str, Instrument] = {}
    for element in score_part.iter("score-instrument"):
        sound, own = element.findtext("instrument-sound") or "", element.findtext("instrument-name") or ""
        found[element.get("id", "")] = Instrument((sound, own, part_name))
    for element in score_part.iter("midi-instrument"):
        found.setdefault(element.get("id", ""), Instrument((part_name,))).read_midi(element)
    return found or {"": Instrument((part_name,))}


def part_name(score_part: Element | None) -> str:
    """Return the name of a part or that of its first instrument. "" where it has none."""
    if score_part is None:
        return ""
    names = (score_part.findtext("part-name"), score_part.findtext("score-instrument/instrument-name"))
    return next((name for one in names if (name := " ".join((one or "").split()))), "")


def _within(text: str | None, highest: int) -> int | None:
    value = number(text)
    return value if isinstance(value, int) and 1 <= value <= highest else None
