"""Songs with known melodies from two corpora: training data for models that read files of any origin."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from data.corpora.base import NO_LABELS, Corpus, Piece, Reading
from data.corpora.openscore import PARTS, LiederCorpus
from data.corpora.pop909 import Pop909Corpus
from symbolic.music.notes import Music

_CLASSES = Pop909Corpus.note_classes["melody"]
_MEANS = {"voice": "melody", "accompaniment": "accompaniment"}
_MELODY_OF_PART = np.array([*(_CLASSES.index(_MEANS[part]) for part in PARTS), -1], dtype=np.int8)
"""Class of each of `PARTS`. The last entry serves index -1, for notes of neither."""


class SongsCorpus(Corpus):
    """POP909, with true bars and with the timing of its files, and OpenScore Lieder with the voice as melody.

    Sides of the split are those of the two corpora. Keys, groups and files begin with the name of their corpus. All
    parts become one piano.

    Args:
        root: The folder that holds both.
    """

    name = "songs"
    title = "Songs: POP909 and OpenScore Lieder"
    licence = f"POP909: {Pop909Corpus.licence}; OpenScore Lieder: {LiederCorpus.licence}"
    spdx = f"{Pop909Corpus.spdx} AND {LiederCorpus.spdx}"
    citation = f"{Pop909Corpus.citation}; {LiederCorpus.citation}"
    homepage = f"{Pop909Corpus.homepage} and {LiederCorpus.homepage}"
    size = 2 * Pop909Corpus.size + LiederCorpus.size
    split = "those of the two"
    joins = (Pop909Corpus.name, LiederCorpus.name)
    archives = MappingProxyType({**Pop909Corpus.archives, **LiederCorpus.archives})
    note_classes = MappingProxyType({"melody": _CLASSES})

    def __init__(self, root: str | Path | None = None) -> None:
        self.parts: dict[str, Corpus] = {
            part.name: part for part in (Pop909Corpus(root, twice=True), LiederCorpus(root))
        }
        self.folder = self.parts[Pop909Corpus.name].folder

    def options(self) -> dict[str, Any]:
        """Return the versions of the two readers. A new version of either makes new shards."""
        return {"versions": {name: part.version for name, part in self.parts.items()}}

    @classmethod
    def presence(cls, root: str | Path | None = None) -> str:
        """Return "files" or "archive" if both are under root, else ""."""
        found = [part.presence(root) for part in (Pop909Corpus, LiederCorpus)]
        return "" if "" in found else found[0]

    @classmethod
    def directions(cls) -> str:
        """Tell how to get both and into which folder they go."""
        return f"{Pop909Corpus.directions()} {LiederCorpus.directions()}"

    def pieces(self) -> list[Piece]:
        """List the songs of POP909 and then the Lieder without their sequence-level labels."""
        return [
            replace(
                piece,
                key=f"{name}/{piece.key}",
                file=f"{name}/{piece.file}",
                group=f"{name}/{piece.group}" if piece.group else "",
                labels=NO_LABELS,
            )
            for name, part in self.parts.items()
            for piece in part.pieces()
        ]

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of both corpora."""
        return tuple(part.folder for part in self.parts.values())

    def path(self, file: str) -> str:
        """Return the path of a file. Its name begins with the name of its corpus."""
        name, _, inner = file.partition("/")
        return self.parts[name].path(inner)

    def sources(self, piece: Piece) -> tuple[str, ...]:
        """List the files of a piece as its corpus does."""
        name, inner = _inner(piece)
        return tuple(f"{name}/{file}" for file in self.parts[name].sources(inner))

    def interpret(self, piece: Piece, music: Music) -> Reading:
        """Interpret a piece as its corpus does. The voice of a Lied is melody, the rest accompaniment."""
        name, inner = _inner(piece)
        reading = self.parts[name].interpret(inner, music)
        labels = reading.note_labels
        melody = labels["melody"] if "melody" in labels else _MELODY_OF_PART[labels["part"]]
        return Reading(reading.music, {"melody": melody})


def _inner(piece: Piece) -> tuple[str, Piece]:
    """Return the corpus of a piece and the piece as it is there."""
    name, _, key = piece.key.partition("/")
    return name, replace(piece, key=key, file=piece.file.partition("/")[2])
