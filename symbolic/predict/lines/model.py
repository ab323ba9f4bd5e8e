"""The melody model: trees rate each note, tracks vote, and the sum over lines decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from symbolic.features.note_table import NoteTable
from symbolic.features.stats import Floats, softmax
from symbolic.predict.classifiers.boosting import BoostedTrees
from symbolic.predict.lines.decoder import LineWeights, line_log_odds, presence_shift
from symbolic.predict.lines.features import line_features, line_names
from symbolic.predict.lines.tracks import has_tracks, track_votes
from symbolic.tokens.vocabulary import DRUM_PITCH, PITCH, RESERVED, Vocabulary

CLASSES = 2
"""Melody and the rest, in this order."""
ONE_VOICE = 0.02
"""Largest share of notes that begin while another still sounds, in a piece of one voice."""
_SURE = 4.0
"""Log-odds of melody in a piece of one voice."""
_UNLIKE = (
    "The music is unlike what the model was trained on ({far:.1f} times the usual distance): trust it less."
)
IGNORE, VOTE = "ignore", "vote"
TRACKS = (VOTE, IGNORE)


class LineSettings(NamedTuple):
    """Fitted numbers beside the trees.

    Attributes:
        scale, shift: From the trees' log-odds to those of the lines.
        rate, trust: As for `presence_shift`.
        follow, interval, overlap, rest, restart: As for `LineWeights`.
        own, vote, behind, near, alone: Weights of a note's own log-odds and the three of `track_votes`, and a constant.
        slope, offset: Calibration of the log-odds of the line.
        farthest: Distance from the training pieces above which a piece is unlike them.
    """

    scale: float = 1.0
    shift: float = 0.0
    rate: float = 0.5
    trust: float = 0.0
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
    farthest: float = 1e9

    @property
    def line(self) -> LineWeights:
        """The weights of steps."""
        return LineWeights(self.follow, self.interval, self.overlap, self.rest, self.restart)


class MelodyLines(nn.Module):
    """Log-probabilities of melody and the rest, for every note of a piece.

    The first trees rate each note. The second read the same features and the first ratings of the notes around, as in
    `NoteClassifier`. Then tracks vote if there are several, and `line_log_odds` sums over the lines that the melody
    could take. A piece of one voice is melody.

    Args:
        sizes: Bytes of the first and the second trees that will be loaded.
    """

    values: Tensor
    centre: Tensor
    spread: Tensor

    def __init__(self, sizes: tuple[int, int] = (0, 0)) -> None:
        super().__init__()
        self.first, self.second = (BoostedTrees(CLASSES, size) for size in sizes)
        width = len(line_names(predicted=False))
        self.register_buffer("values", torch.tensor(LineSettings(), dtype=torch.float64))
        self.register_buffer("centre", torch.zeros(width, dtype=torch.float64))
        self.register_buffer("spread", torch.ones(width, dtype=torch.float64))

    @property
    def settings(self) -> LineSettings:
        """The fitted numbers."""
        return LineSettings(*self.values.tolist())

    @settings.setter
    def settings(self, values: LineSettings) -> None:
        self.values.copy_(torch.tensor(values, dtype=torch.float64))

    def describe(self) -> dict[str, Any]:
        """Return what `described` needs as JSON values."""
        return {
            "features": list(line_names(predicted=True)),
            "settings": list(LineSettings._fields),
            "trees": [part.size for part in (self.first, self.second)],
        }

    @classmethod
    def described(cls, classes: int, about: Mapping[str, Any]) -> MelodyLines | None:
        """Return one whose weights can be loaded. None if it was fitted in another way than this release fits."""
        known = (list(line_names(predicted=True)), list(LineSettings._fields))
        if (
            classes != CLASSES
            or (about.get("features"), about.get("settings")) != known
            or "trees" not in about
        ):
            return None
        first, second = about["trees"]
        return cls((int(first), int(second)))

    def check(self) -> None:
        """Refuse damaged trees in which a walk might run for ever.

        Raises:
            CheckpointError: If there are any.
        """
        self.first.check(len(line_names(predicted=False)))
        self.second.check(len(line_names(predicted=True)))

    @property
    def numbers(self) -> int:
        """Count the fitted numbers."""
        rest = (self.values, self.centre, self.spread)
        return self.first.numbers + self.second.numbers + sum(one.numel() for one in rest)

    def logits(self, tokens: NDArray[np.integer]) -> Floats:
        """Return (N, 2) log-probabilities of melody and the rest. Tracks do not vote. Arguments as for `explained`."""
        return self.explained(tokens)[0]

    def explained(
        self, tokens: NDArray[np.integer], tracks: NDArray[np.integer] | None = None
    ) -> tuple[Floats, tuple[str, ...]]:
        """Return (N, 2) log-probabilities of melody and the rest, and reasons to trust them less, as sentences.

        Args:
            tokens: (N, 8) ids of a piece in canonical order.
            tracks: (N,) track of each note. None where they shall not vote.
        """
        pitched = tokens[:, PITCH] < DRUM_PITCH + RESERVED
        odds, warnings = np.full(len(tokens), -_SURE), tuple[str, ...]()
        if pitched.any():
            features = line_features(tokens)
            own = self.note_log_odds(tokens, features)[pitched]
            table = NoteTable.of(tokens, Vocabulary()).where(pitched)
            odds[pitched] = self.decoded(own, table, None if tracks is None else tracks[pitched])
            warnings = self.warnings(features[pitched])
        return np.stack([-np.logaddexp(0, -odds), -np.logaddexp(0, odds)], axis=1), warnings

    def note_log_odds(self, tokens: NDArray[np.integer], features: NDArray[np.float32]) -> Floats:
        """Return (N,) log-odds of melody by the trees alone.

        Args:
            tokens: (N, 8) ids of a piece in canonical order.
            features: (N, F) from `line_features`.
        """
        melody = softmax(self.first.logits(features))[:, 0]
        logits = self.second.logits(line_features(tokens, melody))
        return np.asarray(logits[:, 0] - logits[:, 1])

    def decoded(self, own: Floats, table: NoteTable, tracks: NDArray[np.integer] | None = None) -> Floats:
        """Return (N,) log-odds of melody from the notes' own.

        Args:
            own: (N,) from `note_log_odds`.
            table: The notes, without drums.
            tracks: (N,) track of each note. None where they shall not vote.
        """
        if is_one_voice(table):
            return np.full(len(own), _SURE)
        known, seconds = self.settings, table.seconds
        odds = known.scale * own + known.shift
        if tracks is not None and has_tracks(tracks):
            votes = track_votes(odds, tracks.astype(np.int64))
            odds = known.own * odds + votes @ np.array([known.vote, known.behind, known.near]) + known.alone
        odds = odds + presence_shift(odds, seconds, known.rate, known.trust)
        line = line_log_odds(odds, seconds, seconds + table.durations, table.pitch, known.line)
        return known.slope * line + known.offset

    def warnings(self, features: NDArray[np.float32]) -> tuple[str, ...]:
        """Return sentences on a piece that is unlike the training pieces; none for others.

        Args:
            features: (N, F) from `line_features`.
        """
        far = self.distance(features) / self.settings.farthest
        return (_UNLIKE.format(far=far),) if far > 1 else ()

    def distance(self, features: NDArray[np.float32]) -> float:
        """Return how far the mean of a piece's features is from the training pieces, in their standard deviations."""
        off = (features.mean(axis=0, dtype=np.float64) - self.centre.numpy()) / self.spread.numpy()
        return float(np.sqrt(np.mean(np.minimum(off**2, 25))))


def is_one_voice(table: NoteTable) -> bool:
    """Return whether hardly a note begins while another one still sounds.

    Args:
        table: The notes, in order of onsets and without drums.
    """
    ends = np.maximum.accumulate(table.seconds + 0.75 * table.durations)
    return bool(np.mean(table.seconds[1:] < ends[:-1]) <= ONE_VOICE) if len(table) > 1 else True
