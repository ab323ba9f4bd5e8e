"""The notes around each note of a piece: who they are, and how they stand to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from symbolic.features.stats import Floats, Ints, logs
from symbolic.features.view import TOGETHER, View

REACH = 48
"""Notes before and after that are looked at."""
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The `REACH` notes before and after each of some notes, W = 2 * REACH + 1 with the note itself in the middle.

    What is not there, and the note itself, has no part in anything that is said of neighbours.

    Attributes:
        view: All notes of the piece.
        notes: (K,) those whose neighbours these are.
        index: (K, W) which note each neighbour is.
        there: (K, W) whether it is one.
    """

    view: View
    notes: Ints
    index: Ints
    there: Bools

    @classmethod
    def of(cls, view: View, notes: Ints) -> Neighbours:
        """Those of some notes of a piece.

        Args:
            view: Of a piece's notes in canonical order, without drums.
            notes: (K,) which of them.
        """
        steps = np.arange(-REACH, REACH + 1)
        index = notes[:, None] + steps
        there = (index >= 0) & (index < len(view)) & (steps != 0)
        return cls(view, notes, index.clip(0, len(view) - 1), there)

    def beside(self, values: NDArray[np.floating] | Ints) -> Floats:
        """(K, W) by how much the neighbours' values lie above the note's own, from (N,) of all notes."""
        return np.asarray((values[self.index] - values[self.notes, None]).astype(np.float32))

    @cached_property
    def time(self) -> Floats:
        """(K, W) seconds from the note's onset to the neighbour's."""
        return self.beside(self.view.seconds)

    @cached_property
    def interval(self) -> Floats:
        """(K, W) semitones from the note up to the neighbour."""
        return self.beside(self.view.pitch)

    @cached_property
    def louder(self) -> Floats:
        """(K, W) velocities above the note's own."""
        return self.beside(self.view.velocity)

    @cached_property
    def longer(self) -> Floats:
        """(K, W) octaves of duration above the note's own."""
        return self.beside(self.octaves)

    @cached_property
    def octaves(self) -> Floats:
        """(N,) durations of all notes in octaves above a quarter note."""
        return logs(self.view.lengths)

    @cached_property
    def ends(self) -> Floats:
        """(N,) seconds at which all notes end."""
        return self.view.seconds + self.view.durations

    @cached_property
    def together(self) -> Bools:
        """(K, W) struck with the note."""
        return np.asarray(self.there & (self.beside(self.view.stroke) == 0))

    @cached_property
    def sounding(self) -> Bools:
        """(K, W) heard when the note begins, be it struck then or before."""
        late = self.ends[self.index] - self.view.seconds[self.notes, None] > TOGETHER / 2
        return np.asarray(self.there & late & (self.together | (self.time < 0)))

    @cached_property
    def during(self) -> Bools:
        """(K, W) struck later, while the note still sounds."""
        early = self.ends[self.notes, None] - self.view.seconds[self.index] > TOGETHER / 2
        return np.asarray(self.there & early & ~self.together & (self.time > 0))

    def within(self, first: float, last: float) -> Bools:
        """(K, W) not struck with the note, but so many seconds after its onset."""
        return np.asarray(self.there & ~self.together & (self.time >= first) & (self.time <= last))

    def successor(self, forward: bool) -> tuple[Ints, Floats, Bools]:
        """The neighbour that goes on best where the note ends, or that best leads to it: close in time and in pitch.

        A step of a semitone counts as much as 0.1 seconds of overlap or rest.

        Args:
            forward: Towards the end, or back.

        Returns:
            (K,) column of it, (K,) what it costs in seconds, and (K,) whether there is any.
        """
        seconds = self.view.seconds
        begins, ends = seconds[self.index], self.ends[self.index]
        gap = begins - self.ends[self.notes, None] if forward else seconds[self.notes, None] - ends
        allowed = self.there & ~self.together & ((self.time > 0) == forward)
        cost = np.abs(gap) + 0.2 * np.abs(self.time) + 0.1 * np.abs(self.interval)
        cost = np.where(allowed, cost, np.inf)
        best = cost.argmin(axis=1)
        found = cost[np.arange(len(best)), best]
        return best, found, np.isfinite(found)


def mean_of(chosen: Bools, values: NDArray[np.floating]) -> Floats:
    """(K,) mean of (K, W) values over the neighbours chosen; 0 where none is."""
    return np.asarray(np.where(chosen, values, 0).sum(axis=1) / np.maximum(chosen.sum(axis=1), 1))


def most_of(
    chosen: Bools, values: NDArray[np.floating], missing: float, of: Callable[..., Floats] = np.max
) -> Floats:
    """(K,) largest of (K, W) values over the neighbours chosen, or what else is asked; `missing` where none is."""
    worst = -np.inf if of is np.max else np.inf
    found = of(np.where(chosen, values, worst), axis=1)
    return np.where(np.isfinite(found), found, missing)
