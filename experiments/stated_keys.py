"""Pieces of four corpora that state one key, on the sides of training, validation and test."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data.corpora import Corpus, Piece, open_corpus
from data.fingerprint import note_fingerprint
from data.splits import hashed_split
from data.splits.small import dealing_hash
from symbolic.errors import CounterpointError
from symbolic.music.notes import Music
from symbolic.predict.keys import KEYS
from symbolic.predict.tonality import key_mode, tonal_labels
from symbolic.tokens.tokenizer import Tokenizer, Tokens

TRAINED_ON, TESTED_ON = ("pop909", "polish_scores"), ("humdrum_sapp", "nottingham")
"""Corpora whose terms allow any use, and those that are only tested."""
LARGEST, EVERY = 120_000, 5
"""Polish scores are read up to this many bytes, and one of so many."""
SIDES = {"train": 0.72, "valid": 0.08, "test": 0.2}
"""Shares of the Polish scores. The sides of POP909 are committed."""
_KERN_KEY = re.compile(r"\*([A-Ga-g])([#-]?):")


@dataclass(frozen=True, eq=False)
class Example:
    """A piece of one key.

    Attributes:
        kind: What kind of music it is, by its corpus.
        side: One of `SIDES`.
        music: What is read.
        tokens: The same as tokens.
        labels: (N,) indices of tokens into `TONAL_CLASSES`.
        truth: The key by name.
        mark: Fingerprint of the notes.
    """

    kind: str
    side: str
    music: Music
    tokens: Tokens
    labels: NDArray[np.integer]
    truth: str
    mark: int


def key_examples(root: str | None) -> Iterator[Example]:
    """Yield pieces of one key of four corpora."""
    for corpus, piece in _pieces(root, *TRAINED_ON, *TESTED_ON):
        key, side = _key_of(corpus, piece), _side_of(corpus, piece)
        if key is not None and side in SIDES:
            yield from _example(corpus, piece, side, key)


def _pieces(root: str | None, *names: str) -> Iterator[tuple[Corpus, Piece]]:
    for name in names:
        corpus = open_corpus(name, root)
        pieces = sorted(corpus.pieces(), key=lambda piece: dealing_hash(piece.key))
        if name == "polish_scores":
            pieces = [one for one in pieces[::EVERY] if Path(corpus.path(one.file)).stat().st_size < LARGEST]
        for piece in tqdm(pieces, name, unit=" pieces", leave=False, disable=None):
            yield corpus, piece


def _side_of(corpus: Corpus, piece: Piece) -> str | None:
    """Return the side of a piece. None for songs of POP909 that are on no side."""
    if corpus.name == "pop909":
        return piece.split
    return hashed_split(piece.group or piece.key, SIDES) if corpus.name in TRAINED_ON else "test"


def _key_of(corpus: Corpus, piece: Piece) -> int | None:
    """Return the key that a corpus states for a whole piece, as tonic plus twelve times the mode; else None."""
    path = Path(corpus.path(piece.file))
    if corpus.name == "pop909":
        [first, *others] = (path.parent / "key_audio.txt").read_text(encoding="utf-8").splitlines()
        tonic, mode = first.split()[-1].split(":")
        return None if others else key_mode(f"{tonic} {'minor' if mode.startswith('min') else 'major'}")
    if corpus.name == "nottingham":
        reading = corpus.interpret(piece, corpus.read(piece))
        label = reading.note_labels["key"].astype(np.int64)
        known = label >= 0
        tonic_of = (reading.music.notes["pitch"][known].astype(np.int64) - label[known] % 12) % 12
        keys = set((tonic_of + 12 * (label[known] // 12)).tolist())
        return keys.pop() if len(keys) == 1 else None
    if path.suffix != ".krn":
        return None
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    cells = {cell for line in lines if line.startswith("*") for cell in line.split("\t")}
    stated = {cell for cell in cells if _KERN_KEY.match(cell)}
    found = {match for cell in stated if (match := _KERN_KEY.fullmatch(cell))}
    keys = {key_mode(m[1].upper() + m[2].replace("-", "b") + "m" * m[1].islower()) for m in found}
    return (
        keys.pop() if len(keys) == len(found) == len(stated) == 1 else None
    )  # a modal one has more behind the colon


def _example(corpus: Corpus, piece: Piece, side: str, key: int) -> Iterator[Example]:
    """Yield the piece if it can be read and has pitched notes."""
    try:
        music = corpus.interpret(piece, corpus.read(piece)).music
    except CounterpointError:
        return
    if music.drums.all():
        return
    tokens = Tokenizer().encode(music)
    pitch = music.notes["pitch"][tokens.note_index].astype(np.int64)
    labels = tonal_labels(pitch, np.full(len(pitch), key))
    yield Example(corpus.title, side, music, tokens, labels, KEYS[key], note_fingerprint(music))


def by_side(examples: Iterable[Example]) -> tuple[list[Example], list[Example], list[Example]]:
    """Return pieces by side. Validation and test pieces whose notes are on an earlier side too are left out."""
    sides: dict[str, list[Example]] = {side: [] for side in SIDES}
    for one in examples:
        sides[one.side].append(one)
    train, valid, test = sides.values()
    known = {one.mark for one in train}
    valid = [one for one in valid if one.mark not in known]
    known |= {one.mark for one in valid}
    return train, valid, [one for one in test if one.mark not in known]
