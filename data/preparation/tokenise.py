"""Tokenise pieces or give the reasons why not. No file may stop the run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.corpora.base import Corpus, LeftOut, Piece
from data.fingerprint import note_fingerprint
from data.preparation.filters import Filters
from data.preparation.guards import TimeUp, guarded
from data.preparation.near import SIZE, Sketches, sketch
from symbolic.errors import ConfigError, MusicFileError
from symbolic.music.files import SCORE_SUFFIXES
from symbolic.music.notes import Music
from symbolic.tokens.tokenizer import Tokenizer


@dataclass(frozen=True, eq=False)
class Recipe:
    """Settings that make tokens of a piece. They are pickled for worker processes.

    Attributes:
        corpus: The reader.
        tokenizer: The tokenizer.
        hide: Fields to hide.
        filters: Pieces to keep.
        near: Make sketches to find near-duplicates.
    """

    corpus: Corpus
    tokenizer: Tokenizer
    hide: tuple[str, ...]
    filters: Filters
    near: bool = True


@dataclass(frozen=True, eq=False)
class PreparedPiece:
    """A piece as tokens or the reason why it was skipped.

    Attributes:
        piece: The piece.
        skipped: Reason why it was skipped as 'kind: details' or "".
        fingerprint: Note fingerprint of the file.
        repairs: Repairs of the file in words.
        tokens: (N, 8) uint16, empty if skipped.
        source: (N,) int32 index of each token's note in `Reading.music`.
        note_labels: (N,) int8 for each of the corpus' note classes in the order of tokens.
        sketches: (T, SIZE) uint32 of the tracks of the file.
    """

    piece: Piece
    skipped: str = ""
    fingerprint: int = 0
    repairs: tuple[str, ...] = ()
    tokens: NDArray[np.uint16] = field(default_factory=lambda: np.empty((0, 8), dtype=np.uint16))
    source: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, dtype=np.int32))
    note_labels: Mapping[str, NDArray[np.int8]] = field(default_factory=dict)
    sketches: Sketches = field(default_factory=lambda: np.empty((0, SIZE), dtype=np.uint32))


def tokenise(recipe: Recipe, pieces: Iterable[Piece]) -> list[PreparedPiece]:
    """Read, filter, interpret and encode pieces. Any failure becomes the reason why a piece is skipped."""
    with guarded(recipe.filters.read_seconds, recipe.filters.read_memory) as one_file:
        return [_tokenise_or_skip(recipe, piece, one_file) for piece in pieces]


def _tokenise_or_skip(
    recipe: Recipe, piece: Piece, one_file: Callable[[], AbstractContextManager[None]]
) -> PreparedPiece:
    try:
        with one_file():
            return _tokenise(recipe, piece)
    except LeftOut as skip:
        reason = str(skip)
    except TimeUp:
        reason = too_slow(recipe)
    except MemoryError:
        reason = "out of memory: reading needs more than there is, or than the filter allows"
    except MusicFileError as error:
        reason = f"unreadable: {error.reason}"
    except Exception as error:  # a file can break a parser in any way
        reason = f"failed: {type(error).__name__}: {error}"
    return PreparedPiece(piece, _portable(reason, recipe.corpus))


def _tokenise(recipe: Recipe, piece: Piece) -> PreparedPiece:
    corpus, filters = recipe.corpus, recipe.filters
    path = Path(corpus.path(piece.file))
    size = path.stat().st_size if path.is_file() else 0  # an absent file is for the reader to report
    if size > filters.max_bytes:
        raise LeftOut(f"too large: {size:,} bytes, the filter allows {filters.max_bytes:,}")
    music = corpus.read(piece, filters.pedal)
    if refusal := filters.refusal(music):
        raise LeftOut(refusal)
    fingerprint = note_fingerprint(music)
    if piece.fingerprint not in (None, fingerprint):
        raise LeftOut("other content: its notes are not those that the split table was made for")

    reading = corpus.interpret(piece, music)
    if refusal := filters.metre_refusal(reading.music):
        raise LeftOut(refusal)
    used, kept = reading.music, None
    if not filters.keep_drums:
        kept = np.flatnonzero(~used.drums)
        used = used.with_notes(used.notes[kept])
    try:
        tokens = recipe.tokenizer.encode(used, hide=recipe.hide)
    except ConfigError as error:  # hide was checked before, so it is the number of bars
        raise LeftOut(f"absurdly long: {error}") from error
    source = tokens.note_index if kept is None else kept[tokens.note_index].astype(np.int32)
    labels = {name: reading.note_labels[name][source].astype(np.int8) for name in corpus.note_classes}
    sketches = sketch(music) if recipe.near else PreparedPiece(piece).sketches
    repairs = tuple(_portable(repair, corpus) for repair in (*music.repairs, *_oddities(music, path.suffix)))
    return PreparedPiece(piece, "", fingerprint, repairs, tokens.ids, source, labels, sketches)


def _oddities(music: Music, suffix: str) -> Iterator[str]:
    """Describe what the tokenizer ignores or changes in words. In a score, notes of no length are grace notes."""
    odd = int((music.notes["duration"] == 0).sum())
    if odd and suffix.lower() not in SCORE_SUFFIXES:
        yield f"notes of no length given the shortest: {odd}"


def too_slow(recipe: Recipe) -> str:
    """Return the reason for skipping a piece over its time limit."""
    return f"too slow: not read within {recipe.filters.read_seconds:g} s"


def _portable(reason: str, corpus: Corpus) -> str:
    """Return one line without paths and memory addresses, so that ledgers can be compared."""
    for folder in corpus.folders:
        reason = reason.replace(f"{folder}/", "")
    line = " ".join(reason.split())
    return re.sub(r"\b0x[0-9a-f]{6,}\b", "0x…", line)[:300]
