"""Lines of a piece: tracks vote, the piece sets how much melody there is, lines are summed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.features.note_table import NoteTable
from symbolic.features.stats import Floats
from symbolic.predict.lines.decoder import LineWeights, line_log_odds, presence_shift
from symbolic.predict.lines.tracks import track_votes

ONE_VOICE = 0.05
"""Largest share of notes that begin while another still sounds, in a piece of one voice."""


class LineSettings(NamedTuple):
    """Fitted numbers of the lines.

    Attributes:
        scale, shift: From the notes' log-odds to those of the lines.
        freedom: As for `presence_shift`.
        follow, interval, overlap, rest, restart: As for `LineWeights`.
        own, vote, behind, near, alone: Weights of a note's own log-odds and the three of `track_votes`, and a constant.
        slope, offset: Calibration of the log-odds of the line.
        slope_voted, offset_voted: The same where tracks vote.
    """

    scale: float = 1.0
    shift: float = 0.0
    freedom: float = 0.0
    follow: float = 0.0
    interval: float = 0.0
    overlap: float = 0.0
    rest: float = 0.0
    restart: float = 0.0
    own: float = 1.0
    vote: float = 0.0
    behind: float = 0.0
    near: float = 0.0
    alone: float = 0.0
    slope: float = 1.0
    offset: float = 0.0
    slope_voted: float = 1.0
    offset_voted: float = 0.0

    @property
    def line(self) -> LineWeights:
        """The weights of steps."""
        return LineWeights(self.follow, self.interval, self.overlap, self.rest, self.restart)


def decoded(
    own: Floats,
    table: NoteTable,
    above: NDArray[np.bool_],
    tracks: NDArray[np.integer] | None,
    known: LineSettings,
) -> Floats:
    """Return (N,) log-odds that each note is on the line, calibrated.

    Args:
        own: (N,) log-odds of melody of each note by itself.
        table: The notes, in order of onsets and without drums.
        above: (N,) whether a note is on the skyline.
        tracks: (N,) track of each note. None where tracks do not vote.
        known: The fitted numbers.
    """
    odds = known.scale * own + known.shift
    if tracks is None:
        return known.slope * summed(odds, table, above, known) + known.offset
    votes = track_votes(odds, tracks) @ np.array([known.vote, known.behind, known.near])
    line = summed(known.own * odds + votes + known.alone, table, above, known)
    return known.slope_voted * line + known.offset_voted


def summed(odds: Floats, table: NoteTable, above: NDArray[np.bool_], known: LineSettings) -> Floats:
    """Return (N,) log-odds of the line before calibration, with as much melody as the piece asks for.

    Args:
        odds: (N,) log-odds of each note.
        table: The notes, in order of onsets and without drums.
        above: (N,) whether a note is on the skyline.
        known: The fitted numbers.
    """
    odds = odds + presence_shift(odds, table.seconds, above, known.freedom)
    return line_log_odds(odds, table.seconds, table.seconds + table.durations, table.pitch, known.line)


def is_one_voice(table: NoteTable) -> bool:
    """Return whether hardly a note begins while another one still sounds.

    Args:
        table: The notes, in order of onsets and without drums.
    """
    ends = np.maximum.accumulate(table.seconds + 0.75 * table.durations)
    return bool(np.mean(table.seconds[1:] < ends[:-1]) <= ONE_VOICE) if len(table) > 1 else True
