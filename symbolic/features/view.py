"""A piece as hand-made features see it: times in seconds, and strokes, which are notes struck together."""

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
"""Seconds from note to note within a stroke: hands never strike quite together, and one grid position at 120
quarters a minute, the nominal tempo of transcriptions, lasts 0.031."""
USUAL_TEMPO = 120.0
"""Quarters a minute where tempo is hidden."""


def values_of(tokens: NDArray[np.integer]) -> Ints:
    """Ids to values; a hidden field becomes a constant."""
    return np.maximum(tokens.astype(np.int64) - RESERVED, 0)


@dataclass(frozen=True, eq=False)
class View:
    """Notes in order of onset, and what is derived from them once for all features.

    A stroke is a run of notes each of which begins less than `TOGETHER` after the one before.

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
    def of(cls, tokens: NDArray[np.integer], voc: Vocabulary) -> View:
        """The view of (N, 8) ids in canonical order."""
        values = values_of(tokens)
        starts, _ = bar_starts(values[:, BAR], values[:, TIME_SIGNATURE], voc)
        quarters = (starts + values[:, POSITION]) / voc.positions_per_quarter
        lengths = voc.durations[values[:, DURATION]] / voc.positions_per_quarter
        pace = 60 / np.where(tokens[:, TEMPO] < RESERVED, USUAL_TEMPO, voc.tempos[values[:, TEMPO]])
        # The time up to a note passes at the tempo of the note before.
        steps = np.diff(quarters, prepend=quarters[:1]) * np.concatenate([pace[:1], pace[:-1]])
        velocity = np.asarray((values[:, VELOCITY] + 0.5) * (128 / voc.velocity_bins), dtype=np.float64)
        return cls(values, velocity, quarters, lengths, np.cumsum(steps), lengths * pace)

    def where(self, kept: NDArray[np.bool_]) -> View:
        """Some of the notes."""
        return View(
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
        """(N,) pitches; drum keys follow them."""
        return self.values[:, PITCH]

    @cached_property
    def pitched(self) -> View:
        """Without drums."""
        drums = self.pitch >= DRUM_PITCH
        return self.where(~drums) if drums.any() else self

    @cached_property
    def stroke(self) -> Ints:
        """(N,) number of each note's stroke."""
        return np.asarray(np.cumsum(np.diff(self.seconds, prepend=self.seconds[:1]) >= TOGETHER))

    @cached_property
    def first(self) -> Ints:
        """(S,) first note of each stroke."""
        return np.flatnonzero(np.diff(self.stroke, prepend=-1))

    @cached_property
    def sizes(self) -> Ints:
        """(S,) notes of each stroke."""
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
        """(N,) notes stroke by stroke, each from the lowest up."""
        return np.argsort(self.stroke * 256 + self.pitch, kind="stable")

    @cached_property
    def rank(self) -> Ints:
        """(N,) how many notes of its stroke stand above each in `by_height`; 0 is the top."""
        found = np.empty(len(self), dtype=np.int64)
        found[self.by_height] = (
            (self.first + self.sizes)[self.stroke[self.by_height]] - 1 - np.arange(len(self))
        )
        return found

    @cached_property
    def bottom(self) -> Ints:
        """(S,) lowest note of each stroke."""
        return np.asarray(self.by_height[self.first])

    @cached_property
    def top(self) -> Ints:
        """(S,) highest note of each stroke."""
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
