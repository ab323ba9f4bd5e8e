"""Pieces of five kinds of music with chords that a file, an accompaniment or an analyst states."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data.corpora import Corpus, Piece, open_corpus
from data.fingerprint import note_fingerprint
from symbolic.music.files import read_music
from symbolic.music.musicxml.source import unzipped
from symbolic.music.notes import Music
from symbolic.predict.keys import CHORDS
from symbolic.tokens.tokenizer import Tokenizer, Tokens

SIDES = ("train", "valid", "test")
EVERY = 3
"""One in so many training songs, tunes and madrigals is read; of lead sheets, of which music21 reads a few a second,
one in twice as many."""
_SHAPES = {
    (0, 4, 7): "maj",
    (0, 3, 7): "min",
    (0, 3, 6): "dim",
    (0, 4, 8): "aug",
    (0, 4, 7, 10): "7",
    (0, 4, 7, 11): "maj7",
    (0, 3, 7, 10): "min7",
    (0, 3, 6, 10): "hdim7",
    (0, 3, 6, 9): "dim7",
    (0, 7): "5",
}
"""Harte's names of chords by semitones above the root."""
_TRIADS = {"maj": "maj", "7": "maj", "min": "min", "min7": "min"}
"""What an accompaniment plays, as a triad."""
_OTHER = "X"
"""A chord without a name, which is not scored."""
_SLACK = 4
"""In quarters: how far from the last onset of its score an analysis may begin its last chord."""
Spans = tuple[list[tuple[float, float]], list[str]]
"""Starts and ends in seconds, and names of chords in Harte's syntax."""


@dataclass(frozen=True, eq=False)
class Song:
    """A piece with chords.

    Attributes:
        kind: What kind of music it is.
        side: One of `SIDES`.
        music: What is read.
        tokens: The same as tokens.
        labels: (N,) indices of tokens into `TONAL_CLASSES`, -1 without a chord. Empty where it is only tested.
        truth: Its chords.
        mark: Fingerprint of the notes.
        seconds: (N,) onsets of the notes as their file has them.
    """

    kind: str
    side: str
    music: Music
    tokens: Tokens
    labels: NDArray[np.integer]
    truth: Spans
    mark: int
    seconds: NDArray[np.float64]


def songs(root: str | None) -> Iterator[Song]:
    """Yield the songs of POP909 that are on a side, and pieces of four other kinds to be tested.

    Args:
        root: Folder of the data sets. The chorales and madrigals are those of the installed music21.
    """
    yield from _popular(root)
    yield from _of_corpus(
        root, "nottingham", "train", EVERY, lambda corpus, piece: played(corpus.read(piece))
    )
    yield from _of_corpus(root, "openewld", None, 2 * EVERY, _above_staff)
    folder = open_corpus("music21").folder
    chorales = sorted(folder.glob("bach/choraleAnalyses/*.rntxt"))
    madrigals = sorted(folder.glob("monteverdi/*.rntxt"))[::EVERY]
    for kind, analyses in (("Bach's chorales", chorales), ("Monteverdi's madrigals", madrigals)):
        for analysis in tqdm(analyses, kind, unit=" pieces", leave=False, disable=None):
            score = _score_of(analysis)
            if score.is_file():
                music = read_music(score)
                yield from _tested(kind, music, analysed(analysis, music))


def _popular(root: str | None) -> Iterator[Song]:
    """Yield the songs of POP909 that are on a side."""
    corpus = open_corpus("pop909", root)
    pieces = list(corpus.pieces())
    kept = [piece for piece in pieces if piece.split in SIDES[1:]]
    kept += [piece for piece in pieces if piece.split == "train"][::EVERY]
    for piece in tqdm(kept, corpus.name, unit=" pieces", leave=False, disable=None):
        read = corpus.read(piece)
        reading, truth = corpus.interpret(piece, read), _written(corpus, piece)
        tokens = Tokenizer().encode(reading.music)
        labels = reading.note_labels["chord"][tokens.note_index]
        if truth[0]:
            mark, seconds = note_fingerprint(reading.music), read.seconds(read.notes["onset"])
            yield Song(corpus.title, str(piece.split), reading.music, tokens, labels, truth, mark, seconds)


def _of_corpus(
    root: str | None, name: str, side: str | None, every: int, truth: Callable[[Corpus, Piece], Spans]
) -> Iterator[Song]:
    """Yield one in `every` pieces of a corpus, of one side or of all, to be tested."""
    corpus = open_corpus(name, root)
    kept = [piece for piece in corpus.pieces() if side in (None, piece.split)][::every]
    for piece in tqdm(kept, name, unit=" pieces", leave=False, disable=None):
        yield from _tested(
            corpus.title, corpus.interpret(piece, corpus.read(piece)).music, truth(corpus, piece)
        )


def _tested(kind: str, music: Music, truth: Spans) -> Iterator[Song]:
    """Yield a piece to be tested, if it has any chord."""
    if truth[0]:
        tokens, seconds = Tokenizer().encode(music), music.seconds(music.notes["onset"])
        yield Song(kind, "test", music, tokens, np.zeros(0, np.int8), truth, note_fingerprint(music), seconds)


def _written(corpus: Corpus, piece: Piece) -> Spans:
    """Return the chords in the file beside a song of POP909."""
    path = Path(corpus.path(piece.file)).with_name("chord_midi.txt")
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [(float(start), float(end)) for start, end, _ in lines], [name for *_, name in lines]


def played(music: Music) -> Spans:
    """Return the major and minor chords that the second track of a piece plays. Each lasts until the next one."""
    notes = music.notes[music.notes["track"] == 1]
    starts, names = [], []
    for onset in np.unique(notes["onset"]).tolist():
        pitch_classes = np.unique(notes["pitch"][notes["onset"] == onset] % 12).astype(int).tolist()
        for root in pitch_classes:
            mode = _TRIADS.get(_shape(root, pitch_classes) or "")
            if mode is not None:
                starts.append(onset / music.resolution)
                names.append(_named(root, mode))
    return _spans(music.with_notes(notes), starts, names)


def analysed(path: Path, music: Music) -> Spans:
    """Return the chords of an analysis in RomanText, on the time of its score.

    Args:
        path: The analysis. music21 reads it.
        music: The score. Both are taken to begin together.

    Returns:
        Nothing if the last chord is far from the last onset: the two do not count the same bars.
    """
    from music21 import converter

    symbols = converter.parse(path, format="romanText").flatten().getElementsByClass("RomanNumeral")
    starts, names = _of_symbols(symbols)
    first, last = _edges(music)
    shift = first - starts[0]
    return _spans(music, starts, names, shift) if abs(starts[-1] + shift - last) <= _SLACK else ([], [])


def _score_of(analysis: Path) -> Path:
    """Return the score in music21's corpus to which an analysis there belongs."""
    for line in analysis.read_text(encoding="utf-8").splitlines():
        if line.startswith("BWV:"):
            return analysis.parents[1] / f"bwv{line.split()[1]}.mxl"
    return analysis.with_suffix(".mxl")


def _above_staff(corpus: Corpus, piece: Piece) -> Spans:
    """Return the chord symbols of a lead sheet. music21 reads them. Nothing if it counts other bars than we."""
    from music21 import converter

    path = Path(corpus.path(piece.file))
    score = converter.parse(unzipped(path.read_bytes(), path.name), format="musicxml").flatten()
    notes = [float(note.offset) for note in score.getElementsByClass("Note")]
    music = corpus.read(piece)
    first, last = _edges(music)
    if not notes or abs((last - first) - (max(notes) - min(notes))) > 1 / 8:
        return [], []
    return _spans(music, *_of_symbols(score.getElementsByClass("ChordSymbol")), first - min(notes))


def _edges(music: Music) -> tuple[float, float]:
    """Return the first and the last onset in quarters."""
    onset = music.notes["onset"] / music.resolution
    return float(onset.min()), float(onset.max())


def _of_symbols(symbols: Any) -> tuple[list[float], list[str]]:
    """Return starts in quarters and names of music21's chords."""
    starts, names = [], []
    for symbol in symbols:
        pitch_classes = [int(pitch.pitchClass) for pitch in symbol.pitches]
        root = int(symbol.root().pitchClass) if pitch_classes else 0
        shape = _shape(root, pitch_classes)
        starts.append(float(symbol.offset))
        names.append(_named(root, shape) if shape else _OTHER)
    return starts, names


def _shape(root: int, pitch_classes: list[int]) -> str | None:
    return _SHAPES.get(tuple(sorted({(one - root) % 12 for one in pitch_classes})))


def _named(root: int, shape: str) -> str:
    return f"{CHORDS[root].partition(':')[0]}:{shape}"


def _spans(music: Music, starts: Sequence[float], names: Sequence[str], shift: float = 0.0) -> Spans:
    """Return chords by the second from starts in quarters. Each lasts until the next one, the last to the end."""
    if not starts:
        return [], []
    ticks = [round((start + shift) * music.resolution) for start in starts]
    end = int((music.notes["onset"] + music.notes["duration"]).max())
    spans = pairwise(music.seconds(np.array([*ticks, max(end, *ticks)])).tolist())
    kept = [(span, name) for span, name in zip(spans, names, strict=True) if span[1] > span[0]]
    return [span for span, _ in kept], [name for _, name in kept]
