"""Bars and beats of times in ticks, counted from 1 as musicians do."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.music.notes import Music

Ints = NDArray[np.int64]


class _Segments(NamedTuple):
    """Stretches under one time signature, M of them: (M,) each but `first_bar`, which is (M,) from 0."""

    start: Ints
    upper: Ints
    lower: Ints
    first_bar: Ints


def beats(music: Music, ticks: NDArray[np.integer]) -> tuple[Ints, NDArray[np.float64]]:
    """Return the bar and the beat of (N,) times in ticks, both counted from 1.

    Every time signature begins a bar. One that is cut short by a new time signature counts as a bar. In compound time
    signatures such as 6/8 a beat has three units. Half a beat after beat 2 is 2.5.
    """
    segments, whole = _segments(music), 4 * music.resolution
    at = np.searchsorted(segments.start, ticks, side="right") - 1
    upper, lower = segments.upper[at], segments.lower[at]
    # In units of a whole note's ticks times the lower number, so that nothing is rounded before the end.
    since = (ticks.astype(np.int64) - segments.start[at]) * lower
    bar, within = np.divmod(since, whole * upper)
    unit = np.where((lower >= 8) & (upper > 3) & (upper % 3 == 0), 3, 1)
    return 1 + segments.first_bar[at] + bar, 1 + within / (whole * unit)


def bar_lines(music: Music, end: int) -> NDArray[np.float64]:
    """Return the times in ticks at which bars begin, the first at 0 and the last before `end`."""
    segments = _segments(music)
    counted = np.append(segments.first_bar, beats(music, np.array([max(end - 1, 0)]))[0])
    lines = []
    for start, upper, lower, count in zip(
        segments.start, segments.upper, segments.lower, np.diff(counted), strict=True
    ):
        lines.append(start + np.arange(max(count, 0)) * (4 * music.resolution * upper / lower))
    found = np.concatenate(lines)
    return found[found < max(end, 1)]


def _segments(music: Music) -> _Segments:
    """Return the time signatures from tick 0 on with the number of bars before each."""
    known = [
        (tick, upper, lower)
        for tick, upper, lower in music.time_signatures.tolist()
        if upper > 0 and lower > 0
    ]
    start, upper, lower = np.array([(0, 4, 4), *known], dtype=np.int64).T
    length = 4 * music.resolution * upper[:-1]
    bars = -(-np.diff(start) * lower[:-1] // length)
    return _Segments(start, upper, lower, np.concatenate([[0], np.cumsum(bars)]).astype(np.int64))
