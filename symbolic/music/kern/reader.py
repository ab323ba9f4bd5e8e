"""Read Humdrum files with **kern spines.

Bar lines give the bars. Repeats are not unfolded, and grace notes take no time. Pitches are sounding ones, as **kern
has them: `*ITr` only states how a part is written, and `*Tr` is undone. Spines of one `*part` number are one track. So
are the staves of a keyboard instrument, where no part numbers are given. The uppermost part is the first track. A
staff with a spine of lyrics on its right is sung.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from symbolic.errors import MusicFileError
from symbolic.music.kern.spines import Spine, Staff, assign_parts, rearranged
from symbolic.music.kern.tokens import UNIT, Time, parse_token
from symbolic.music.notation import Bar, Notation, counted
from symbolic.music.notes import DRUM_PROGRAM, Music
from symbolic.music.others import plain_text

_LINE = re.compile("\r\n|\r|\n")
_TIME_SIGNATURE = re.compile(r"\*M(\d+(?:\+\d+)*)/(\d+)$")
_TEMPO = re.compile(r"\*MM(\d+(?:\.\d+)?)")
_TRANSPOSED = re.compile(r"\*Trd-?\d+c(-?\d+)$")
_PATHS = frozenset({"*^", "*v", "*x", "*+", "*-"})
_MOST = 4096
"""Largest numerator and denominator of a time signature."""


def parse_kern(content: bytes | str, name: str) -> Music:
    """Read music from a Humdrum file with **kern spines.

    Args:
        content: The file.
        name: Name of the file in errors.

    Raises:
        MusicFileError: If it has no **kern spine, or its lines do not tell which token belongs to which spine.
    """
    text = content if isinstance(content, str) else plain_text(content, name)
    return _Reader(name).read(_LINE.split(text.removeprefix("\ufeff")))


class _Reader:
    """Spines, time and what was found, while the lines of a file pass."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.notation = Notation()
        self.spines: list[Spine] = []
        self.kern: list[tuple[int, Spine]] = []  # the columns that hold notes
        self.words: list[tuple[int, Staff]] = []  # the columns that hold lyrics
        self.staves: list[Staff] = []
        self.unassigned = False
        self.now: Time = 0
        self.bar: Time = 0
        self.at_bar = False  # after a bar line whose time the next notes tell
        self.silent = False  # a line since the bar line, which had no token
        self.signature: tuple[int, int] | None = None
        self.coming: tuple[int, int] | None = None
        self.tempo: float | None = None
        self.faults: Counter[str] = Counter()

    def read(self, lines: Sequence[str]) -> Music:
        for number, line in enumerate(lines, 1):
            if not line or line[0] == "!":
                continue
            tokens = line.split("\t")
            if line.startswith("**") or (line[0] == "*" and "\t**" in line):
                self._begin(tokens, number)
            elif line[0] == "*":
                self._interpret(tokens, number)
            elif line[0] == "=":
                self._bar_line(tokens)
            else:
                self._data(tokens)
        if not self.staves:
            raise self._no_kern()
        self._close_bar(max([self.now, *(spine.free for _, spine in self.kern)]))
        self.notation.repairs += counted(self.faults)
        if self.unassigned:
            self._assign()
        for staff in self.staves:
            staff.part.words += staff.words
        return self.notation.music(self.name)

    def _begin(self, tokens: list[str], number: int) -> None:
        """Begin spines at a line of exclusive interpretations."""
        if any(" **" in token for token in tokens):
            raise MusicFileError(
                self.name, f"line {number:,} has spaces between its spines", "Put tabs in their place."
            )
        if not self.spines:
            self.spines = [Spine() for _ in tokens]
        self._match(tokens, number)
        left: Staff | None = None
        for spine, token in zip(self.spines, tokens, strict=True):
            if token.startswith("**"):
                spine.begin(token, left)
            left = spine.staff or left
        self._note_kern()

    def _no_kern(self) -> MusicFileError:
        return MusicFileError(
            self.name, "it has no **kern spine", "Only **kern is read of Humdrum's formats."
        )

    def _note_kern(self) -> None:
        self.kern = [(column, spine) for column, spine in enumerate(self.spines) if spine.staff]
        self.words = [(column, spine.singer) for column, spine in enumerate(self.spines) if spine.singer]
        for _, spine in self.kern:
            if spine.staff and not spine.staff.known:
                spine.staff.known = self.unassigned = True
                self.staves.append(spine.staff)

    def _match(self, tokens: list[str], number: int) -> None:
        """Refuse a line that changes spines but has another number of tokens."""
        if not self.spines:
            raise self._no_kern()
        if len(tokens) != len(self.spines):
            raise MusicFileError(
                self.name,
                f"line {number:,} has {len(tokens):,} tokens for {len(self.spines):,} spines",
                "Repair the line, or export the file anew.",
            )

    def _interpret(self, tokens: list[str], number: int) -> None:
        if not _PATHS.isdisjoint(tokens):
            self._match(tokens, number)
            ends = [spine.free for _, spine in self.kern]
            self.spines, alone = rearranged(self.spines, tokens)
            if alone:
                self.faults["joins or exchanges of a spine without a partner"] += alone
            self._note_kern()
            if not self.kern:  # what begins anew begins where the last one ended
                self.now = max([self.now, *ends])
            return
        for column, spine in self.kern:
            token = tokens[column] if column < len(tokens) else "*"
            if token == "*" or not spine.staff:
                continue
            if token.startswith("*I"):
                spine.staff.instrument(token)
            elif token.startswith("*part"):
                spine.staff.number = token[5:].strip()
            elif token.startswith("*MM"):
                if (found := _TEMPO.match(token)) and float(found[1]) > 0:
                    self.tempo = float(found[1])
            elif token.startswith("*M"):
                self._time_signature(token)
            elif found := _TRANSPOSED.match(token):
                spine.staff.shift = -int(found[1])

    def _time_signature(self, token: str) -> None:
        """Note a time signature, which holds from the next bar line or token on."""
        found = _TIME_SIGNATURE.match(token)
        if not found:
            self.faults[f"time signatures left out ({token[2:22]})"] += token[2:3].isdigit()
            return
        numerator, denominator = sum(map(int, found[1].split("+")[:_MOST])), int(found[2])
        if not denominator:  # a breve
            numerator, denominator = 2 * numerator, 1
        if denominator & (denominator - 1) or not 0 < numerator <= _MOST or denominator > _MOST:
            self.faults[f"time signatures left out ({token[2:22]})"] += 1
        else:
            self.coming = (numerator, denominator)

    def _data(self, tokens: list[str]) -> None:
        """Read a line of notes and rests."""
        if len(tokens) != len(self.spines):
            self.faults["lines with too many or too few tokens"] += 1
        width = len(tokens)
        for column, staff in self.words:
            staff.words += column < width and any(map(str.isalpha, tokens[column]))
        found = [
            (spine, tokens[column]) for column, spine in self.kern if column < width and tokens[column] != "."
        ]
        if not found:
            self.silent = True
            return
        at = found[0][0].free
        if any(spine.free != at for spine, _ in found):
            at = self._agreed([spine.free for spine, _ in found if spine.free >= 0])
        at = self.now = max(at, self.now)
        if self.at_bar:
            self._close_bar(at)
            self.at_bar = False
        self._change(at)
        if self.unassigned:
            self._assign()
        onset = Fraction(at, UNIT)
        for spine, text in found:
            spine.free = at + self._token(spine, text, onset)

    def _token(self, spine: Spine, text: str, onset: Fraction) -> Time:
        """Add the notes of a token. Return the time that it takes."""
        staff = spine.staff
        if not staff or text[:1] in ("*", "!", "=", ""):
            self.faults["tokens that are no notes"] += text[:1] != "="
            return 0
        length, notes, unread = parse_token(text)
        if unread:
            self.faults["tokens that are no notes"] += unread
        line = (spine, staff)
        for own, pitch, tie, timeless in notes:
            if key := staff.stroke if pitch is None else staff.drum:
                staff.part.add(onset, own, key, tie=tie, line=line, program=DRUM_PROGRAM)
            elif pitch is None:
                self.faults["unpitched notes left out"] += 1
            else:
                staff.part.add(onset, own, pitch + staff.shift, tie=tie, line=line, program=staff.program)
            if timeless:
                self.faults["notes without a duration read as quarters"] += 1
        return length

    def _bar_line(self, tokens: list[str]) -> None:
        """Note a bar line. The next notes tell its time, for others may sound across it."""
        if len(tokens) != len(self.spines):
            self.faults["bar lines with too many or too few tokens"] += 1
            return
        if self.at_bar and self.silent and (ends := [s.free for _, s in self.kern if s.free > self.bar]):
            self._close_bar(min([*ends, self._full_bar()]))  # all sound across the bar line before
        self.at_bar, self.silent = True, False

    def _agreed(self, times: list[Time]) -> Time:
        """Return the time of a line whose spines do not agree. The first notes of a bar begin together."""
        if any(time != times[0] for time in times):
            where = "bars" if self.at_bar else "lines"
            self.faults[f"{where} whose spines stand at different times"] += 1
        if self.at_bar and self._full_bar() in times:
            return self._full_bar()
        counts = Counter(time for time in times if time >= self.now)
        return max(counts, key=lambda time: (counts[time], time), default=self.now)

    def _full_bar(self) -> Time:
        """Return where this bar ends if it is full."""
        numerator, denominator = self.signature or (4, 4)
        return self.bar + Fraction(4 * UNIT * numerator, denominator)

    def _change(self, at: Time) -> None:
        """Let a coming time signature and tempo hold from here on."""
        if self.coming and self.coming != self.signature:
            self._close_bar(at)
            self.signature = self.coming
        self.coming = None
        if self.tempo:
            self.notation.tempos[Fraction(at, UNIT)] = self.tempo
            self.tempo = None

    def _close_bar(self, at: Time) -> None:
        if at > self.bar:
            numerator, denominator = self.signature or (4, 4)
            self.notation.bars.append(
                Bar(Fraction(self.bar, UNIT), Fraction(at - self.bar, UNIT), numerator, denominator)
            )
            self.bar = at

    def _assign(self) -> None:
        """Make a part of each new group of staves."""
        self.notation.parts += assign_parts([staff for staff in self.staves if not staff.assigned])
        self.unassigned = False
