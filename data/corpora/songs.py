"""Songs whose melody is known, of two corpora as one: what to learn from where files come from anywhere."""

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
"""The class of each of `PARTS`, and last, where an index of -1 finds it, of notes of neither."""


class SongsCorpus(Corpus):
    """POP909 on true bars and as filed, and OpenScore Lieder with the voice as melody; sides are those of the two.

    Keys, groups and files begin with the name of the corpus that they come from. All is one piano.

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
    joins = (Pop909Corpus.name, LiederCorpus.name)
    archives = MappingProxyType({**Pop909Corpus.archives, **LiederCorpus.archives})
    note_classes = MappingProxyType({"melody": _CLASSES})

    def __init__(self, root: str | Path | None = None) -> None:
        self.parts: dict[str, Corpus] = {
            part.name: part for part in (Pop909Corpus(root, twice=True), LiederCorpus(root))
        }
        self.folder = self.parts[Pop909Corpus.name].folder

    def options(self) -> dict[str, Any]:
        """Versions of the two readers: what either gives anew is given anew here."""
        return {"versions": {name: part.version for name, part in self.parts.items()}}

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
        """Of both."""
        return tuple(part.folder for part in self.parts.values())

    def path(self, file: str) -> str:
        """Where a part has it: names of files begin with the part's."""
        name, _, inner = file.partition("/")
        return self.parts[name].path(inner)

    def sources(self, piece: Piece) -> tuple[str, ...]:
        """As of the corpus that it comes from."""
        name, inner = _inner(piece)
        return tuple(f"{name}/{file}" for file in self.parts[name].sources(inner))

    def interpret(self, piece: Piece, music: Music) -> Reading:
        """As of the corpus that it comes from; a voice is melody, all else of a Lied accompaniment."""
        name, inner = _inner(piece)
        reading = self.parts[name].interpret(inner, music)
        labels = reading.note_labels
        melody = labels["melody"] if "melody" in labels else _MELODY_OF_PART[labels["part"]]
        return Reading(reading.music, {"melody": melody})


def _inner(piece: Piece) -> tuple[str, Piece]:
    """The corpus that a piece comes from, and the piece as it is there."""
    name, _, key = piece.key.partition("/")
    return name, replace(piece, key=key, file=piece.file.partition("/")[2])
