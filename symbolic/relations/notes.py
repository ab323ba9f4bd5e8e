"""Read the visible notes of windows: the ground that every relation stands on."""

from __future__ import annotations

from functools import cache, cached_property

import numpy as np

from symbolic.music.profiles import centred_keys
from symbolic.relations.arrays import Array, Table, operations_of
from symbolic.relations.groups import LATE, Groups
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

_KEYS = Table(np.rint(1e6 * centred_keys().reshape(24, 12)).astype(np.int64))
"""(24, 12) profiles of all keys: tonic + 12 * mode. Integers, so that ties fall alike everywhere, autocast or not."""


@cache
def _lengths(vocabulary: Vocabulary) -> tuple[Table, Table]:
    """Return lengths in positions: of the bars of each time signature and of each duration."""
    return Table(vocabulary.bar_positions), Table(vocabulary.durations)


class Notes:
    """Windows of tokens as relations see them: visible values alone.

    A field is visible if its id is not reserved. Nothing here depends on what a hidden field was.

    Args:
        tokens: (B, L, 8) integer ids of windows as a numpy array or a torch tensor.
        vocabulary: Meaning of the ids.
    """

    def __init__(self, tokens: Array, vocabulary: Vocabulary) -> None:
        self.ops = operations_of(tokens)
        self.vocabulary = vocabulary
        ids = self.ops.columns(tokens)
        self.visible = ids >= RESERVED
        """(8, B, L) bool: whether a field of a note is visible."""
        self.values = (ids - RESERVED).clip(min=0)
        """(8, B, L) int64 values; 0 where hidden."""

    @cached_property
    def pitched(self) -> Array:
        """(B, L) bool: whether a note's pitch is visible and it is no drum."""
        return self.visible[PITCH] & (self.values[PITCH] < DRUM_PITCH)

    @cached_property
    def pitch(self) -> Array:
        """(B, L) MIDI pitches. 0 where hidden or a drum."""
        return self.values[PITCH] * self.pitched

    @cached_property
    def timed(self) -> Array:
        """(B, L) bool: whether a note's bar and position are visible."""
        return self.visible[BAR] & self.visible[POSITION]

    @cached_property
    def onset(self) -> Array:
        """(B, L) onsets in positions from the window's first timed note; `LATE` where bar or position is hidden.

        A hidden time signature is that of the last visible one before, or 4/4: it is nearly always constant.
        """
        ops, timed = self.ops, self.timed
        signed = self._latest(self.visible[TIME_SIGNATURE])
        signature = ops.take(self.values[TIME_SIGNATURE], signed.clip(min=0))
        lengths = _lengths(self.vocabulary)[0][signature]
        lengths = ops.where(signed >= 0, lengths, 4 * self.vocabulary.positions_per_quarter)
        latest = self._latest(timed)
        before = ops.join([latest[..., :1] * 0 - 1, latest[..., :-1]])
        there = before.clip(min=0)
        # Bars pass at the length that the note before has: signatures change at bars that have notes.
        bars = self.values[BAR] - ops.take(self.values[BAR], there)
        positions = self.values[POSITION] - ops.take(self.values[POSITION], there)
        steps = bars * ops.take(lengths, there) + positions
        return ops.where(timed, (steps * (timed & (before >= 0))).cumsum(-1), LATE)

    def _latest(self, there: Array) -> Array:
        """Return (B, L): at each place the last one up to it where (B, L) `there` is true. -1 if none is."""
        places = self.ops.range(there.shape[-1], there)
        return self.ops.highest_so_far((places + 1) * there) - 1

    @cached_property
    def groups(self) -> Groups:
        """Onset groups of notes whose bar, position and pitch are visible. Drums are left out."""
        return Groups(self.ops, self.timed & self.pitched, self.onset, self.pitch)

    @cached_property
    def tonic(self) -> Array:
        """(B, 1) tonic + 12 * mode of the window's visible pitched notes by duration. -1 where there are none.

        The key whose profile correlates best with the histogram of pitch classes, weighted by duration.
        """
        ops, counted = self.ops, self.pitched & self.visible[DURATION]
        weight = _lengths(self.vocabulary)[1][self.values[DURATION]] * counted
        windows = counted.shape[0]
        cell = 12 * ops.range(windows, counted)[:, None] + self.pitch % 12
        histogram = ops.total(weight.reshape(-1), cell.reshape(-1), 12 * windows).reshape(windows, 12)
        key = (histogram[:, None] * _KEYS.like(histogram)).sum(-1).argmax(-1)[:, None]
        return ops.where(counted.any(-1)[:, None], key, -1)
