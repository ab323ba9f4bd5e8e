"""From the log-odds of notes to a melody: tracks vote, the piece sets how much melody there is, lines are summed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from symbolic.features import under_another
from symbolic.features.note_table import NoteTable
from symbolic.features.stats import Floats, softmax
from symbolic.predict.lines.decoder import LineWeights, line_log_odds, presence_shift
from symbolic.predict.lines.tracks import has_tracks, track_votes
from symbolic.tokens.vocabulary import DRUM_PITCH, PITCH, RESERVED, Vocabulary

ONE_VOICE = 0.05
"""Largest share of notes that begin while another still sounds, in a piece of one voice."""
SURE = 4.0
"""Log-odds of melody in a piece of one voice."""
_LEAST = 1e-6
"""Least probability of melody and of the rest by a network, so that neither is ruled out."""


class LineSettings(NamedTuple):
    """Fitted numbers beside the trees.

    Attributes:
        scale, shift: From the notes' log-odds to those of the lines.
        freedom: As for `presence_shift`.
        follow, interval, overlap, rest, restart: As for `LineWeights`.
        own, vote, behind, near, alone: Weights of a note's own log-odds and the three of `track_votes`, and a constant.
        slope, offset: Calibration of the log-odds of the line.
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

    @property
    def line(self) -> LineWeights:
        """The weights of steps."""
        return LineWeights(self.follow, self.interval, self.overlap, self.rest, self.restart)


class LineDecoder(nn.Module):
    """Decides by lines what a classifier of notes says of each note. A piece of one voice is melody."""

    values: Tensor

    def __init__(self, settings: LineSettings | None = None) -> None:
        super().__init__()
        self.register_buffer("values", torch.tensor(settings or LineSettings(), dtype=torch.float64))

    @property
    def settings(self) -> LineSettings:
        """The fitted numbers."""
        return LineSettings(*self.values.tolist())

    def set(self, settings: LineSettings) -> None:
        """Take other numbers."""
        self.values.copy_(torch.tensor(settings, dtype=torch.float64))

    def describe(self) -> dict[str, Any]:
        """Return what `described` needs as JSON values."""
        return {"settings": list(LineSettings._fields)}

    @classmethod
    def described(cls, classes: int, about: Mapping[str, Any]) -> LineDecoder | None:
        """Return one whose weights can be loaded. None if it has other settings than those of this release."""
        return cls() if about.get("settings") == list(LineSettings._fields) else None

    def check(self) -> None:
        """Do nothing: any numbers are sound."""

    def log_odds(
        self, own: Floats, tokens: NDArray[np.integer], tracks: NDArray[np.integer] | None = None
    ) -> Floats:
        """Return (N,) log-odds of melody.

        Args:
            own: (N,) log-odds of melody of each note by itself.
            tokens: (N, 8) ids of the piece in canonical order. Drums are never melody.
            tracks: (N,) track of each note. None where tracks do not vote.
        """
        pitched, found = tokens[:, PITCH] < DRUM_PITCH + RESERVED, np.full(len(tokens), -SURE)
        if not pitched.any():
            return found
        table = NoteTable.of(tokens, Vocabulary()).where(pitched)
        if is_one_voice(table):
            found[pitched] = SURE
            return found
        known = self.settings
        odds = known.scale * own[pitched] + known.shift
        if tracks is not None and has_tracks(tracks[pitched]):
            votes = track_votes(odds, tracks[pitched].astype(np.int64))
            odds = known.own * odds + votes @ np.array([known.vote, known.behind, known.near]) + known.alone
        line = summed(odds, table, ~under_another(tokens)[pitched], known)
        found[pitched] = known.slope * line + known.offset
        return found

    def decided(
        self, logits: NDArray[np.floating], tokens: NDArray[np.integer], tracks: NDArray[np.integer] | None
    ) -> NDArray[np.float32]:
        """Return (N, C) log-probabilities in which the first class, melody, is decided by lines.

        The other classes keep their proportions.

        Args:
            logits: (N, C) logits of a classifier of notes.
            tokens: (N, 8) ids of the piece in canonical order.
            tracks: (N,) track of each note. None where tracks do not vote.
        """
        shares = softmax(logits.astype(np.float64))
        melody = np.clip(shares[:, 0], _LEAST, 1 - _LEAST)
        odds = self.log_odds(np.log(melody) - np.log1p(-melody), tokens, tracks)
        others = np.maximum(shares[:, 1:], _LEAST)
        others = np.log(others / others.sum(axis=1, keepdims=True)) - np.logaddexp(0, odds)[:, None]
        return np.column_stack([-np.logaddexp(0, -odds), others]).astype(np.float32)


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
