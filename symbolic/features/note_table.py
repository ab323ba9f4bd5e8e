"""A piece as a table of notes with times in seconds and notes grouped into strokes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from symbolic.features.stats import Floats, Ints
from symbolic.tokens.grid import bar_starts
from symbolic.tokens.vocabulary import (
    BAR,
    DRUM_PITCH,
    DURATION,
    PITCH,
    POSITION,
    RESERVED,
    TEMPO,
    TIME_SIGNATURE,
    VELOCITY,
    Vocabulary,
)

TOGETHER = 0.045
"""Largest gap in seconds between successive notes of a stroke.

Hands never strike exactly together. A grid position at 120 quarters a minute, the nominal tempo of transcriptions,
lasts 0.031.
"""
USUAL_TEMPO = 120.0
"""Quarters a minute that are assumed if the tempo is hidden."""


def values_of(tokens: NDArray[np.integer]) -> Ints:
    """Convert ids to values. A hidden field becomes 0."""
    return np.maximum(tokens.astype(np.int64) - RESERVED, 0)


@dataclass(frozen=True, eq=False)
class NoteTable:
    """The notes of a piece in order of onset, and what features derive from them, computed once.

    A stroke is a run of notes. Each begins less than `TOGETHER` seconds after the one before.

    Attributes:
        values: (N, 8) values of the fields.
        velocity: (N,) in MIDI's units.
        quarters: (N,) onsets in quarter notes.
        lengths: (N,) durations in quarter notes.
        seconds: (N,) onsets in seconds.
        durations: (N,) durations in seconds.
    """

    values: Ints
    velocity: Floats
    quarters: Floats
    lengths: Floats
    seconds: Floats
    durations: Floats

    @classmethod
    def of(cls, tokens: NDArray[np.integer], voc: Vocabulary) -> NoteTable:
        """Build the table from (N, 8) ids in canonical order."""
        values = values_of(tokens)
        starts, _ = bar_starts(values[:, BAR], values[:, TIME_SIGNATURE], voc)
        quarters = (starts + values[:, POSITION]) / voc.positions_per_quarter
        lengths = voc.durations[values[:, DURATION]] / voc.positions_per_quarter
        pace = 60 / np.where(tokens[:, TEMPO] < RESERVED, USUAL_TEMPO, voc.tempos[values[:, TEMPO]])
        # Up to a note, the tempo of the note before holds.
        steps = np.diff(quarters, prepend=quarters[:1]) * np.concatenate([pace[:1], pace[:-1]])
        velocity = np.asarray((values[:, VELOCITY] + 0.5) * (128 / voc.velocity_bins), dtype=np.float64)
        return cls(values, velocity, quarters, lengths, np.cumsum(steps), lengths * pace)

    def where(self, kept: NDArray[np.bool_]) -> NoteTable:
        """Select notes by (N,) bool."""
        return NoteTable(
            self.values[kept],
            self.velocity[kept],
            self.quarters[kept],
            self.lengths[kept],
            self.seconds[kept],
            self.durations[kept],
        )

    def __len__(self) -> int:
        return len(self.values)

    @property
    def pitch(self) -> Ints:
        """(N,) pitches. Drum keys follow them."""
        return self.values[:, PITCH]

    @cached_property
    def pitched(self) -> NoteTable:
        """The table without drums."""
        drums = self.pitch >= DRUM_PITCH
        return self.where(~drums) if drums.any() else self

    @cached_property
    def stroke(self) -> Ints:
        """(N,) number of each note's stroke."""
        return np.asarray(np.cumsum(np.diff(self.seconds, prepend=self.seconds[:1]) >= TOGETHER))

    @cached_property
    def first(self) -> Ints:
        """(S,) index of the first note of each stroke."""
        return np.flatnonzero(np.diff(self.stroke, prepend=-1))

    @cached_property
    def sizes(self) -> Ints:
        """(S,) number of notes in each stroke."""
        return np.diff(self.first, append=len(self))

    @cached_property
    def times(self) -> Floats:
        """(S,) seconds at which strokes begin."""
        return self.seconds[self.first]

    @cached_property
    def gaps(self) -> Floats:
        """(S - 1,) seconds from stroke to stroke."""
        return np.diff(self.times)

    @cached_property
    def by_height(self) -> Ints:
        """(N,) indices of notes, stroke by stroke, each from the lowest up."""
        return np.argsort(self.stroke * 256 + self.pitch, kind="stable")

    @cached_property
    def rank(self) -> Ints:
        """(N,) number of notes above each in its stroke in the order of `by_height`. 0 is the top."""
        found = np.empty(len(self), dtype=np.int64)
        found[self.by_height] = (
            (self.first + self.sizes)[self.stroke[self.by_height]] - 1 - np.arange(len(self))
        )
        return found

    @cached_property
    def bottom(self) -> Ints:
        """(S,) index of the lowest note of each stroke."""
        return np.asarray(self.by_height[self.first])

    @cached_property
    def top(self) -> Ints:
        """(S,) index of the highest note of each stroke."""
        return np.asarray(self.by_height[self.first + self.sizes - 1])

    @cached_property
    def struck(self) -> Floats:
        """(S, 12) 1 for each pitch class of a stroke, else 0."""
        found = np.zeros((len(self.first), 12))
        found[self.stroke, self.pitch % 12] = 1
        return found

    @property
    def span(self) -> float:
        """Seconds from the first onset to the last, at least 1."""
        return max(float(np.ptp(self.seconds)), 1.0) if len(self) else 1.0
