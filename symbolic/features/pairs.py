"""Features of second order: how often two values meet, in one note or in onset groups that follow one another."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.features.stats import Ints, shares
from symbolic.features.stretches import edges
from symbolic.relations import RELATIONS
from symbolic.relations.notes import Notes
from symbolic.relations.steps import WIDEST
from symbolic.tokens.vocabulary import DURATION, FIELDS, VELOCITY, Vocabulary

_WIDEST = 24
"""Semitones of the widest interval within a group."""
_LENGTHS = np.array([3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128])
"""Positions at which the next bin of lengths begins: two bins an octave."""
_KINDS = np.array([1, 2, 3, 5, 6, 8, 12])
"""Semitones at which the next kind of step begins: semitone, tone, third, fourth, fifth, sixth, octave."""
_QUARTERS = 4
_NO_STEP = 2 + WIDEST
"""Id of a repeated pitch in `bass_step` and `top_step`."""


class _Column(NamedTuple):
    """One small integer for each note or onset group.

    Attributes:
        values: (N,) or (G,) int64 in 0..size-1.
        size: Number of values.
    """

    values: Ints
    size: int

    def at(self, places: NDArray[np.integer]) -> _Column:
        return _Column(self.values[places], self.size)

    def halved(self) -> _Column:
        """Put two values into one."""
        return _Column(self.values // 2, (self.size + 1) // 2)


def pair_histograms(
    tokens: NDArray[np.integer], vocabulary: Vocabulary | None = None, pitch_classes: bool = False
) -> dict[str, NDArray[np.float32]]:
    """Count which values meet in a piece and in its halves and quarters, as `stretches` cuts them.

    Values meet in a note: every two of its relations, velocity, length and time to the next onset. Or they meet in
    successive onset groups: steps and scale degrees of the lowest and of the highest line, times, sizes, velocities.
    Steps and times are counted by threes too. The key is that of the whole piece. Drums do not count. A hidden field is
    a constant.

    Args:
        tokens: (N, 8) ids of one piece, in canonical order, N > 0.
        vocabulary: The vocabulary of the ids.
        pitch_classes: Count successive pitch classes of the highest line too. Then the result depends on the key.

    Returns:
        (S, V) float32 square roots of shares for each pair by name. Zeros where nothing is counted.
    """
    notes = Notes(tokens[None], vocabulary or Vocabulary())
    members = np.flatnonzero(notes.groups.members[0])
    quarter = np.searchsorted(np.linspace(0, len(tokens), _QUARTERS + 1).round()[1:-1], members, side="right")
    columns, lowest, highest = _columns(notes, members)
    found = {
        f"{one}, {other}": _counts(quarter, [columns[one], columns[other]])
        for one, other in combinations(columns, 2)
    }
    lines: list[tuple[str, Ints, tuple[str, ...]]] = [
        ("lowest", lowest, ("bass_step", "degree", "inter_onset", "group_size")),
        ("highest", highest, ("top_step", "degree", "velocity")),
    ]
    for line, places, names in lines:
        for name in names:
            found[f"{line} {name} by twos"] = _successive(quarter[places], columns[name].at(places), 2)
    for places, name in ((lowest, "bass_step"), (highest, "top_step"), (lowest, "inter_onset")):
        found[f"{name} by threes"] = _successive(quarter[places], columns[name].at(places).halved(), 3)
    if pitch_classes:
        classes = _Column(notes.pitch[0][members] % 12, 12).at(highest)
        found |= {f"pitch classes by {n}": _successive(quarter[highest], classes, n) for n in (2, 3)}
    return {name: _of_stretches(counts, len(tokens)) for name, counts in found.items()}


def pair_matrix(tokens: NDArray[np.integer], pitch_classes: bool = False) -> NDArray[np.float32]:
    """Return (S, V) numbers: all `pair_histograms` of a piece side by side, the whole first."""
    return np.concatenate(list(pair_histograms(tokens, pitch_classes=pitch_classes).values()), axis=1)


@cache
def pair_width(pitch_classes: bool = False) -> int:
    """Return how many numbers `pair_matrix` gives for a stretch."""
    nothing = np.zeros((1, len(FIELDS)), dtype=np.uint16)
    return int(pair_matrix(nothing, pitch_classes).shape[1])


def _columns(notes: Notes, members: Ints) -> tuple[dict[str, _Column], Ints, Ints]:
    """Return the columns of (N,) notes, and the places among them of the (G,) lowest and highest of each group."""
    ids = {name: RELATIONS[name].ids(notes)[0][members] for name in RELATIONS}
    group = notes.groups.number[0][members]
    lowest, highest = (
        places[np.unique(group[places], return_index=True)[1]]
        for places in (np.flatnonzero(ids[name] == 1) for name in ("above_bass", "below_top"))
    )
    times = RELATIONS["inter_onset"].size
    until = np.append(ids["inter_onset"][lowest], 0)[group + 1]
    durations = notes.vocabulary.durations[notes.values[DURATION][0][members]]
    columns = {
        "degree": _Column((ids["degree"] - 2) % 12, 12),
        "octave": _Column(ids["octave"] - 1, RELATIONS["octave"].size - 1),
        "above_bass": _Column((ids["above_bass"] - 1).clip(max=_WIDEST), _WIDEST + 1),
        "below_top": _Column((ids["below_top"] - 1).clip(max=_WIDEST), _WIDEST + 1),
        "group_size": _Column(ids["group_size"] - 1, RELATIONS["group_size"].size - 1),
        "inter_onset": _Column(ids["inter_onset"], times),
        "until_next": _Column(until, times),
        "velocity": _Column(notes.values[VELOCITY][0][members] // 2, notes.vocabulary.velocity_bins // 2),
        "length": _Column(np.searchsorted(_LENGTHS, durations, side="right"), len(_LENGTHS) + 1),
        "bass_step": _kind_of_step(ids["bass_step"]),
        "top_step": _kind_of_step(ids["top_step"]),
    }
    return columns, lowest, highest


def _kind_of_step(ids: Ints) -> _Column:
    """Return the kind and the direction of steps; the last value where no group comes before."""
    step = ids - _NO_STEP
    kind = np.searchsorted(_KINDS, np.abs(step), side="right")
    return _Column(
        np.where(ids == 1, 2 * len(_KINDS) + 1, len(_KINDS) + np.sign(step) * kind), 2 * len(_KINDS) + 2
    )


def _counts(quarter: Ints, columns: Sequence[_Column]) -> Ints:
    """Return (4, V): how often values meet in each quarter."""
    cell, size = quarter, 1
    for column in columns:
        cell, size = cell * column.size + column.values, size * column.size
    return np.bincount(cell, minlength=_QUARTERS * size).reshape(_QUARTERS, size)


def _successive(quarter: Ints, column: _Column, count: int) -> Ints:
    """Return (4, V): how often values follow one another, by twos or threes."""
    shorter = len(quarter) - count + 1
    parts = [column.at(np.arange(start, start + max(shorter, 0))) for start in range(count)]
    return _counts(quarter[count - 1 :], parts)


def _of_stretches(counts: Ints, notes: int) -> NDArray[np.float32]:
    """Return (S, V) square roots of shares of the whole, halves and quarters from (4, V) counts of quarters."""
    parts = [counts.sum(axis=0, keepdims=True), counts.reshape(2, 2, -1).sum(axis=1), counts]
    rows = np.concatenate(parts)[: len(edges(notes))]
    return np.sqrt(shares(rows)).astype(np.float32)
