"""Group the visible notes of windows: the ground that every relation stands on."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from symbolic.music.profiles import KEY_PROFILES
from symbolic.relations.arrays import Array, operations_of
from symbolic.tokens.vocabulary import (
    BAR,
    DRUM_PITCH,
    DURATION,
    PITCH,
    POSITION,
    RESERVED,
    TIME_SIGNATURE,
    Vocabulary,
)

TOGETHER = 1
"""Positions from note to note within an onset group: performances have strokes and not chords."""
_LATE = 2**40
"""Sorts behind every onset."""
_HIGH = 2**20
"""Above every pitch and every onset."""


def _key_profiles() -> np.ndarray:
    """Return (12, 24) profiles of all keys, tonic + 12 * mode, each with mean 0 and length 1."""
    centred = KEY_PROFILES - KEY_PROFILES.mean(axis=1, keepdims=True)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    return np.stack([np.roll(centred[mode], tonic) for mode in (0, 1) for tonic in range(12)], axis=1)


_PROFILES = _key_profiles()


class Notes:
    """Windows of tokens as relations see them: visible values alone.

    A field is visible if its id is not reserved. Nothing here depends on what a hidden field was.

    Args:
        tokens: (B, L, 8) integer ids of windows, as a numpy array or a torch tensor.
        vocabulary: Meaning of the ids.
    """

    def __init__(self, tokens: Array, vocabulary: Vocabulary) -> None:
        self.ops = operations_of(tokens)
        self.vocabulary = vocabulary
        self._ids = self.ops.integers(tokens)

    def visible(self, *fields: int) -> Array:
        """Return (B, L) bool: whether all these fields of a note are visible."""
        seen = self._ids[..., fields[0]] >= RESERVED
        for field in fields[1:]:
            seen = seen & (self._ids[..., field] >= RESERVED)
        return seen

    def values(self, field: int) -> Array:
        """Return (B, L) int64 values of a field; 0 where it is hidden."""
        return (self._ids[..., field] - RESERVED).clip(min=0)

    @cached_property
    def pitch(self) -> Array:
        """(B, L) MIDI pitches; 0 where hidden or a drum."""
        return self.ops.where(self.pitched, self.values(PITCH), 0 * self.values(PITCH))

    @cached_property
    def pitched(self) -> Array:
        """(B, L) bool: whether a note's pitch is visible, and it is no drum."""
        return self.visible(PITCH) & (self.values(PITCH) < DRUM_PITCH)

    @cached_property
    def timed(self) -> Array:
        """(B, L) bool: whether a note's bar and position are visible."""
        return self.visible(BAR, POSITION)

    @cached_property
    def onset(self) -> Array:
        """(B, L) onsets in positions from the window's first timed note; `_LATE` where bar or position is hidden.

        A hidden time signature is that of the last visible one before, or 4/4: it is nearly always constant.
        """
        ops, timed = self.ops, self.timed
        lengths = ops.like(self.vocabulary.bar_positions, self._ids)[self.values(TIME_SIGNATURE)]
        known = self.visible(TIME_SIGNATURE)
        place = ops.integers(known).cumsum(-1)  # how many signatures were visible so far
        front = ops.order(ops.integers(~known))
        recent = ops.take(ops.take(lengths, front), (place - 1).clip(min=0))
        bar = ops.where(place > 0, recent, 0 * recent + 4 * self.vocabulary.positions_per_quarter)
        order = ops.order(ops.integers(~timed))
        bars, positions, length = (
            ops.take(values, order) for values in (self.values(BAR), self.values(POSITION), bar)
        )
        # Bars pass at the length that the note before has: signatures change at bars that have notes.
        steps = (bars[..., 1:] - bars[..., :-1]) * length[..., :-1] + positions[..., 1:] - positions[..., :-1]
        first = 0 * positions[..., :1]
        onset = ops.take(_joined(first, steps).cumsum(-1), ops.order(order))
        return ops.where(timed, onset, 0 * onset + _LATE)

    @cached_property
    def groups(self) -> Groups:
        """Onset groups of notes whose bar, position and pitch are visible; drums are left out."""
        return Groups(self, self.timed & self.pitched)

    @cached_property
    def tonic(self) -> Array:
        """(B, 1) tonic + 12 * mode of the window's visible pitched notes, by duration; -1 where there are none.

        The key whose profile correlates best with the histogram of pitch classes, weighted by duration.
        """
        ops, counted = self.ops, self.pitched & self.visible(DURATION)
        length = ops.like(self.vocabulary.durations, self._ids)[self.values(DURATION)]
        weight = ops.where(counted, length, 0 * length)
        windows = counted.shape[0]
        window = (0 * weight + 1).cumsum(0) - 1
        flat = (12 * window + self.pitch % 12).reshape(-1)
        histogram = ops.total(weight.reshape(-1), flat, 12 * windows).reshape(windows, 12)
        key = (histogram @ ops.like(_PROFILES.astype(np.float32), self._ids)).argmax(-1)[:, None]
        return ops.where(counted.any(-1)[:, None], key, 0 * key - 1)


class Groups:
    """Notes that begin together, and what is the same for all of a group.

    A group is a run of notes, in order of onset, each at most `TOGETHER` positions after the one before.

    Args:
        notes: The windows.
        members: (B, L) bool, the notes that form groups; each must be timed.
    """

    def __init__(self, notes: Notes, members: Array) -> None:
        ops = self.ops = notes.ops
        self.members = members
        onset = ops.where(members, notes.onset, 0 * notes.onset + _LATE)
        order = ops.order(onset)
        ordered, there = ops.take(onset, order), ops.take(members, order)
        fresh = (ordered[..., 1:] - ordered[..., :-1] > TOGETHER) & there[..., 1:]
        number = ops.integers(_joined(there[..., :1], fresh)).cumsum(-1) - 1
        windows, length = members.shape
        # The last place of a window's row is for notes that belong to no group.
        self._width = length + 2
        number = ops.take(number, ops.order(order))
        self._group = ops.where(members, number, 0 * number + length)
        window = (0 * number + 1).cumsum(0) - 1
        self._flat = (window * self._width + self._group).reshape(-1)
        self._count = windows * self._width
        self._onset, self._pitch = onset, notes.pitch

    def _least(self, values: Array) -> Array:
        return self.ops.lowest(values.reshape(-1), self._flat, self._count, _HIGH).reshape(-1, self._width)

    @cached_property
    def _bottoms(self) -> Array:
        return self._least(self._pitch)

    @cached_property
    def _tops(self) -> Array:
        return -self._least(-self._pitch)

    @cached_property
    def _onsets(self) -> Array:
        return self._least(self._onset.clip(max=_HIGH))

    @cached_property
    def _sizes(self) -> Array:
        ones = self.ops.integers(self.members).reshape(-1)
        return self.ops.integers(self.ops.total(ones, self._flat, self._count)).reshape(-1, self._width)

    def of_notes(self, values: Array) -> Array:
        """Return (B, L): of each note the value, from (B, G), of its group."""
        return self.ops.take(values, self._group)

    @property
    def bottom(self) -> Array:
        """(B, L) lowest pitch of each note's group."""
        return self.of_notes(self._bottoms)

    @property
    def top(self) -> Array:
        """(B, L) highest pitch of each note's group."""
        return self.of_notes(self._tops)

    @property
    def size(self) -> Array:
        """(B, L) notes in each note's group."""
        return self.of_notes(self._sizes)

    @property
    def first(self) -> Array:
        """(B, L) bool: whether no group comes before a note's own."""
        return self._group == 0

    def step(self, values: Array) -> Array:
        """Return (B, L): how far (B, G) values of each note's group lie above those of the group before."""
        before = _joined(values[..., :1], values[..., :-1])
        return self.of_notes(values - before)

    @property
    def bottom_step(self) -> Array:
        """(B, L) semitones from the lowest note of the group before to that of each note's group."""
        return self.step(self._bottoms)

    @property
    def top_step(self) -> Array:
        """(B, L) the same of the highest notes."""
        return self.step(self._tops)

    @property
    def interval(self) -> Array:
        """(B, L) positions from the onset of the group before to that of each note's group."""
        return self.step(self._onsets)


def _joined(first: Array, rest: Array) -> Array:
    """Concatenate along the last axis."""
    if isinstance(first, np.ndarray):
        return np.concatenate([first, rest], axis=-1)
    import torch

    return torch.cat([first, rest], dim=-1)
