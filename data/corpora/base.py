"""What every corpus reader is: pieces in a stable order, their music, labels, splits and terms of use."""

from __future__ import annotations

import inspect
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from data.splits import EXCLUDED, load_table, side_in_fold
from symbolic.music.files import read_music
from symbolic.music.notes import Music

TERMS = ("name", "title", "licence", "citation", "homepage")
NO_LABELS: Mapping[str, str] = {}
"""One for all pieces without any: an empty dictionary for each of a million takes 64 MB."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of a corpus, before it is read.

    Attributes:
        key: Its name, unique in the corpus.
        file: Its file, relative to the corpus folder, with forward slashes.
        labels: Sequence-level labels by name, such as {"composer": "Bach"}.
        split: "train", "valid", "test", "excluded", or None to have it chosen by a hash of the notes.
        group: Pieces of one group (versions of a song, clips of a performance) stay on one side; "" is alone.
        fingerprint: Note fingerprint that a split table promises; other content is refused.
        reason: Why it is excluded.
    """

    key: str
    file: str
    labels: Mapping[str, str] = field(default_factory=lambda: NO_LABELS)
    split: str | None = None
    group: str = ""
    fingerprint: int | None = None
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Reading:
    """Music as a task sees it.

    Attributes:
        music: With metre repaired or tracks merged, where a corpus needs that.
        note_labels: For each of the corpus' `note_classes`, (N,) int8 class of each note; -1 is unlabelled.
    """

    music: Music
    note_labels: Mapping[str, NDArray[np.int8]] = field(default_factory=dict)


class Corpus(ABC):
    """A reader of one corpus. Subclasses must state their terms; instances travel to worker processes.

    Attributes:
        name, title, licence, citation, homepage: What it is and on what terms; all required.
        version: Raised whenever the reader would give other music or labels for the same files.
        size: How many pieces it has; 0 where that depends on the user.
        labels: Sequence-level labels, and how many classes each has.
        split: Where the split comes from, in a few words.
        table: The split table under `data/splits`, where it is not called after the corpus.
        drums_alone: Whether pieces are drums alone, so that `Filters(drum_only=True)` must prepare them.
        fractions: Shares of the splits, for pieces whose split is chosen by hash.
        joins: Names of the corpora that it is made of, where it has no music of its own.
        note_classes: Names of the classes of each note-level label.
        folder: Where `Piece.file` starts from.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    licence: ClassVar[str]
    citation: ClassVar[str]
    homepage: ClassVar[str]
    version: ClassVar[int] = 1
    size: ClassVar[int] = 0
    labels: ClassVar[Mapping[str, int]] = MappingProxyType({})
    split: ClassVar[str] = "80/10/10 by hash"
    table: ClassVar[str] = ""
    drums_alone: ClassVar[bool] = False
    fractions: ClassVar[Mapping[str, float]] = MappingProxyType({"train": 0.8, "valid": 0.1, "test": 0.1})
    joins: ClassVar[tuple[str, ...]] = ()
    note_classes: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    folder: Path

    def __init_subclass__(cls) -> None:
        missing = [term for term in TERMS if not getattr(cls, term, None)]
        if missing and not inspect.isabstract(cls):
            raise TypeError(f"corpus {cls.__name__} must state its {', '.join(missing)}")

    @abstractmethod
    def __init__(self, root: str | Path | None = None) -> None:
        """Find the corpus.

        Raises:
            CorpusError: If it is not there, saying what was looked for and how to get it.
        """

    @abstractmethod
    def pieces(self) -> list[Piece]:
        """All pieces, in an order that depends on nothing but the files.

        Raises:
            CorpusError: If there are none.
            LabelError: If labels and files do not fit together.
        """

    def tabled(
        self,
        files: Mapping[str, str],
        labels: Mapping[str, Mapping[str, str]] | None = None,
        fold: int | None = None,
    ) -> list[Piece]:
        """Pieces with the sides, groups and fingerprints of the corpus' committed split table.

        Args:
            files: File of each key.
            labels: Labels of those keys that have any.
            fold: The fold to be the test set, instead of the table's split.
        """
        table, labels = load_table(self.table or self.name), labels or {}
        pieces = []
        for key, file in files.items():
            about, entry = labels.get(key, {}), table.get(key)
            if entry is None:
                pieces.append(Piece(key, file, about, EXCLUDED, reason="not in the split table"))
                continue
            split = entry.split if fold is None else side_in_fold(entry, fold)
            reason = entry.reason if split == EXCLUDED else ""
            pieces.append(Piece(key, file, about, split, entry.group, entry.fingerprint, reason))
        return pieces

    @classmethod
    def presence(cls, root: str | Path | None = None) -> str:
        """Whether it is under root, without opening it: "files", "archive", or "" where it is not."""
        return ""

    @classmethod
    def directions(cls) -> str:
        """How to get it, and where to put it."""
        return ""

    @property
    def folders(self) -> tuple[Path, ...]:
        """Below which its files lie."""
        return (self.folder,)

    def path(self, file: str) -> str:
        """Where one of `sources` lies."""
        return f"{self.folder}{os.sep}{file}"

    def read(self, piece: Piece) -> Music:
        """The music as its file has it.

        Raises:
            MusicFileError: If the file cannot be read.
        """
        return read_music(self.path(piece.file))

    def interpret(self, piece: Piece, music: Music) -> Reading:
        """The music and note labels that tasks see; by default the file's, without labels.

        Raises:
            MusicFileError: If a file that goes with the piece, such as its beats, cannot be read.
        """
        return Reading(music)

    def sources(self, piece: Piece) -> tuple[str, ...]:
        """All files that a piece is made from, relative to the folder."""
        return (piece.file,)

    def options(self) -> dict[str, Any]:
        """Settings that change what is read, as JSON values."""
        return {}
