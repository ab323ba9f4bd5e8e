"""Pieces that the melody model is fitted to: a share of each kind of music, and none that resembles a tested piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data.corpora.base import LeftOut, Reading
from data.corpora.melodies import LABEL, SOURCES
from data.fingerprint import note_fingerprint
from data.preparation.near import THRESHOLD, sketch
from finetune.lines.augmentation import augmented
from symbolic.errors import MusicFileError
from symbolic.features.note_table import NoteTable
from symbolic.music.notes import Music
from symbolic.music.piano import as_one_piano
from symbolic.predict.lines.features import line_features
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import Vocabulary

LONGEST = 3000
"""Notes of a piece that are used. Of a longer one it is a stretch."""
SHORTEST = 16
GUARDED = ("art_melody", "nottingham", "chorales")
"""Tested music of other corpora, which the training pieces must not resemble."""


@dataclass(frozen=True)
class Share:
    """The part of a source that is used.

    Attributes:
        source: Name in `SOURCES`.
        weight: Its share of the notes that trees are fitted to, relative to the other sources.
        train, valid: Most pieces.
        alone: Whether one part of the piece is taken, which is then all melody.
    """

    source: str
    weight: float
    train: int
    valid: int
    alone: bool = False


SHARES = (
    Share("lieder", 1.6, 260, 40),
    Share("pop", 1.3, 90, 12),
    Share("pop_filed", 1.0, 60, 12),
    Share("polish_solo", 1.4, 160, 24),
    Share("polish_choir", 0.8, 100, 24),
    Share("polish_choir", 0.3, 30, 8, alone=True),
    Share("pop_tracks", 0.0, 0, 12),
    Share("lieder_tracks", 0.0, 0, 24),
)
"""Each kind of music has a share, however many notes there are of it. The last ones serve to weigh votes of tracks.

The annotations of orchestra are of terms that the model's weights would have to take over. It is tested alone."""


@dataclass(frozen=True, eq=False)
class Example:
    """A piece with its features.

    Attributes:
        share: What it was taken for.
        mark: Note fingerprint of its file.
        tokens: (N, 8) ids.
        labels: (N,) 0 for melody, 1 for the rest, -1 where unknown.
        tracks: (N,) track of each note.
        features: (N, F) from `line_features`.
    """

    share: Share
    mark: int
    tokens: NDArray[np.integer]
    labels: NDArray[np.int8]
    tracks: NDArray[np.integer]
    features: NDArray[np.float32]

    @property
    def table(self) -> NoteTable:
        """Its notes in seconds."""
        return NoteTable.of(self.tokens, Vocabulary())


def examples(side: str, root: str | Path | None = None, seed: int = 0) -> list[Example]:
    """Read the pieces of a side. Those for training are augmented.

    Args:
        side: "train" or "valid".
        root: The folder of data sets.
        seed: Of the choice and the augmentation.

    Raises:
        CorpusError: If a corpus is absent.
    """
    draw, found = np.random.default_rng([seed, side == "train"]), []
    guard = _sketches(root) if side == "train" else None
    for share in SHARES:
        most = share.train if side == "train" else share.valid
        if most:
            found += list(_of_share(share, side, most, root, draw, guard))
    return found


def _of_share(
    share: Share,
    side: str,
    most: int,
    root: str | Path | None,
    draw: np.random.Generator,
    guard: NDArray[np.uint32] | None,
) -> Iterator[Example]:
    source, count = SOURCES[share.source], 0
    corpus = source.open(root)
    pieces = source.pieces(corpus, side)
    shown = tqdm(total=most, desc=f"{source.name}, {side}", unit=" pieces", leave=False, disable=None)
    for index in draw.permutation(len(pieces)):
        try:
            raw, reading = source.read(corpus, pieces[index])
        except (LeftOut, MusicFileError):
            continue
        if guard is not None and _resembles(raw, guard):
            continue
        example = _example(share, reading, raw, side == "train", draw)
        if example is not None:
            yield example
            count += 1
            shown.update()
        if count == most:
            break
    shown.close()


def _example(
    share: Share, reading: Reading, raw: Music, changed: bool, draw: np.random.Generator
) -> Example | None:
    music, labels = reading.music, reading.note_labels[LABEL]
    if share.alone:
        part = draw.choice(np.unique(raw.notes["track"]))
        kept = np.flatnonzero(raw.notes["track"] == part)
        music, labels = music.with_notes(music.notes[kept]), np.zeros(len(kept), dtype=np.int8)
    if len(music) > LONGEST:
        order = np.argsort(music.notes["onset"], kind="stable")
        first = draw.integers(0, len(music) - LONGEST)
        kept = np.sort(order[first : first + LONGEST])
        music, labels = music.with_notes(music.notes[kept]), labels[kept]
    if len(music) < SHORTEST:
        return None
    if changed:
        music, labels = augmented(music, labels, draw)
    tokens = Tokenizer().encode(as_one_piano(music))
    place = tokens.note_index
    tracks = music.notes["track"][place].astype(np.int64)
    mark = note_fingerprint(raw)
    return Example(share, mark, tokens.ids, labels[place], tracks, line_features(tokens.ids))


def _sketches(root: str | Path | None) -> NDArray[np.uint32]:
    """(T, SIZE) sketches of the tracks of the guarded pieces."""
    found = []
    for source in (SOURCES[name] for name in GUARDED):
        corpus = source.open(root)
        for piece in source.pieces(corpus):
            try:
                found.append(sketch(corpus.read(piece)))
            except MusicFileError:
                continue
    return np.concatenate(found)


def _resembles(music: Music, guard: NDArray[np.uint32]) -> bool:
    """Whether a track of a piece agrees with a guarded track in as many places as near-duplicates do."""
    return any(((guard == track).mean(axis=1) >= THRESHOLD).any() for track in sketch(music))
