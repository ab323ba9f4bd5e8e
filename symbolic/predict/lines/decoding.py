"""Lines of a piece: tracks vote, lines are summed, and the melody that is answered has no holes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from symbolic.features.note_table import NoteTable
from symbolic.features.stats import Floats
from symbolic.predict.lines.decoder import LineWeights, line_log_odds
from symbolic.predict.lines.tracks import track_votes

ONE_VOICE = 0.05
"""Largest share of notes that begin while another still sounds, in a piece of one voice."""
LOWEST = 0.3
"""Least probability of a note that is answered as melody."""
_NEAR = 0.05
"""Distance from one half within which probabilities that are raised stay."""


class LineSettings(NamedTuple):
    """Fitted numbers of the lines.

    Attributes:
        scale: From the notes' log-odds to those of the lines.
        follow, interval, overlap, rest, restart: As for `LineWeights`.
        own, vote, behind, near, alone: Weights of a note's own log-odds and the three of `track_votes`, and a constant.
    """

    scale: float = 1.0
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


def decoded(own: Floats, table: NoteTable, tracks: NDArray[np.integer] | None, known: LineSettings) -> Floats:
    """Return (N,) log-odds that each note is on the line, not yet calibrated.

    Args:
        own: (N,) log-odds of melody of each note by itself.
        table: The notes, in order of onsets and without drums.
        tracks: (N,) track of each note. None where tracks do not vote.
        known: The fitted numbers.
    """
    odds = known.scale * own
    if tracks is not None:
        votes = track_votes(odds, tracks) @ np.array([known.vote, known.behind, known.near])
        odds = known.own * odds + votes + known.alone
    weights = LineWeights(known.follow, known.interval, known.overlap, known.rest, known.restart)
    return line_log_odds(odds, table.seconds, table.seconds + table.durations, table.pitch, weights)


def complete(probability: Floats) -> Floats:
    """Raise to one half what belongs to the melody of the greatest expected F1, and keep the order of the notes.

    Where notes are uncertain, those above one half alone would leave holes in a melody. F1 is greatest above half of
    the F1 that can be expected (Lipton, Elkan & Naryanaswamy, 2014, "Optimal thresholding of classifiers").

    Args:
        probability: (N,) of melody, calibrated, N > 0.
    """
    falling = np.sort(probability)[::-1]
    expected = 2 * np.cumsum(falling) / (np.arange(1, len(falling) + 1) + falling.sum())
    least = min(max(float(expected.max()) / 2, LOWEST), 0.5)
    high = 0.5 + _NEAR
    raised = 0.5 + 1e-6 + (probability - least) * ((_NEAR - 1e-6) / (high - least))
    return np.where((probability >= least) & (probability < high), raised, probability)


def voices_together(table: NoteTable) -> float:
    """Return the share of notes that begin while another one still sounds.

    Args:
        table: The notes, in order of onsets and without drums.
    """
    ends = np.maximum.accumulate(table.seconds + 0.75 * table.durations)
    return float(np.mean(table.seconds[1:] < ends[:-1])) if len(table) > 1 else 0.0


def is_one_voice(table: NoteTable) -> bool:
    """Return whether hardly a note begins while another one still sounds. Argument as for `voices_together`."""
    return voices_together(table) <= ONE_VOICE
