"""Performances of (n)ASAP with what their scores say of each note."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.corpora import Piece
from data.corpora.asap import AsapPerformancesCorpus
from data.corpora.asap_pairs import WRITTEN, note_pairs, read_written
from data.corpora.beats import read_annotation
from symbolic.errors import MusicFileError
from symbolic.features.stats import Floats
from symbolic.mapping.beats import Beats, is_compound
from symbolic.mapping.features import TICKS, Ints, Performed
from symbolic.mapping.notation import placed
from symbolic.mapping.quantisation import STAVES

_FAR = 0.4
"""Beats from its written place beyond which a note is taken as aligned wrongly."""


class Example(NamedTuple):
    """A performance with what is true of its M matched notes that are no grace notes.

    Attributes:
        piece: The performance.
        notes: Its N notes among the annotated beats.
        at: (M,) index in `notes`.
        written: (M,) index in the score.
        tick: (M,) onsets in `TICKS` of a beat.
        value: (M,) note values in beats.
        staff: (M,) 0 for the upper and 1 for the lower staff.
        in_bar: (M,) beats of a bar.
        unit: (M,) quarter notes of a beat.
        score: The MusicXML file.
    """

    piece: Piece
    notes: Performed
    at: Ints
    written: Ints
    tick: Ints
    value: Floats
    staff: Ints
    in_bar: Floats
    unit: Floats
    score: Path


def examples(corpus: AsapPerformancesCorpus, side: str, each: int) -> Iterator[Example]:
    """Yield performances of a side of the split that have a score, an alignment and annotated beats.

    Args:
        corpus: The corpus.
        side: "train", "valid" or "test".
        each: Most performances of each score.
    """
    taken: Counter[Path] = Counter()
    scores = {}
    for piece in corpus.pieces():
        path = corpus.written(piece)
        beats = corpus.folder / f"{piece.key}_annotations.txt"
        if piece.split != side or taken[path] >= each or not (path.is_file() and beats.is_file()):
            continue
        if path not in scores:
            scores = {path: read_written(path)}  # performances of a score follow each other
        try:
            music = corpus.read(piece)
            pairs = note_pairs(corpus.alignment(piece, music), scores[path])
        except MusicFileError as error:
            sys.stderr.write(f"skipped {error}\n")
            continue
        times = read_annotation(beats).beats
        taken[path] += 1
        index, notes = placed(music, Beats(times, np.ones(len(times), dtype=np.bool_)))
        place = np.empty(len(music), dtype=np.int64)
        place[index] = np.arange(len(index))
        yield _example(piece, notes, place, pairs.matched, scores[path].notes, len(times), path)


def _example(
    piece: Piece, notes: Performed, place: Ints, pairs: np.ndarray, score: np.ndarray, beats: int, path: Path
) -> Example:
    assert score.dtype == WRITTEN
    written = score[pairs["written"]]
    unit = _units(written)
    at = place[pairs["performed"]]
    within = written["in_bar"] / unit
    # The beat is the one for which the written place lies nearest.
    true = np.round(notes.onset[at] - within) + within
    sound = ~written["grace"] & (notes.onset[at] > 0) & (notes.onset[at] < beats - 1)
    sound &= np.abs(notes.onset[at] - true) < _FAR
    return Example(
        piece,
        notes,
        at[sound],
        pairs["written"][sound].astype(np.int64),
        np.round(true * TICKS).astype(np.int64)[sound],
        (written["value"] / unit)[sound],
        np.minimum(written["staff"].astype(np.int64) - 1, STAVES - 1)[sound],
        (written["upper"] * 4 / written["lower"] / unit)[sound],
        unit[sound],
        path,
    )


def _units(written: np.ndarray) -> Floats:
    """Return (N,) quarter notes of a beat for written notes."""
    kinds, kind = np.unique(
        np.stack([written["upper"], written["lower"]], axis=1), axis=0, return_inverse=True
    )
    units = np.array([(3 if is_compound(*one) else 1) * 4 / one[1] for one in kinds.tolist()])
    return np.asarray(units[kind.ravel()])
