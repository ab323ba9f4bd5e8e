"""States of both backbones for the matched notes of (n)ASAP, kept in files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data.corpora import Piece
from data.corpora.asap import AsapPerformancesCorpus
from data.corpora.asap_pairs import note_pairs, read_written
from data.toolkit.safewrite import write_array
from experiments.languages.pools import opaque
from symbolic.errors import MusicFileError
from symbolic.music.notes import Music
from symbolic.predict.pretrained import PretrainedModel
from symbolic.tokens.vocabulary import FIELDS

SEGMENT = 64
"""Matched notes of a segment."""
_SEGMENTS = 8
"""Segments of a piece, from its beginning."""
SIGNATURES = 12
"""Key signatures: sharps, counted modulo 12."""


class Side(NamedTuple):
    """One side of some segments.

    Attributes:
        states: (S, `SEGMENT`, D) float32 states of notes.
        ids: (S, `SEGMENT`, 8) int64 tokens of the notes.
    """

    states: NDArray[np.float32]
    ids: NDArray[np.int64]


class Paired(NamedTuple):
    """Segments of a piece with their notes on both sides.

    Attributes:
        name: The piece.
        split: "train", "valid" or "test".
        performance: Its notes as performed.
        score: The same notes as written, with opaque pitches.
        key: (S,) int64 sharps of the key signature of most notes, modulo 12.
    """

    name: str
    split: str
    performance: Side
    score: Side
    key: NDArray[np.int64]


def paired_pieces(
    root: str | None, performance: PretrainedModel, score: PretrainedModel, folder: Path
) -> list[Paired]:
    """Return one performance of each piece of (n)ASAP with its score, read from a folder where it lies there already.

    Args:
        root: The folder of data sets.
        performance: The backbone of performances.
        score: The backbone of scores.
        folder: Where states are kept. It serves these two backbones alone.
    """
    corpus, found = AsapPerformancesCorpus(root), []
    first = {piece.group or piece.key: piece for piece in reversed(corpus.pieces()) if _serves(corpus, piece)}
    for number, piece in enumerate(tqdm(first.values(), "states", leave=False, disable=None)):
        path = folder / f"{number:03}.npy"
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            write_array(path, _rows(corpus, piece, performance, score))
        rows = np.load(path)
        if len(rows):
            found.append(_paired(piece, rows))
    return found


def _serves(corpus: AsapPerformancesCorpus, piece: Piece) -> bool:
    return piece.split in ("train", "valid", "test") and corpus.written(piece).is_file()


def _rows(
    corpus: AsapPerformancesCorpus, piece: Piece, performance: PretrainedModel, score: PretrainedModel
) -> NDArray[np.float32]:
    """Return (M, F): states and tokens of both sides and the key of matched notes. None if they do not align."""
    try:
        played, written = corpus.read(piece), read_written(corpus.written(piece))
        pairs = note_pairs(corpus.alignment(piece, played), written).matched
    except MusicFileError:
        return np.zeros((0, 0), dtype=np.float32)
    pairs = pairs[~written.notes["grace"][pairs["written"]]]
    pairs = pairs[np.argsort(played.notes["onset"][pairs["performed"]], kind="stable")]
    pairs = pairs[: min(len(pairs) // SEGMENT, _SEGMENTS) * SEGMENT]
    hidden = opaque(written.music)
    columns = [
        *_of_notes(performance, played, pairs["performed"]),
        *_of_notes(score, hidden, pairs["written"]),
        written.notes["fifths"][pairs["written"]][:, None] % SIGNATURES,
    ]
    return np.concatenate(columns, axis=1).astype(np.float32)


def _of_notes(
    model: PretrainedModel, music: Music, chosen: NDArray[np.integer]
) -> Iterator[NDArray[np.float32]]:
    """Yield the states and the tokens of some notes."""
    tokens = model.tokenizer(music)
    ids = np.empty((len(music), len(FIELDS)), dtype=np.float32)
    ids[tokens.note_index] = tokens.ids
    yield model.embed_notes(music)[chosen]
    yield ids[chosen]


def _paired(piece: Piece, rows: NDArray[np.float32]) -> Paired:
    dim = (rows.shape[1] - 1) // 2 - len(FIELDS)
    segments = rows.reshape(-1, SEGMENT, rows.shape[1])
    edges = np.cumsum([dim, len(FIELDS), dim, len(FIELDS)])
    played, played_ids, written, written_ids, key = np.split(segments, edges, axis=2)
    usual = [int(np.bincount(one.ravel().astype(np.int64)).argmax()) for one in key]
    return Paired(
        piece.group or piece.key,
        str(piece.split),
        Side(played, played_ids.astype(np.int64)),
        Side(written, written_ids.astype(np.int64)),
        np.array(usual, dtype=np.int64),
    )
