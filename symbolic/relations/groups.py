"""Group notes that begin together."""

from __future__ import annotations

from functools import cached_property

from symbolic.relations.arrays import Array, Operations

TOGETHER = 1
"""Positions from note to note within an onset group: performances have strokes and not chords."""
LATE = 2**20
"""The onset of a note that is not timed: behind every other, and above every pitch."""


class Groups:
    """Onset groups and what is the same for all notes of one.

    A group is a run of notes, in order of onset, each at most `TOGETHER` positions after the one before. Notes that are
    no members form one more group of no meaning, behind the others.

    Args:
        ops: Operations of the library of the arrays.
        members: (B, L) bool, the notes that form groups.
        onset: (B, L) int64 onsets of members in positions.
        pitch: (B, L) int64 pitches of members.
    """

    def __init__(self, ops: Operations, members: Array, onset: Array, pitch: Array) -> None:
        self.members, self._ops, self._pitch = members, ops, pitch
        onset = ops.where(members, onset, LATE)
        order = ops.order(onset)
        ordered = ops.take(onset, order)
        begins = ordered[..., 1:] - ordered[..., :-1] > TOGETHER
        number = ops.join([ordered[..., :1] * 0, ops.integers(begins)]).cumsum(-1)
        self._group = ops.put(number, order)
        windows, self._length = members.shape
        window = ops.range(windows, members)[:, None]
        self._flat = (window * self._length + self._group).reshape(-1)
        self._onset = onset

    def _least(self, values: Array) -> Array:
        """Return (B, G): the least of (B, L) values in each group."""
        count = len(self._flat)
        return self._ops.lowest(values.reshape(-1), self._flat, count, LATE).reshape(-1, self._length)

    @cached_property
    def _bottoms(self) -> Array:
        return self._least(self._pitch)

    @cached_property
    def _tops(self) -> Array:
        return -self._least(-self._pitch)

    @cached_property
    def bottom(self) -> Array:
        """(B, L) lowest pitch of each note's group."""
        return self._of_notes(self._bottoms)

    @cached_property
    def top(self) -> Array:
        """(B, L) highest pitch of each note's group."""
        return self._of_notes(self._tops)

    @cached_property
    def size(self) -> Array:
        """(B, L) notes in each note's group."""
        ones = self._ops.integers(self.members).reshape(-1)
        sizes = self._ops.total(ones, self._flat, len(self._flat)).reshape(-1, self._length)
        return self._of_notes(sizes)

    @property
    def number(self) -> Array:
        """(B, L) int64 index of each note's group, in order of time."""
        return self._group

    @cached_property
    def first(self) -> Array:
        """(B, L) bool: whether no group comes before a note's own."""
        return self._group == 0

    @property
    def bottom_step(self) -> Array:
        """(B, L) semitones from the lowest note of the group before to that of each note's group."""
        return self._step(self._bottoms)

    @property
    def top_step(self) -> Array:
        """(B, L) the same of the highest notes."""
        return self._step(self._tops)

    @property
    def interval(self) -> Array:
        """(B, L) positions from the onset of the group before to that of each note's group."""
        return self._step(self._least(self._onset))

    def _of_notes(self, values: Array) -> Array:
        """Return (B, L): of each note the value, from (B, G), of its group."""
        return self._ops.take(values, self._group)

    def _step(self, values: Array) -> Array:
        """Return (B, L): how far (B, G) values of each note's group lie above those of the group before."""
        before = self._ops.join([values[..., :1], values[..., :-1]])
        return self._of_notes(values - before)
