"""Fit the trees that find beats to annotated performances and scores of the training side of (n)ASAP."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.corpora.asap import AsapPerformancesCorpus, AsapScoresCorpus
from data.corpora.beats import NEAR, read_annotation
from finetune.baselines.boosting import fit_boosting
from symbolic.errors import MusicFileError
from symbolic.features.stats import Floats, softmax
from symbolic.mapping.beat_trees import PLACES
from symbolic.mapping.chords import Chords, chord_features, chords_of
from symbolic.mapping.features import Ints
from symbolic.mapping.metre import IN_BAR, metre_features, strong_beats
from symbolic.mapping.pairs import nearest, pair_features, possible_pairs
from symbolic.predict.classifiers.boosting import BoostedTrees

EACH = 3
"""Performances of a score that are learnt from."""
_ROWS = 220
"""Chords of a performance or score that are learnt from."""
_STARTS = (30, 20)
"""Chords on beats and others whose pairs are learnt from."""
_ROUNDS = {"chord": 80, "pair": 70, "metre": 20}
_FEWEST = 12
"""Chords and beats below which a piece is left out."""
_PACES = (0.6, 1.6)
"""Slowest and fastest pace at which scores are played exactly."""


class Tracked(NamedTuple):
    """Chords of a performance with its annotated beats.

    Attributes:
        group: Piece, whose performances belong together.
        chords: The chords.
        beats: (B,) times of beats in seconds.
        down: (B,) bool. True where a beat begins a bar.
    """

    group: str
    chords: Chords
    beats: Floats
    down: np.ndarray

    @property
    def place(self) -> Ints:
        """(C,) 0 between beats, 1 on a beat, 2 on a downbeat and -1 outside the annotation."""
        time = self.chords.time
        found = np.zeros(len(time), dtype=np.int64)
        found[(time < self.beats[0] - NEAR) | (time > self.beats[-1] + NEAR)] = -1
        at, is_played = self._at()
        found[at[is_played]] = 1 + self.down[is_played]
        return found

    @property
    def following(self) -> Ints:
        """(C,) the chord that is one beat later, -1 for others."""
        found = np.full(len(self.chords.time), -1)
        at, is_played = self._at()
        both = is_played[:-1] & is_played[1:] & (at[1:] > at[:-1])
        found[at[:-1][both]] = at[1:][both]
        return found

    def _at(self) -> tuple[Ints, np.ndarray]:
        at = nearest(self.chords.time, self.beats)
        return at, np.abs(self.chords.time[at] - self.beats) <= NEAR


def tracked(corpus: AsapPerformancesCorpus | AsapScoresCorpus, side: str, each: int = 1) -> Iterator[Tracked]:
    """Yield pieces of a side of the split with their annotated beats. Scores are played exactly, at drawn paces.

    Args:
        corpus: Performances or scores.
        side: "train", "valid" or "test".
        each: Most performances of each score.
    """
    random = np.random.default_rng(0)
    taken: Counter[str] = Counter()
    for piece in corpus.pieces():
        score = piece.key.rpartition("/")[0]
        path = corpus.folder / f"{piece.key}_annotations.txt"
        if piece.split != side or taken[score] >= each or not path.is_file():
            continue
        taken[score] += 1
        pace = 1.0
        if isinstance(corpus, AsapScoresCorpus):
            pace = float(np.exp(random.uniform(*np.log(_PACES))))
        try:
            chords, annotation = chords_of(corpus.read(piece)), read_annotation(path)
        except MusicFileError as error:
            sys.stderr.write(f"skipped {error}\n")
            continue
        if min(len(chords.time), len(annotation.beats)) >= _FEWEST:
            played = chords._replace(
                time=chords.time / pace, onset=chords.onset / pace, end=chords.end / pace
            )
            yield Tracked(piece.group or score, played, annotation.beats / pace, annotation.down)


def fit_tracker(root: str | Path | None) -> dict[str, BoostedTrees]:
    """Fit the trees of `TreeTracker` to the training side of (n)ASAP.

    Trees of pairs and metres read what trees of chords predict. For their fit, these are fitted to the other half of
    the pieces, so that the predictions are those of unknown music.
    """
    random = np.random.default_rng(0)
    pieces = list(tracked(AsapPerformancesCorpus(root), "train", EACH))
    pieces += tracked(AsapScoresCorpus(root), "train")
    groups = random.permutation(sorted({one.group for one in pieces})).tolist()
    half = np.array([groups.index(one.group) % 2 for one in pieces])
    rows = [_chord_rows(one, random) for one in pieces]
    chord = _fitted("chord", rows, PLACES)
    pairs, metres = [], []
    for one in (0, 1):
        other = _fitted("chord", [row for row, own in zip(rows, half, strict=True) if own != one], PLACES)
        for piece in (piece for piece, own in zip(pieces, half, strict=True) if own == one):
            places = softmax(other.logits(chord_features(piece.chords)))
            pairs.append(_pair_rows(piece, places, random))
            metres += _metre_row(piece, places)
    del rows
    return {"chord": chord, "pair": _fitted("pair", pairs, 2), "metre": _fitted("metre", metres, len(IN_BAR))}


def _fitted(name: str, rows: list[tuple[np.ndarray, Ints]], classes: int) -> BoostedTrees:
    features, labels = (np.concatenate(column) for column in zip(*rows, strict=True))
    return fit_boosting(features, labels, classes, _ROUNDS[name], most=_ROUNDS[name] * classes)


def _chord_rows(piece: Tracked, random: np.random.Generator) -> tuple[np.ndarray, Ints]:
    place = piece.place
    inside = np.flatnonzero(place >= 0)
    chosen = random.choice(inside, min(_ROWS, len(inside)), replace=False)
    return chord_features(piece.chords)[chosen], place[chosen]


def _pair_rows(piece: Tracked, places: Floats, random: np.random.Generator) -> tuple[np.ndarray, Ints]:
    following, inside = piece.following, piece.place >= 0
    first, second = possible_pairs(piece.chords.time, places[:, 1] + places[:, 2])
    starts = np.zeros(len(inside), dtype=np.bool_)
    for kind, count in zip((following >= 0, inside & (following < 0)), _STARTS, strict=True):
        here = np.flatnonzero(kind)
        starts[random.choice(here, min(count, len(here)), replace=False)] = True
    first, second = first[starts[first]], second[starts[first]]
    return pair_features(piece.chords, places, first, second), (following[first] == second).astype(np.int64)


def _metre_row(piece: Tracked, places: Floats) -> list[tuple[np.ndarray, Ints]]:
    """Return the features and the class of a piece with a usual metre."""
    lengths = np.diff(np.flatnonzero(piece.down))
    usual = int(np.bincount(lengths).argmax()) if len(lengths) else 0
    if usual not in IN_BAR:
        return []
    strong = strong_beats(piece.chords.time, places, piece.beats)
    features = metre_features(piece.chords.time, strong, piece.beats)
    return [(features, np.array([IN_BAR.index(usual)]))]
