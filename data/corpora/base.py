"""The base class of corpus readers: pieces in a stable order, their music, labels, split and terms of use."""

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
from symbolic.music.midi.repair import KEEP
from symbolic.music.notes import Music

TERMS = ("name", "title", "licence", "citation", "homepage")
NO_LABELS: Mapping[str, str] = {}
"""Shared by all pieces without labels: an empty dictionary for each of a million takes 64 MB."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of a corpus before it is read.

    Attributes:
        key: Name, unique in the corpus.
        file: File relative to the corpus folder with forward slashes.
        labels: Sequence-level labels by name such as {"composer": "Bach"}.
        split: "train", "valid", "test" or "excluded". None: a hash of the notes chooses.
        group: Pieces of one group, such as versions of a song, stay on one side. "": no group.
        fingerprint: Note fingerprint in the split table. Other content is refused.
        reason: Reason of exclusion.
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
    """Music and note labels as a task reads them.

    Attributes:
        music: The music with repaired bars or merged tracks where a corpus needs that.
        note_labels: (N,) int8 class of each note for each of the corpus' `note_classes`. -1: unlabelled.
    """

    music: Music
    note_labels: Mapping[str, NDArray[np.int8]] = field(default_factory=dict)


class LeftOut(Exception):
    """A piece does not serve the purpose. The message is the reason as 'kind: details'."""


class Corpus(ABC):
    """A reader of one corpus. Instances are pickled for worker processes.

    Attributes:
        name, title, licence, citation, homepage: Terms of the corpus, all required.
        version: Raised when the reader gives other music or labels for the same files.
        spdx: SPDX expression of the terms of its music, as `symbolic.checkpoint.licence` knows them. "": unstated.
        label_terms: The same for labels by name that have other terms than the music.
        size: Number of pieces. 0 where that depends on the user.
        labels: Number of classes of each sequence-level label.
        split: Source of the split in a few words.
        table: Split table under `data/splits`, where it is not named after the corpus.
        drums_alone: Whether pieces hold drums alone and need `Filters(drum_only=True)`.
        fractions: Proportions of the splits for pieces whose split is not given.
        dealt_by: Label within whose small classes such pieces are dealt. "": a hash deals always.
        joins: Names of the corpora that it combines, where it has no music of its own.
        note_classes: Class names of each note-level label.
        folder: Folder to which `Piece.file` is relative.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    licence: ClassVar[str]
    citation: ClassVar[str]
    homepage: ClassVar[str]
    version: ClassVar[int] = 1
    spdx: ClassVar[str] = ""
    label_terms: ClassVar[Mapping[str, str]] = MappingProxyType({})
    size: ClassVar[int] = 0
    labels: ClassVar[Mapping[str, int]] = MappingProxyType({})
    split: ClassVar[str] = "80/10/10 by hash"
    table: ClassVar[str] = ""
    drums_alone: ClassVar[bool] = False
    fractions: ClassVar[Mapping[str, float]] = MappingProxyType({"train": 0.8, "valid": 0.1, "test": 0.1})
    dealt_by: ClassVar[str] = ""
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
            CorpusError: If it is absent. The message names what was searched and how to get it.
        """

    @abstractmethod
    def pieces(self) -> list[Piece]:
        """List all pieces in an order that depends on the files alone.

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
        """Make pieces with the sides, groups and fingerprints of the committed split table.

        Args:
            files: File of each key.
            labels: Labels of the keys that have any.
            fold: The fold to test on. None: the split of the table.
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
        """Return "files", "archive" or "" if it is not under root. Nothing is opened."""
        return ""

    @classmethod
    def directions(cls) -> str:
        """Tell how to get the corpus and into which folder it goes."""
        return ""

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that hold its files."""
        return (self.folder,)

    def path(self, file: str) -> str:
        """Return the path of one of `sources`."""
        return f"{self.folder}{os.sep}{file}"

    def read(self, piece: Piece, pedal: str = KEEP) -> Music:
        """Read the music as the file has it.

        Args:
            piece: One of `pieces`.
            pedal: How notes of MIDI files under the sustain pedal are read, as in `read_music`.

        Raises:
            MusicFileError: If the file cannot be read.
        """
        return read_music(
            self.path(piece.file), pedal=pedal, max_notes=None
        )  # Filters have limits of their own.

    def interpret(self, piece: Piece, music: Music) -> Reading:
        """Make the music and note labels for tasks. Default: the music of the file without labels.

        Raises:
            MusicFileError: If a further file of the piece, such as its beats, cannot be read.
            LeftOut: If the piece has no note to learn from.
        """
        return Reading(music)

    def sources(self, piece: Piece) -> tuple[str, ...]:
        """List all files of a piece, relative to the folder."""
        return (piece.file,)

    def options(self) -> dict[str, Any]:
        """Return the settings that change what is read as JSON values."""
        return {}
