"""Compute bars and positions of notes from time signatures and tempos."""

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
    """Stretches with one time signature. All arrays are (S,).

    Attributes:
        start: Grid position of the start.
        first_bar: Number of the bar that begins there.
        time_signature: Time-signature value.
        length: Length of a bar in positions.
    """

    start: Ints
    first_bar: Ints
    time_signature: Ints
    length: Ints


def to_grid(ticks: Ints, music: Music, vocabulary: Vocabulary) -> Ints:
    """Round times in ticks to the nearest grid position, exactly. Ties go to the later one."""
    steps, half = _grid_ratio(music.resolution, vocabulary)
    found = ticks * steps + half if steps > 1 else ticks + half
    found //= 2 * half
    return found


def _grid_ratio(resolution: int, vocabulary: Vocabulary) -> tuple[int, int]:
    """Return the fraction positions / (2 * `half`) ticks in lowest terms with a whole `half`."""
    common = gcd(2 * vocabulary.positions_per_quarter, resolution)
    return 2 * vocabulary.positions_per_quarter // common, resolution // common


def time_signature_value(numerator: int, denominator: int, vocabulary: Vocabulary) -> int:
    """Return the closest time-signature value.

    A bar that is too long is split into the fewest equal bars as 12/2 into three of 4/2. A beat unit that is too
    short, or no power of two, is rounded to the shortest unit.

    Args:
        numerator: Beats in a bar, at least 1.
        denominator: Beat unit, at least 1.
        vocabulary: The vocabulary of the time signatures.
    """
    values = vocabulary.time_signature_values
    if denominator & (denominator - 1) or denominator > vocabulary.max_denominator:
        finest = vocabulary.max_denominator
        numerator, denominator = max(1, round(numerator * finest / denominator)), finest
    longest = vocabulary.max_bar_quarters * denominator // 4
    # At the latest with bars of one beat, however large a prime the numerator is.
    beats = next(beats for beats in range(min(numerator, longest), 0, -1) if numerator % beats == 0)
    return values[beats, denominator]


def time_signature_segments(music: Music, vocabulary: Vocabulary) -> Segments:
    """Place the time signatures on the grid. Every change begins a bar, wherever it is."""
    return _segments(music.time_signatures.astype(np.int64).tobytes(), music.resolution, vocabulary)


@lru_cache  # most pieces share a few maps
def _segments(time_signatures_in_bytes: bytes, resolution: int, vocabulary: Vocabulary) -> Segments:
    events = np.frombuffer(time_signatures_in_bytes, dtype=np.int64).reshape(-1, 3).tolist()
    steps, half = _grid_ratio(resolution, vocabulary)
    starts, time_signatures = [0], [vocabulary.time_signature_values[4, 4]]
    for tick, numerator, denominator in events:
        if numerator <= 0 or denominator <= 0:
            continue
        start = (tick * steps + half) // (2 * half)
        value = time_signature_value(numerator, denominator, vocabulary)
        # At one position the last change holds. A change to the present time signature is kept, for it may
        # begin a bar.
        if start == starts[-1]:
            time_signatures[-1] = value
        else:
            starts.append(start)
            time_signatures.append(value)
    lengths = vocabulary.bar_positions[time_signatures]
    first_bar = [0]
    for (start, following), length in zip(pairwise(starts), lengths.tolist(), strict=False):
        first_bar.append(first_bar[-1] - (start - following) // length)
    return Segments(np.array(starts), np.array(first_bar), np.array(time_signatures), lengths)


def locate_bars(onset: Ints, segments: Segments, rising: bool = False) -> tuple[Ints, Ints, Ints]:
    """Compute the bar, the position in it and the time-signature value of grid positions.

    Args:
        onset: (N,) grid positions, not negative.
        segments: The result of `time_signature_segments`.
        rising: Whether `onset` rises. It saves time.
    """
    if len(segments.start) == 1:  # most pieces, and several times faster
        length = int(segments.length[0])
        bar = onset // length
        return bar, onset - bar * length, segments.time_signature.repeat(len(onset))
    at = _in_force(segments.start, onset, rising)
    bar, position = np.divmod(onset - segments.start[at], segments.length[at])
    bar += segments.first_bar[at]
    return bar, position, segments.time_signature[at]


def bar_bounds(bar: Ints, segments: Segments) -> tuple[Ints, Ints, Ints]:
    """Compute where bars begin, their lengths and their time-signature values.

    Args:
        bar: (N,) bars of a piece, counted from 0.
        segments: The result of `time_signature_segments`.

    Returns:
        (N,) starts and lengths in grid positions, and (N,) values. A bar that a change of time signature cuts is short.
    """
    at = _in_force(segments.first_bar, bar, rising=False)
    start = segments.start[at] + (bar - segments.first_bar[at]) * segments.length[at]
    following = np.append(segments.start[1:], np.iinfo(np.int64).max)[at]
    return start, np.minimum(segments.length[at], following - start), segments.time_signature[at]


def to_ticks(position: Ints, music: Music, vocabulary: Vocabulary) -> Ints:
    """Convert grid positions to the nearest times in ticks. Ties go to the later one."""
    found: Ints = (2 * position * music.resolution + vocabulary.positions_per_quarter) // (
        2 * vocabulary.positions_per_quarter
    )
    return found


def tempo_values(onset: Ints, music: Music, vocabulary: Vocabulary, rising: bool = False) -> Ints:
    """Return (N,) tempo values at grid positions. It saves time if these are known to rise.

    A change counts from its nearest grid position on, so that notes on one position never disagree.
    """
    tempos = music.tempo_map
    value = _tempo_edges(vocabulary).searchsorted(tempos[:, 1], side="right")
    if len(value) == 1:
        return value.repeat(len(onset))
    changes = to_grid(tempos[:, 0].astype(np.int64), music, vocabulary)
    return value.take(_in_force(changes, onset, rising))


@lru_cache
def _tempo_edges(vocabulary: Vocabulary) -> NDArray[np.float64]:
    """Return the tempos at which each tempo value but the first begins: halfway in the logarithm."""
    values = np.arange(1, len(vocabulary.tempos))
    return np.asarray(vocabulary.min_tempo * 2 ** ((values - 0.5) / vocabulary.tempos_per_octave))


def _in_force(start: Ints, onset: Ints, rising: bool) -> Ints:
    """Return (N,) the index of the last start that is not later than each grid position."""
    if rising:  # There are fewer starts to search for than onsets.
        first = np.empty(len(start) + 1, dtype=np.int64)
        first[:-1], first[-1] = onset.searchsorted(start), len(onset)
        return np.arange(len(start)).repeat(first[1:] - first[:-1])
    at = start.searchsorted(onset, side="right")
    at -= 1
    return at


def bar_starts(bar: Ints, time_signature: Ints, vocabulary: Vocabulary) -> tuple[Ints, Ints]:
    """Compute where bars begin, from the bar and time signature of each token.

    Bars without tokens keep the time signature before them.

    Args:
        bar: (N,) bars in rising order.
        time_signature: (N,) time-signature values.
        vocabulary: The vocabulary of the values.

    Returns:
        (N,) grid position of each token's bar, and (M, 3) time signatures as in `Music`, in positions.
    """
    if len(bar) == 0:
        return bar, np.array([[0, 4, 4]], dtype=np.int64)
    length = vocabulary.bar_positions
    known, first = np.unique(bar, return_index=True)
    time_signatures = time_signature[first]
    # The first token's time signature holds before it. Later, each one holds until the next.
    begins = np.concatenate(
        [[known[0] * length[time_signatures[0]]], np.diff(known) * length[time_signatures[:-1]]]
    ).cumsum()
    changes = np.flatnonzero(np.diff(time_signatures, prepend=-1))
    changed = np.column_stack([begins[changes], vocabulary.time_signatures[time_signatures[changes]]])
    changed[0, 0] = 0
    return begins[np.searchsorted(known, bar)], changed
