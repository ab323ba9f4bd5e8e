"""Pieces that the melody model is fitted to: a share of each kind of music, and none that resembles a tested piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data.corpora.base import LeftOut, Reading
from data.corpora.melodies import LABEL, SOURCES
from data.corpora.textures import Labels, any_texture, textured
from data.fingerprint import note_fingerprint
from data.preparation.near import THRESHOLD, sketch
from finetune.lines.augmentation import Changed, augmented, chords, orchestrate
from symbolic.errors import MusicFileError
from symbolic.music.notes import Music
from symbolic.music.piano import as_one_piano
from symbolic.tokens.tokenizer import Tokenizer

LONGEST = 3000
"""Notes of a piece that are used. Of a longer one it is a stretch."""
SHORTEST = 16
AUGMENTED = 1 / 3
"""Share of the training pieces that are augmented. A model that never meets music as it is finds less melody in it."""
SET = "set"
"""Texture of pieces that are set in any texture of `any_texture`."""
GUARDED = ("art_melody", "nottingham", "chorales")
"""Tested music of other corpora, which the training pieces must not resemble."""


@dataclass(frozen=True)
class Share:
    """The part of a source that is used.

    Attributes:
        source: Name in `SOURCES`.
        weight: Its share of the notes that network and trees learn from, relative to the other sources.
        train, valid: Most pieces.
        texture: A change of every piece, of `TEXTURES`. Validation pieces in other textures teach which textures have
            their melody on top.
        alone: Whether one part of the piece is taken, which is then all melody.
    """

    source: str
    weight: float = 0.0
    train: int = 0
    valid: int = 0
    texture: str = ""
    alone: bool = False


SHARES = (
    Share("lieder", 1.6, 800, 60),
    Share("pop", 2.0, 690, 30),
    Share("pop_filed", 1.4, 690, 30),
    Share("polish_solo", 1.4, 600, 60),
    Share("polish_choir", 0.6, 300, 60),
    Share("quartets", 0.5, 90, 15),
    Share("polish_choir", 0.2, 80, 20, alone=True),
    Share("lieder", 0.6, 600, 60, texture=SET),
    Share("pop", 0.6, 600, 30, texture=SET),
    Share("polish_solo", 0.5, 450, 60, texture=SET),
    *(Share(source, valid=30, texture="chords") for source in ("lieder", "pop", "polish_solo")),
    *(Share(source, valid=30, texture="orchestrate") for source in ("polish_choir", "quartets")),
    *(
        Share(source, valid=15, texture="augmented")
        for source in ("lieder", "pop", "polish_solo", "polish_choir", "quartets")
    ),
)
"""Each kind of music has a share, however many notes there are of it.

The annotations of orchestra are of terms that the model's weights would have to take over. It is tested alone."""


def _of_notes(change: Callable[..., Changed]) -> Callable[..., tuple[Music, Labels]]:
    """Return a change of a piece that is one of its notes alone."""

    def changed(music: Music, labels: Labels, draw: np.random.Generator) -> tuple[Music, Labels]:
        notes, labels = change(music.notes, labels, music.resolution, draw)
        return music.with_notes(notes), labels

    return changed


TEXTURES: dict[str, Callable[[Music, Labels, np.random.Generator], tuple[Music, Labels]]] = {
    "augmented": augmented,
    SET: lambda music, labels, draw: textured(music, labels, any_texture(draw), draw),
    "chords": _of_notes(chords),
    "orchestrate": _of_notes(orchestrate),
}


@dataclass(frozen=True, eq=False)
class Example:
    """A piece with its melody.

    Attributes:
        share: What it was taken for.
        mark: Note fingerprint of its file.
        tokens: (N, 8) ids of all parts as one piano.
        labels: (N,) 0 for melody, 1 for the rest, -1 where unknown.
        tracks: (N,) part of each note.
    """

    share: Share
    mark: int
    tokens: NDArray[np.integer]
    labels: NDArray[np.int8]
    tracks: NDArray[np.integer]


def examples(side: str, root: str | Path | None = None, seed: int = 0) -> list[Example]:
    """Read the pieces of a side. A third of those for training is augmented.

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
        example = example_of(share, raw, reading, draw, side == "train" and draw.random() < AUGMENTED)
        if example is not None:
            yield example
            count += 1
            shown.update()
        if count == most:
            break
    shown.close()


def example_of(
    share: Share, raw: Music, reading: Reading, draw: np.random.Generator, changed: bool = False
) -> Example | None:
    """Make an example of a piece. None if it is too short.

    Args:
        share: What it is taken for.
        raw: The music of its file, whose parts its notes have.
        reading: From the source.
        draw: Source of chance.
        changed: Whether it is augmented.
    """
    notes, labels = reading.music.notes.copy(), reading.note_labels[LABEL]
    if len(raw) == len(notes):
        notes["track"] = raw.notes["track"]
    kept = np.argsort(notes["onset"], kind="stable")
    if share.alone:
        kept = kept[notes["track"][kept] == draw.choice(np.unique(notes["track"]))]
        labels = np.zeros_like(labels)
    longest = (
        LONGEST // 3 if share.texture else LONGEST
    )  # many short pieces show more textures than few long ones
    first = draw.integers(0, max(len(kept) - longest, 0) + 1)
    kept = np.sort(kept[first : first + longest])
    if len(kept) < SHORTEST:
        return None
    notes, labels = notes[kept], labels[kept]
    music = reading.music.with_notes(notes)
    if share.texture:
        music, labels = TEXTURES[share.texture](music, labels, draw)
    if changed:
        music, labels = augmented(music, labels, draw)
    tokens = Tokenizer().encode(as_one_piano(music))
    place = tokens.note_index
    tracks = music.notes["track"][place].astype(np.int64)
    return Example(share, note_fingerprint(raw), tokens.ids, labels[place], tracks)


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
