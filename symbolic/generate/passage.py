"""Find the bars, tracks and fields of a piece that are to be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import ConfigError, did_you_mean
from symbolic.generate.tracks import find_tracks
from symbolic.music.notes import Music
from symbolic.tokens.grid import Segments, bar_bounds, locate_bars, time_signature_segments, to_grid
from symbolic.tokens.tokenizer import Tokens
from symbolic.tokens.vocabulary import BAR, DURATION, FIELDS, PITCH, POSITION, RESERVED, VELOCITY, Vocabulary

Ints = NDArray[np.int64]
DRAWN = (POSITION, PITCH, DURATION, VELOCITY)
"""Fields that can be written, in the usual order. Bar, program, time signature and tempo are given."""
DRAWN_NAMES = tuple(FIELDS[field] for field in DRAWN)
_MOST_BARS = 2**16 - RESERVED


@dataclass(frozen=True, eq=False)
class Passage:
    """The part of a piece that is to be written.

    Attributes:
        first: First bar, counted from 0.
        stop: Bar after the last one.
        tracks: Tracks that are asked for in rising order.
        fields: Fields to draw, some of `DRAWN`.
        anew: Whether the notes are replaced by others. Else they stay, and only `fields` change.
        asked: (N,) bool, the tokens of the piece that are concerned.
        start: (B,) grid position where each bar of the passage begins.
        length: (B,) length of each bar in positions.
        time_signature: (B,) time-signature value of each bar.
    """

    first: int
    stop: int
    tracks: Ints
    fields: tuple[int, ...]
    anew: bool
    asked: NDArray[np.bool_]
    start: Ints
    length: Ints
    time_signature: Ints

    @property
    def end(self) -> int:
        """The grid position where the passage ends."""
        return int(self.start[-1] + self.length[-1])

    @property
    def bars(self) -> str:
        """The bars as users count them, such as "9-12"."""
        return f"{self.first + 1}-{self.stop}" if self.stop > self.first + 1 else str(self.stop)

    @property
    def place(self) -> str:
        """The bars in words, such as "bars 9-12" or "bar 9"."""
        return f"bar{'s' * (self.stop > self.first + 1)} {self.bars}"


def find_passage(
    music: Music,
    tokens: Tokens,
    vocabulary: Vocabulary,
    bars: tuple[int, int] | None = None,
    fields: Sequence[str] | None = None,
    tracks: Sequence[str | int] | None = None,
    continue_bars: int = 0,
) -> Passage:
    """Find the passage that a user asks for.

    Args:
        music: The piece with at least one note.
        tokens: Its tokens.
        vocabulary: Their meaning.
        bars: First and last bar, counted from 1. By default the whole piece.
        fields: Names from `DRAWN_NAMES`: the notes stay and these fields of them are drawn. By default the notes are
            written anew.
        tracks: Tracks as for `find_tracks`. By default all.
        continue_bars: Write so many bars after the end of the piece instead.

    Raises:
        ConfigError: If the piece has no such bars or tracks, or there is nothing to change in them.
    """
    # A string is a sequence too: "12" would be the tracks 1 and 2.
    lists: dict[str, object] = {"fields": fields, "tracks": tracks}
    alone = {name: given for name, given in lists.items() if isinstance(given, str | int)}
    if alone:
        raise ConfigError([f"{name} {given!r}: give a list, [{given!r}]." for name, given in alone.items()])
    segments = time_signature_segments(music, vocabulary)
    count = _bar_count(music, segments, vocabulary)
    wrong = [name for name in fields or () if name not in DRAWN_NAMES]
    problems = [
        f"fields {name}: {did_you_mean(name, DRAWN_NAMES)}choose among {', '.join(DRAWN_NAMES)}."
        for name in wrong
    ]
    if fields is not None and not fields:
        problems.append(f"fields are empty: choose among {', '.join(DRAWN_NAMES)}.")
    if tracks is not None and not len(tracks):
        problems.append("tracks are empty: name some, or leave them out to write all.")
    problems += _bar_problems(bars, fields, continue_bars, count)
    if problems:
        raise ConfigError(problems)
    first, stop = (0, count) if bars is None else (bars[0] - 1, bars[1])
    if continue_bars:
        first, stop = count, count + continue_bars
    of_tracks = (
        np.unique(music.notes["track"]).astype(np.int64) if tracks is None else find_tracks(music, tracks)
    )
    bar = tokens.ids[:, BAR].astype(np.int64) - RESERVED
    asked = (first <= bar) & (bar < stop) & np.isin(music.notes["track"][tokens.note_index], of_tracks)
    passage = Passage(
        first,
        stop,
        of_tracks,
        DRAWN if fields is None else tuple(field for field in DRAWN if FIELDS[field] in fields),
        fields is None,
        asked,
        *bar_bounds(np.arange(first, stop), segments),
    )
    if not passage.anew and not asked.any():
        raise ConfigError(
            f"There are no notes of these tracks in {passage.place}, and so no {' or '.join(fields or ())} to change. "
            "Leave the fields out to write new notes."
        )
    return passage


def _bar_problems(
    bars: tuple[int, int] | None, fields: Sequence[str] | None, continue_bars: int, count: int
) -> list[str]:
    """Return one sentence for everything that is wrong with the bars. `count` is how many the piece has."""
    if continue_bars < 0:
        return [f"continue {continue_bars}: give the number of bars to add, 1 or more."]
    if continue_bars:
        problems = ["bars and continue exclude each other: give one of them."] if bars is not None else []
        if fields is not None:
            problems.append("continue writes new notes, all fields of them: leave the fields out.")
        if count + continue_bars > _MOST_BARS:
            problems.append(f"continue {continue_bars:,}: a piece has at most {_MOST_BARS:,} bars.")
        return problems
    if bars is None:
        return []
    if np.shape(bars) != (2,) or not all(isinstance(bar, int | np.integer) for bar in bars):
        return [f"bars {bars!r}: give the first and the last one as two numbers, such as (9, 12)."]
    first, last = bars
    if not 1 <= first <= last:
        return [f"bars {first}-{last}: give the first and the last one, counted from 1."]
    if last > count:
        end = f"the piece has {count:,} bar{'s' * (count > 1)}"
        return [f"bars {first}-{last}: {end}. To write beyond its end, continue it."]
    return []


def _bar_count(music: Music, segments: Segments, vocabulary: Vocabulary) -> int:
    """Return the number of bars up to the last sound."""
    ends = music.notes["onset"] + np.maximum(music.notes["duration"] - 1, 0)
    last = to_grid(np.maximum(ends, music.notes["onset"]).max()[None], music, vocabulary)
    # A sound that ends just before a bar line is rounded to it.
    onset = to_grid(music.notes["onset"].max()[None], music, vocabulary)
    return int(locate_bars(np.maximum(last - 1, onset), segments)[0][0]) + 1
