"""Bars from metre and tempo maps, on the grid of positions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.notes import Music
from symbolic.vocabulary import Vocabulary

Ints = NDArray[np.int64]


class Segments(NamedTuple):
    """Stretches of one metre, all (S,): grid position of the start, bar begun there, time-signature value."""

    start: Ints
    first_bar: Ints
    metre: Ints


def to_grid(ticks: NDArray[np.integer] | NDArray[np.floating], music: Music, vocabulary: Vocabulary) -> Ints:
    """The nearest grid position of each time in ticks, halfway the later, without a rounding error."""
    doubled = 2 * ticks.astype(np.int64) * vocabulary.positions_per_quarter
    return np.asarray((doubled + music.resolution) // (2 * music.resolution))


def metre_value(numerator: int, denominator: int, vocabulary: Vocabulary) -> int:
    """The time-signature value closest to a metre.

    A bar too long is split into the fewest equal bars (12/2 into three of 4/2); a beat unit that is no power of
    two, or too short, is rounded to the shortest unit.

    Args:
        numerator: Beats in a bar, at least 1.
        denominator: Beat unit, at least 1.
        vocabulary: What metres there are.
    """
    values = vocabulary.metre_values
    if denominator & (denominator - 1) or denominator > vocabulary.max_denominator:
        finest = vocabulary.max_denominator
        numerator, denominator = max(1, round(numerator * finest / denominator)), finest
    beats = next(
        numerator // parts
        for parts in range(1, numerator + 1)
        if numerator % parts == 0 and (numerator // parts, denominator) in values
    )  # ends with bars of one beat at the latest: a vocabulary always holds a whole note
    return values[beats, denominator]


def metre_segments(music: Music, vocabulary: Vocabulary) -> Segments:
    """The metre map on the grid. Every change of metre begins a bar, wherever it falls."""
    usable = music.metres[(music.metres[:, 1] > 0) & (music.metres[:, 2] > 0)]
    start = to_grid(usable[:, 0], music, vocabulary)
    metre = np.array([metre_value(int(n), int(d), vocabulary) for _, n, d in usable], dtype=np.int64)
    if len(start) == 0 or start[0] > 0:
        start = np.concatenate([[0], start])
        metre = np.concatenate([[vocabulary.metre_values[4, 4]], metre])
    # Of changes at one position the last holds; a change to the metre in force only marks a new bar
    # where it is out of phase, so it must stay.
    last = np.append(start[1:] != start[:-1], True)
    start, metre = start[last], metre[last]
    bars = -(-np.diff(start) // vocabulary.bar_positions[metre[:-1]])
    return Segments(start, np.concatenate([[0], np.cumsum(bars)]), metre)


def locate_bars(onset: Ints, segments: Segments, vocabulary: Vocabulary) -> tuple[Ints, Ints, Ints]:
    """Bar, position in the bar, and time-signature value of each grid position.

    Args:
        onset: (N,) grid positions, not negative.
        segments: From `metre_segments`.
        vocabulary: Lengths of bars.
    """
    at = np.searchsorted(segments.start, onset, side="right") - 1
    metre = segments.metre[at]
    bar, position = np.divmod(onset - segments.start[at], vocabulary.bar_positions[metre])
    return bar + segments.first_bar[at], position, metre


def tempo_values(onset: Ints, music: Music, vocabulary: Vocabulary) -> Ints:
    """(N,) tempo values in force at grid positions.

    A change takes hold at its nearest grid position, so that notes on one position never disagree.
    """
    tempi = music.tempo_map
    start = to_grid(tempi[:, 0], music, vocabulary)
    clipped = np.clip(tempi[:, 1], vocabulary.min_tempo, vocabulary.max_tempo)
    octaves = np.log2(clipped / vocabulary.min_tempo)
    value = np.floor(octaves * vocabulary.tempos_per_octave + 0.5).astype(np.int64)
    value = np.minimum(value, len(vocabulary.tempos) - 1)
    return np.asarray(value[np.searchsorted(start, onset, side="right") - 1])


def bar_starts(bar: Ints, metre: Ints, vocabulary: Vocabulary) -> tuple[Ints, Ints]:
    """Where bars begin, given the bar and metre of each row; bars without rows keep the metre before.

    Args:
        bar: (N,) bars, not falling.
        metre: (N,) time-signature values.
        vocabulary: Lengths of bars.

    Returns:
        (N,) grid position of each row's bar, and the (M, 3) metre map in grid ticks.
    """
    if len(bar) == 0:
        return bar, np.array([[0, 4, 4]], dtype=np.int64)
    length = vocabulary.bar_positions
    known, first = np.unique(bar, return_index=True)
    metres = metre[first]
    # Bars before the first row share its metre; after that, each stretch lasts in the metre that began it.
    begins = np.concatenate([[known[0] * length[metres[0]]], np.diff(known) * length[metres[:-1]]]).cumsum()
    changes = np.flatnonzero(np.diff(metres, prepend=-1))
    changed = np.column_stack([begins[changes], vocabulary.metres[metres[changes]]])
    changed[0, 0] = 0
    return begins[np.searchsorted(known, bar)], changed
