"""Spines of a Humdrum file: how they split, join and move, and the staves and parts that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from symbolic.music.kern.instruments import KEYBOARDS, drum_of, program_of, stroke_of
from symbolic.music.kern.tokens import Time
from symbolic.music.notation import Part

_KERN = "**kern"
_WORDS = frozenset({"**text", "**silbe", "**mod-text", "**text-mod"})
"""Spines of lyrics, which belong to the staff on their left."""


class Staff:
    """A **kern spine and all that split from it, with its instrument.

    Attributes:
        number: Number after `*part`, "" where there is none.
        name: Name after `*I"`.
        shift: Semitones from the pitch in the file to the sounding pitch.
        program: MIDI program.
        drum: Key on the drum kit, for an unpitched instrument. Else 0.
        stroke: Key on the drum kit of its unpitched notes. 0 where it is not known.
        words: How many syllables its lyrics have.
        part: The part to which its notes go.
    """

    def __init__(self) -> None:
        self.number = ""
        self.name = ""
        self.shift = 0
        self.known = self.assigned = False
        self.words = 0
        self.code = self._kind = self._short = ""
        self.program = self.drum = self.stroke = 0
        self.part = Part()

    def instrument(self, token: str) -> None:
        """Take note of an instrument, as a code `*Ivioln`, a class `*ICstr` or a name `*I"Violin`."""
        about = token[2:].strip()
        if about.startswith('"'):
            self.name = about[1:].strip()
        elif about.startswith("'"):
            self._short = about[1:].strip()
        elif about.startswith("C"):
            self._kind = about[1:]
        elif about[:1].islower():
            self.code = about
        self.drum = drum_of(self.code, self.name)
        self.stroke = stroke_of(self.code, self.name)
        self.program = program_of(self.code, self._kind, self.name or self._short)

    @property
    def title(self) -> str:
        """A name for people, "" where nothing is known."""
        return self.name or self._short or self.code


class Spine:
    """One column of tokens.

    Attributes:
        staff: The staff of a **kern spine. None: a spine of another kind.
        singer: The staff whose lyrics stand here. None: no lyrics.
        free: Time at which its last token ends, in units. -1: no token since it began.
    """

    __slots__ = ("free", "singer", "staff")

    def __init__(self, staff: Staff | None = None, free: Time = -1) -> None:
        self.staff = staff
        self.singer: Staff | None = None
        self.free = free

    def begin(self, kind: str, left: Staff | None) -> None:
        """Begin with an exclusive interpretation, on the right of a staff."""
        self.staff = Staff() if kind.strip() == _KERN else None
        self.singer = left if kind.strip() in _WORDS else None
        self.free = -1


def rearranged(spines: Sequence[Spine], tokens: Sequence[str]) -> tuple[list[Spine], int]:
    """Return the spines below a line that splits, joins, exchanges, adds or ends some.

    Neighbours with `*v` become one. Where those of several staves stand side by side, they become one a staff.

    Args:
        spines: The spines above the line.
        tokens: The line: one token a spine.

    Returns:
        The spines, and the number of `*v` and `*x` that have no partner.
    """
    found: list[Spine] = []
    alone = 0
    exchanged: int | None = None
    for token, run in groupby(zip(tokens, spines, strict=True), key=lambda pair: pair[0]):
        some = [spine for _, spine in run]
        if token == "*v":
            groups = [list(group) for _, group in groupby(some, key=lambda spine: id(spine.staff))]
            if min(map(len, groups)) == 1 and len(groups) > 1:
                groups = [some]
            alone += len(groups[0]) == 1
            found += [_joined(group) for group in groups]
        elif token == "*^":
            for spine in some:
                found += [spine, Spine(spine.staff, spine.free)]
        elif token == "*+":
            for spine in some:
                found += [spine, Spine()]
        elif token == "*x":
            for spine in some:
                found.append(spine)
                if exchanged is None:
                    exchanged = len(found) - 1
                else:
                    found[exchanged], found[-1] = found[-1], found[exchanged]
                    exchanged = None
        elif token != "*-":
            found += some
    return found, alone + (exchanged is not None)


def _joined(spines: Sequence[Spine]) -> Spine:
    """Return the first of some spines, free where the last of them is."""
    spines[0].free = max(spine.free for spine in spines)
    return spines[0]


def assign_parts(staves: Sequence[Staff]) -> list[Part]:
    """Group staves into parts.

    Args:
        staves: Staves without a part, in the order of their spines, which is from the lowest up.

    Returns:
        The new parts from the uppermost down.
    """
    groups: dict[object, list[Staff]] = {}
    last: Staff | None = None
    key: object = None
    for staff in reversed(staves):
        if staff.number:
            key = staff.number
        elif not (last and not last.number and _one_instrument(last, staff)):
            key = staff
        groups.setdefault(key, []).append(staff)
        last = staff
    parts = []
    for group in groups.values():
        part = Part(next((staff.title for staff in group if staff.title), ""))
        for staff in group:
            staff.part, staff.assigned = part, True
        parts.append(part)
    return parts


def _one_instrument(upper: Staff, lower: Staff) -> bool:
    """Return whether two neighbouring staves are those of one keyboard instrument."""
    codes = upper.code in KEYBOARDS and upper.code == lower.code
    return codes and (not upper.name or not lower.name or upper.name == lower.name)
