"""Bars from metre and tempo maps, on the grid of positions."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import gcd
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.music.notes import Music
from symbolic.tokens.vocabulary import Vocabulary

Ints = NDArray[np.int64]


class Segments(NamedTuple):
    """Stretches of one metre, all (S,): grid position of the start, bar begun there, metre value, bar length."""

    start: Ints
    first_bar: Ints
    metre: Ints
    length: Ints


def to_grid(ticks: Ints, music: Music, vocabulary: Vocabulary) -> Ints:
    """The nearest grid position of each time in ticks, halfway the later, without a rounding error."""
    steps, half = _grid_ratio(music.resolution, vocabulary)
    found = ticks * steps + half if steps > 1 else ticks + half
    found //= 2 * half
    return found


def _grid_ratio(resolution: int, vocabulary: Vocabulary) -> tuple[int, int]:
    """Positions in `half` * 2 ticks, and `half`: the fraction in its lowest terms whose half is whole."""
    common = gcd(2 * vocabulary.positions_per_quarter, resolution)
    return 2 * vocabulary.positions_per_quarter // common, resolution // common


def metre_value(numerator: int, denominator: int, vocabulary: Vocabulary) -> int:
    """The time-signature value closest to a metre.

    A bar too long is split into the fewest equal bars (12/2 into three of 4/2); a beat unit that is no power of
    two, or too short, is rounded to the shortest unit.

    Args:
        numerator: Beats in a bar, at least 1.
        denominator: Beat unit, at least 1.
        vocabulary: What time signatures there are.
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
    return _segments(music.time_signatures.astype(np.int64).tobytes(), music.resolution, vocabulary)


@lru_cache  # few maps serve most pieces
def _segments(time_signatures_in_bytes: bytes, resolution: int, vocabulary: Vocabulary) -> Segments:
    events = np.frombuffer(time_signatures_in_bytes, dtype=np.int64).reshape(-1, 3).tolist()
    steps, half = _grid_ratio(resolution, vocabulary)
    starts, time_signatures = [0], [vocabulary.metre_values[4, 4]]
    for tick, numerator, denominator in events:
        if numerator <= 0 or denominator <= 0:
            continue
        start, metre = (tick * steps + half) // (2 * half), metre_value(numerator, denominator, vocabulary)
        # Of changes at one position the last holds; a change to the metre in force only marks a new bar
        # where it is out of phase, so it must stay.
        if start == starts[-1]:
            time_signatures[-1] = metre
        else:
            starts.append(start)
            time_signatures.append(metre)
    lengths = vocabulary.bar_positions[time_signatures]
    first_bar = [0]
    for (start, following), length in zip(pairwise(starts), lengths.tolist(), strict=False):
        first_bar.append(first_bar[-1] - (start - following) // length)
    return Segments(np.array(starts), np.array(first_bar), np.array(time_signatures), lengths)


def locate_bars(onset: Ints, segments: Segments) -> tuple[Ints, Ints, Ints]:
    """Bar, position in the bar, and time-signature value of each grid position.

    Args:
        onset: (N,) grid positions, not negative; fastest in rising order.
        segments: From `metre_segments`.
    """
    if len(segments.start) == 1:  # most pieces; and to divide by one number is several times faster
        length = int(segments.length[0])
        bar = onset // length
        return bar, onset - bar * length, segments.metre.repeat(len(onset))
    at = _in_force(segments.start, onset)
    bar, position = np.divmod(onset - segments.start[at], segments.length[at])
    bar += segments.first_bar[at]
    return bar, position, segments.metre[at]


def tempo_values(onset: Ints, music: Music, vocabulary: Vocabulary) -> Ints:
    """(N,) tempo values in force at grid positions; fastest where those rise.

    A change takes hold at its nearest grid position, so that notes on one position never disagree.
    """
    tempos = music.tempo_map
    value = _tempo_edges(vocabulary).searchsorted(tempos[:, 1], side="right")
    if len(value) == 1:
        return value.repeat(len(onset))
    changes = to_grid(tempos[:, 0].astype(np.int64), music, vocabulary)
    return value.take(_in_force(changes, onset))


@lru_cache
def _tempo_edges(vocabulary: Vocabulary) -> NDArray[np.float64]:
    """Quarter notes per minute at which each tempo value but the first begins: halfway in the logarithm."""
    values = np.arange(1, len(vocabulary.tempos))
    return np.asarray(vocabulary.min_tempo * 2 ** ((values - 0.5) / vocabulary.tempos_per_octave))


def _in_force(start: Ints, onset: Ints) -> Ints:
    """(N,) index of the last start that is not later than each grid position."""
    at = start.searchsorted(onset, side="right")
    at -= 1
    return at


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
    time_signatures = metre[first]
    # Bars before the first row share its metre; after that, each stretch lasts in the metre that began it.
    begins = np.concatenate(
        [[known[0] * length[time_signatures[0]]], np.diff(known) * length[time_signatures[:-1]]]
    ).cumsum()
    changes = np.flatnonzero(np.diff(time_signatures, prepend=-1))
    changed = np.column_stack([begins[changes], vocabulary.time_signatures[time_signatures[changes]]])
    changed[0, 0] = 0
    return begins[np.searchsorted(known, bar)], changed
