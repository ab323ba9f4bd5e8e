"""Songs whose melody is known, of two corpora as one: what to learn from where files come from anywhere."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from data.corpora.base import NO_LABELS, Corpus, Piece, Reading
from data.corpora.openscore import PARTS, LiederCorpus
from data.corpora.pop909 import Pop909Corpus
from symbolic.errors import CorpusError
from symbolic.notes import Music

_CLASSES = Pop909Corpus.note_classes["melody"]
_MEANS = {"voice": "melody", "accompaniment": "accompaniment"}
_MELODY_OF_PART = np.array([*(_CLASSES.index(_MEANS[part]) for part in PARTS), -1], dtype=np.int8)
"""The class of each of `PARTS`, and last, where an index of -1 finds it, of notes of neither."""


class SongsCorpus(Corpus):
    """POP909 on true bars and as filed, and OpenScore Lieder with the voice as melody; sides are those of the two.

    Keys and groups begin with the name of the corpus that they come from. All is one piano.

    Args:
        root: The folder that holds both.
    """

    name = "songs"
    title = "Songs: POP909 and OpenScore Lieder"
    licence = f"POP909: {Pop909Corpus.licence}; OpenScore Lieder: {LiederCorpus.licence}"
    citation = f"{Pop909Corpus.citation}; {LiederCorpus.citation}"
    homepage = f"{Pop909Corpus.homepage} and {LiederCorpus.homepage}"
    size = 2 * Pop909Corpus.size + LiederCorpus.size
    split = "as of the two"
    archives = MappingProxyType({**Pop909Corpus.archives, **LiederCorpus.archives})
    note_classes = MappingProxyType({"melody": _CLASSES})

    def __init__(self, root: str | Path | None = None) -> None:
        self.parts: dict[str, Corpus] = {
            part.name: part for part in (Pop909Corpus(root, twice=True), LiederCorpus(root))
        }
        folders = [part.folder.absolute() for part in self.parts.values()]
        try:
            self.folder = Path(os.path.commonpath(folders))
        except ValueError as error:
            raise CorpusError(f"{folders[0]} and {folders[1]} must lie on one drive.") from error

    @classmethod
    def presence(cls, root: str | Path | None = None) -> str:
        """Whether both are under root."""
        found = [part.presence(root) for part in (Pop909Corpus, LiederCorpus)]
        return "" if "" in found else found[0]

    @classmethod
    def directions(cls) -> str:
        """How to get both, and where to put them."""
        return f"{Pop909Corpus.directions()} {LiederCorpus.directions()}"

    def pieces(self) -> list[Piece]:
        """Those of POP909, then the Lieder; of their labels none."""
        return [
            replace(
                piece,
                key=f"{part.name}/{piece.key}",
                file=self._path(part, piece.file),
                group=f"{part.name}/{piece.group}" if piece.group else "",
                labels=NO_LABELS,
            )
            for part in self.parts.values()
            for piece in part.pieces()
        ]

    def sources(self, piece: Piece) -> tuple[str, ...]:
        """As of the corpus that it comes from."""
        part, inner = self._inner(piece)
        return tuple(self._path(part, file) for file in part.sources(inner))

    def interpret(self, piece: Piece, music: Music) -> Reading:
        """As of the corpus that it comes from; a voice is melody, all else of a Lied accompaniment."""
        part, inner = self._inner(piece)
        reading = part.interpret(inner, music)
        labels = reading.note_labels
        melody = labels["melody"] if "melody" in labels else _MELODY_OF_PART[labels["part"]]
        return Reading(reading.music, {"melody": melody})

    def _path(self, part: Corpus, file: str) -> str:
        """A part's file from the folder that both have in common."""
        return (part.folder.absolute().relative_to(self.folder) / file).as_posix()

    def _inner(self, piece: Piece) -> tuple[Corpus, Piece]:
        """The corpus that a piece comes from, and what it is called there."""
        name, _, key = piece.key.partition("/")
        part = self.parts[name]
        file = (self.folder / piece.file).relative_to(part.folder.absolute()).as_posix()
        return part, replace(piece, key=key, file=file)
