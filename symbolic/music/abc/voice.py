"""Read the music text of one voice of an abc tune: notes, chords, rests, bar lines and what changes their lengths."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from symbolic.music.abc.bars import Bars, Note, VoiceBar
from symbolic.music.abc.tokens import NOTE, OUTSIDE_CHORDS, alteration, multiple, written
from symbolic.music.notation import RESOLUTION, altered
from symbolic.music.notes import DRUM_PROGRAM

_TUPLETS = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}
"""Notes in the time of which a tuplet of so many is played. Of others, 3 in compound time and else 2."""
_FINEST = 2**40
"""Largest denominator of a time. Beyond, times are rounded to ticks, for sums of fractions could grow without end."""
_MAX_RESTS = 65_536
"""Largest number of bars of rest that a voice states by numbers."""


@dataclass
class Setting:
    """The state of a voice at a place by fields and directives.

    Attributes:
        key: Alteration in semitones of each letter that has one.
        unit: Quarters of a note without a length. None until the header ends.
        signature: Time signature. (4, 4) in free time.
        shifts: Semitones of transposition by the parameter that states them.
        program: MIDI program, 128 for drums.
        spread: Notes for which an accidental holds to the end of the bar: "pitch" for its letter in all octaves,
            "octave" for its own octave, "not" for itself alone.
        drums: MIDI pitch of a drum by the pitch that is written for it.
    """

    key: dict[str, int | Fraction] = field(default_factory=dict)
    unit: Fraction | None = None
    signature: tuple[int, int] = (4, 4)
    shifts: dict[str, int] = field(default_factory=dict)
    program: int = 0
    spread: str = "pitch"
    drums: dict[int, int] = field(default_factory=dict)

    def sounding(self, pitch: int) -> int:
        """Return the MIDI pitch that sounds where one is written."""
        if self.program == DRUM_PROGRAM:
            return self.drums.get(pitch, pitch)
        # Players that know "MIDI transpose" do not know "-8va": it is for print where both stand.
        return pitch + sum(
            by for kind, by in self.shifts.items() if kind != "8va" or "MIDI" not in self.shifts
        )


class Voice:
    """One voice of a tune. It reads the matches of `TOKEN` in turn and collects bars.

    Args:
        name: Name of the voice.
        setting: What holds at its start. Fields change it as the voice goes on.

    Attributes:
        words: How many syllables its lyrics have.
        strays: Number of characters that mean nothing.
        unclosed: Number of quotation marks without a second one, which take the rest of their line.
    """

    def __init__(self, name: str, setting: Setting) -> None:
        self.name = name
        self.setting = setting
        self.words = 0
        self.strays = self.unclosed = 0
        self._bars = Bars(setting.signature)
        self._accidentals: dict[tuple[str, int], int | Fraction] = {}
        # Notes at which a tie begins, by end and pitch with cents; such pitches by end and place.
        self._tied: dict[tuple[Fraction, tuple[int, int]], list[Note]] = {}
        self._tied_places: dict[tuple[Fraction, tuple[str, int]], tuple[int, int]] = {}
        self._tuplet, self._in_tuplet = Fraction(1), 0
        self._last: list[Note] = []
        self._element: tuple[Fraction, int] | None = None  # length of the last, and notes of the bar up to it
        self._broken = ""  # the mark of broken rhythm after it
        self._rests = 0

    def read(self, match: re.Match[str]) -> None:
        """Read one match of `TOKEN`.

        Raises:
            OverflowError: If the voice rests for more bars than any piece has.
        """
        if handler := _HANDLERS.get(match.lastgroup or ""):
            handler(self, match)

    @property
    def overfull(self) -> int:
        """Number of bars that an overlay does not fit into."""
        return self._bars.overfull

    def end(self) -> list[VoiceBar]:
        """Close the last bar and return all."""
        return self._bars.finished()

    def set_signature(self, signature: tuple[int, int]) -> None:
        """Change the time signature. Within a bar, what was read of it becomes a bar by itself."""
        if signature != self._bars.bar.signature and self._bars.is_open:
            self._close()
            self._break_off()
            self._bars.bar.signature = self.setting.signature = signature

    def set_tempo(self, tempo: float) -> None:
        """Change the quarters a minute from here on."""
        self._bars.bar.tempos.append((self._bars.now, tempo))

    def _read_note(self, match: re.Match[str]) -> None:
        length = self._begin(match["length"])
        self._advance(length, [self._sound(match, length)])

    def _read_rest(self, match: re.Match[str]) -> None:
        self._advance(self._begin(match["rest_length"]), [])

    def _read_chord(self, match: re.Match[str]) -> None:
        self._chord(OUTSIDE_CHORDS.sub("", match["inside"]), match["chord_length"])

    def _read_old_chord(self, match: re.Match[str]) -> None:
        self._chord(match["between"], "")

    def _chord(self, inside: str, outer: str) -> None:
        """Read the notes of a chord. It lasts as long as its first note."""
        found = list(NOTE.finditer(inside))
        if not found:
            self.strays += 1
            return
        first = multiple(found[0]["length"])
        unit = self._begin(outer, first) / first
        notes = []
        for match in found:
            note = self._sound(match, unit * multiple(match["length"]))
            note.after = inside.startswith("-", match.end())
            notes.append(note)
        self._advance(notes[0].length, notes)

    def _read_grace(self, match: re.Match[str]) -> None:
        for note in NOTE.finditer(match["graces"]):
            self._bars.bar.notes.append(self._sound(note, Fraction(0), joins=False))

    def _read_tie(self, match: re.Match[str]) -> None:
        for note in self._last:
            note.after = True

    def _read_broken(self, match: re.Match[str]) -> None:
        """Note a mark such as '>' until the length of the next note is known."""
        if self._element is None or self._broken:
            self.strays += 1
        else:
            self._broken = match[0]

    def _read_tuplet(self, match: re.Match[str]) -> None:
        p = int(match["p"])
        if p:
            compound = self._bars.bar.signature[0] % 3 == 0
            q = int(match["q"] or 0) or _TUPLETS.get(p) or (3 if compound else 2)
            self._tuplet, self._in_tuplet = Fraction(q, p), int(match["r"] or 0) or p

    def _read_bar(self, match: re.Match[str]) -> None:
        self._close()
        self._accidentals.clear()
        self._break_off()

    def _read_bars_of_rest(self, match: re.Match[str]) -> None:
        count = int(match["bars"] or 1)
        self._rests += count
        if self._rests > _MAX_RESTS:
            raise OverflowError(f"a voice rests for more than {_MAX_RESTS:,} bars")
        self._break_off()
        self._settle_ties()
        for _ in range(count):
            self._close()
            numerator, denominator = self._bars.bar.signature
            self._bars.now += Fraction(4 * numerator, denominator)

    def _read_overlay(self, match: re.Match[str]) -> None:
        """Go back for notes that sound together with those before."""
        if match[0] == "(&":
            self._bars.begin_overlay()
            return
        self._settle_ties()
        self._accidentals.clear()
        self._break_off()
        if match[0] == "&)":
            self._bars.end_overlay()
        else:
            self.strays += not self._bars.go_back(len(match[0]))

    def _read_text(self, match: re.Match[str]) -> None:
        self.unclosed += len(match[0]) == 1 or match[0][-1] != '"'

    def _read_stray(self, match: re.Match[str]) -> None:
        self.strays += 1

    def _begin(self, length: str, inner: Fraction = Fraction(1)) -> Fraction:
        """Begin a note, rest or chord, whose first note has an inner length. Return its length in quarters."""
        quarters = (self.setting.unit or Fraction(1, 2)) * multiple(length) * inner
        if self._in_tuplet:
            self._in_tuplet -= 1
            quarters *= self._tuplet
        if self._broken:
            quarters += self._break(quarters)
        self._settle_ties()
        return quarters

    def _settle_ties(self) -> None:
        """Note where the ties of the last note or chord lead, since its length is final now."""
        for note in self._last:
            if note.after:
                end = note.onset + note.length
                pitch = note.pitch, note.cents
                self._tied.setdefault((end, pitch), []).append(note)
                self._tied_places[end, note.place] = pitch
        self._last = []

    def _break(self, following: Fraction) -> Fraction:
        """Give time of one of two notes to the other and return what the second gains.

        One of two equal notes becomes dotted. Of unequal ones abc 2.1 leaves open what they become. Their sum is kept,
        which fills the bars of tunes that have such marks.
        """
        length, count = self._element or (Fraction(0), 0)
        lost = 1 - Fraction(1, 2 ** len(self._broken))
        gain = length * lost if self._broken[0] == "<" else -following * lost
        self._broken = ""
        for note in self._last:
            note.length *= (length - gain) / length
        for grace in self._bars.bar.notes[count:]:
            grace.onset -= gain
        self._bars.now -= gain
        return gain

    def _break_off(self) -> None:
        """Forget the last note where a bar ends: it has no broken rhythm with the next."""
        self.strays += len(self._broken)
        self._element, self._broken = None, ""

    def _sound(self, match: re.Match[str], length: Fraction, joins: bool = True) -> Note:
        """Make a note that begins now, and join it to the note that a tie leads from."""
        setting = self.setting
        place, pitch = written(match)
        name, _ = place
        bar_place = place if setting.spread == "octave" else (name, 0)
        sign = match["sign"]
        tied = None if sign or not joins else self._tied_places.get((self._bars.now, place))
        if sign:
            by = alteration(sign, match["micro"])
            if setting.spread != "not":
                self._accidentals[bar_place] = by
        else:
            by = self._accidentals.get(bar_place, setting.key.get(name, 0))
        semitones, cents = altered(by)
        sounds = (setting.sounding(pitch + semitones), cents) if tied is None else tied
        note = Note(self._bars.now, length, *sounds, setting.program, place, self._bars.layer)
        if joins and (waiting := self._tied.get((self._bars.now, sounds))):
            waiting.pop()
            note.before = True
        return note

    def _advance(self, length: Fraction, notes: list[Note]) -> None:
        self._bars.bar.notes.extend(notes)
        self._last, self._element = notes, (length, len(self._bars.bar.notes))
        now = self._bars.now + length
        self._bars.now = now if now.denominator < _FINEST else Fraction(round(now * RESOLUTION), RESOLUTION)

    def _close(self) -> None:
        """End the bar unless nothing in it takes time."""
        if self._bars.close(self.setting.signature) and self._tied:
            # Only a tie from the last moment of the bar can still meet its note.
            end = self._bars.now
            self._tied = {key: notes for key, notes in self._tied.items() if key[0] == end}
            self._tied_places = {key: pitch for key, pitch in self._tied_places.items() if key[0] == end}


_HANDLERS: Mapping[str, Callable[[Voice, re.Match[str]], None]] = {
    "note": Voice._read_note,
    "rest": Voice._read_rest,
    "chord": Voice._read_chord,
    "old_chord": Voice._read_old_chord,
    "grace": Voice._read_grace,
    "tie": Voice._read_tie,
    "broken": Voice._read_broken,
    "tuplet": Voice._read_tuplet,
    "bar": Voice._read_bar,
    "bars_of_rest": Voice._read_bars_of_rest,
    "overlay": Voice._read_overlay,
    "text": Voice._read_text,
    "stray": Voice._read_stray,
}
"""What is done with each kind of match. Others mean nothing for the notes."""
