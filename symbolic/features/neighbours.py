"""The notes around each note and how they differ from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from symbolic.features.note_table import TOGETHER, NoteTable
from symbolic.features.stats import Floats, Ints, logs

REACH = 48
"""Number of notes before and after that are compared."""
Bools = NDArray[np.bool_]
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The `REACH` notes before and after each of K notes in a row. W is 2 * REACH + 1, the note itself in the middle.

    Places outside the piece, and the note itself, are left out of every result.

    Attributes:
        table: All notes of the piece.
        notes: (K,) indices of the notes, each one more than the one before.
        there: (K, W) bool, whether the neighbour exists.
    """

    table: NoteTable
    notes: Ints
    there: Bools

    @classmethod
    def of(cls, table: NoteTable, notes: Ints) -> Neighbours:
        """Collect the neighbours of some notes.

        Args:
            table: The notes of a piece without drums.
            notes: (K,) indices of the notes, each one more than the one before.
        """
        steps = np.arange(-REACH, REACH + 1)
        index = notes[:, None] + steps
        return cls(table, notes, (index >= 0) & (index < len(table)) & (steps != 0))

    def theirs(self, values: NDArray[Number]) -> NDArray[Number]:
        """Return the (K, W) values of the neighbours, given (N,) of all notes. It is a view.

        Places outside the piece have the value of its first or last note.
        """
        first, last = values[:1].repeat(REACH), values[-1:].repeat(REACH)
        windows = sliding_window_view(np.concatenate([first, values, last]), 2 * REACH + 1)
        return windows[self.notes[0] : self.notes[-1] + 1]

    def place(self, column: Ints) -> Ints:
        """Return the (K,) indices of one neighbour of each note, given its column in W."""
        return np.asarray((self.notes + column - REACH).clip(0, len(self.table) - 1))

    def differences(self, values: NDArray[Number]) -> Floats:
        """Subtract each note's value from those of its neighbours: (N,) values of all notes to (K, W)."""
        return np.asarray(np.subtract(self.theirs(values), values[self.notes, None]), dtype=np.float32)

    @cached_property
    def time(self) -> Floats:
        """(K, W) seconds from the note's onset to the neighbour's."""
        return self.differences(self.table.seconds)

    @cached_property
    def interval(self) -> Floats:
        """(K, W) semitones from the note up to the neighbour."""
        return self.differences(self.table.pitch)

    @cached_property
    def louder(self) -> Floats:
        """(K, W) difference in velocity, positive for a louder neighbour."""
        return self.differences(self.table.velocity)

    @cached_property
    def longer(self) -> Floats:
        """(K, W) difference in duration in octaves, positive for a longer neighbour."""
        return self.differences(self.octaves)

    @cached_property
    def octaves(self) -> Floats:
        """(N,) durations of all notes in octaves above a quarter note."""
        return logs(self.table.lengths)

    @cached_property
    def ends(self) -> Floats:
        """(N,) seconds at which all notes end."""
        return self.table.seconds + self.table.durations

    @cached_property
    def together(self) -> Bools:
        """(K, W) bool. True for neighbours in the same stroke."""
        return np.asarray(self.there & (self.differences(self.table.stroke) == 0))

    @cached_property
    def sounding(self) -> Bools:
        """(K, W) bool. True for neighbours that sound when the note begins."""
        late = self.theirs(self.ends) - self.table.seconds[self.notes, None] > TOGETHER / 2
        return np.asarray(self.there & late & (self.together | (self.time < 0)))

    @cached_property
    def during(self) -> Bools:
        """(K, W) bool. True for neighbours that begin later, while the note sounds."""
        early = self.ends[self.notes, None] - self.theirs(self.table.seconds) > TOGETHER / 2
        return np.asarray(self.there & early & ~self.together & (self.time > 0))

    def within(self, first: float, last: float) -> Bools:
        """Select neighbours of other strokes by the seconds from the note's onset as (K, W) bool."""
        return np.asarray(self.there & ~self.together & (self.time >= first) & (self.time <= last))

    @cached_property
    def successor(self) -> tuple[Ints, Floats, Bools]:
        """The neighbour that continues the line best: close in time and in pitch.

        A step of a semitone costs as much as 0.1 seconds of overlap or rest. (K,) column of the neighbour in W, (K,)
        its cost in seconds, and (K,) bool, whether there is one.
        """
        return self._continuation(forward=True)

    @cached_property
    def predecessor(self) -> tuple[Ints, Floats, Bools]:
        """The neighbour that leads to the note best, as for `successor`."""
        return self._continuation(forward=False)

    def _continuation(self, forward: bool) -> tuple[Ints, Floats, Bools]:
        seconds = self.table.seconds
        begins, ends = self.theirs(seconds), self.theirs(self.ends)
        gap = begins - self.ends[self.notes, None] if forward else seconds[self.notes, None] - ends
        allowed = self.there & ~self.together & ((self.time > 0) == forward)
        cost = np.abs(gap) + 0.2 * np.abs(self.time) + 0.1 * np.abs(self.interval)
        cost = np.where(allowed, cost, np.inf)
        best = cost.argmin(axis=1)
        found = cost[np.arange(len(best)), best]
        return best, found, np.isfinite(found)


def mean_of(chosen: Bools, values: NDArray[np.floating], count: Ints | None = None) -> Floats:
    """Average (K, W) values over the chosen neighbours as (K,). The mean of none is 0.

    Args:
        chosen: (K, W) bool.
        values: (K, W).
        count: (K,) number of chosen neighbours if it is known.
    """
    count = chosen.sum(axis=1) if count is None else count
    return np.asarray(np.where(chosen, values, 0).sum(axis=1) / np.maximum(count, 1))


def sums_of(chosen: Bools, values: Sequence[NDArray[Any]]) -> tuple[Floats, Floats]:
    """Count the chosen neighbours and sum their values, for many choices at once.

    It is a product of matrices for each note. So numpy needs one pass where each sum alone would take three.

    Args:
        chosen: (K, M, W) bool, M choices.
        values: V arrays (K, W).

    Returns:
        (K, M) counts and (K, M, V) sums.
    """
    columns = np.empty((len(chosen), len(values) + 1, chosen.shape[-1]), dtype=np.float32)
    columns[:, 0] = 1
    for place, one in enumerate(values, start=1):
        columns[:, place] = one
    found: NDArray[Any] = chosen.astype(np.float32) @ columns.swapaxes(1, 2)
    return found[..., 0], found[..., 1:]


def most_of(
    chosen: Bools, values: NDArray[np.floating], missing: float, of: Callable[..., Floats] = np.max
) -> Floats:
    """Reduce (K, W) values over the chosen neighbours as (K,).

    Args:
        chosen: (K, W) bool.
        values: (K, W).
        missing: The result if no neighbour is chosen.
        of: `np.max` or `np.min`.
    """
    worst = -np.inf if of is np.max else np.inf
    found = of(np.where(chosen, values, worst), axis=1)
    return np.where(np.isfinite(found), found, missing)
