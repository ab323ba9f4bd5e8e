"""A folder of music files with or without a table of labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.corpora.base import NO_LABELS, Corpus, LeftOut, Piece, Reading
from data.corpora.labels import Row, read_table, rows_of_folders
from data.splits import EXCLUDED
from symbolic.errors import CorpusError, LabelError
from symbolic.music.abc.tunes import read_tune, with_tunes
from symbolic.music.files import music_files, without_music
from symbolic.music.midi.repair import KEEP
from symbolic.music.notes import Music
from symbolic.music.piano import as_one_piano, track_labels

LABELS = "labels.csv"
LABEL = "label"
"""Name of the sequence-level label of this corpus."""


class FolderCorpus(Corpus):
    """All music files of a folder and its subfolders.

    A table may name labels. Its column `file` is relative to the folder. The columns `label`, `split` (train, valid,
    test, excluded) and `group` (pieces that must stay on one side) are optional. Others are ignored.

    Args:
        root: The folder.
        labels: The table. A path that does not exist is also looked for in the folder. Default: labels.csv there, if
            there is one.
        require_labels: Leave out files without a label. Without a table the folders of the files are their labels.
        tracks: Track names that become note labels in any case. Notes of other tracks are unlabelled.
        merge: With `tracks`, read all pitched tracks as one piano, so that no program reveals a label.

    Raises:
        CorpusError: If there is no such folder.
    """

    name = "folder"
    title = "A folder of music files"
    licence = "unstated: whatever the files' own terms are"
    citation = "none"
    homepage = "none"
    version = 2
    split = "80/10/10 by label"
    dealt_by = LABEL

    def __init__(
        self,
        root: str | Path | None = None,
        labels: str | Path | None = None,
        require_labels: bool = False,
        tracks: Sequence[str] = (),
        merge: bool = True,
    ) -> None:
        if not root:
            raise CorpusError("Corpus 'folder' needs a folder. Name the one that holds your music files.")
        self.folder = Path(root).expanduser()
        if not self.folder.is_dir():
            raise CorpusError(f"{self.folder} is not a folder. Name the one that holds your music files.")
        table = Path(labels).expanduser() if labels else None
        if table and not table.exists() and (self.folder / table).is_file():
            table = self.folder / table
        self._table = table
        self._require_labels = require_labels
        self._tracks = tuple(tracks)
        self._merge = merge
        if self._tracks:
            self.note_classes = {"track": self._tracks}

    @classmethod
    def directions(cls) -> str:
        """Tell how to use it."""
        return "Name any folder of music files as ROOT."

    def options(self) -> dict[str, Any]:
        """Return tracks and merging. Labels and splits are part of the pieces."""
        return {"tracks": list(self._tracks), "merge": self._merge}

    def pieces(self) -> list[Piece]:
        """List the files in order of their paths and the tunes of tune books one by one."""
        files = sorted(music_files(self.folder))
        if not files:
            raise CorpusError(f"{without_music(self.folder)} Name the folder that does.")
        entries = [(key, file) for file in files for key in with_tunes([file], self.folder)]
        rows = self._rows(entries)
        # The row of a book holds for all its tunes that have no row.
        pieces = [self._piece(key, file, rows.get(key) or rows.get(file)) for key, file in entries]
        if self._require_labels and not any(piece.labels for piece in pieces):
            raise LabelError(f"{self._table_path} labels no file. Fill in column '{LABEL}'.")
        return pieces

    def read(self, piece: Piece, pedal: str = KEEP) -> Music:
        """Read a file or one tune of a book."""
        return super().read(piece, pedal) if piece.key == piece.file else read_tune(self.folder / piece.key)

    def interpret(self, piece: Piece, music: Music) -> Reading:
        """Label notes by track names if there are `tracks`. Else return the file as it is.

        Raises:
            LeftOut: If no track has one of the names.
        """
        if not self._tracks:
            return Reading(music)
        labels = {"track": track_labels(music, self._tracks)}
        if (labels["track"] < 0).all():
            named = ", ".join(filter(None, music.tracks)) or "without names"
            raise LeftOut(f"no track called {' or '.join(self._tracks)}: its tracks are {named}")
        return Reading(as_one_piano(music) if self._merge else music, labels)

    @property
    def _table_path(self) -> Path:
        return self._table or self.folder / LABELS

    @property
    def _has_table(self) -> bool:
        return self._table is not None or self._table_path.is_file()

    def _rows(self, entries: Sequence[tuple[str, str]]) -> dict[str, Row]:
        if self._has_table:
            names = {name for entry in entries for name in entry}
            needed = [LABEL] if self._require_labels else []
            return {row.file: row for row in read_table(self._table_path, names, self.folder, needed)}
        if not self._require_labels:
            return {}
        rows = rows_of_folders([file for _, file in entries])
        if not rows:
            raise LabelError(
                f"There is no {self._table_path}. Make a table with columns file and label, name one by --labels, or "
                "put the files of each class into a folder of its own."
            )
        return {row.file: row for row in rows}

    def _piece(self, key: str, file: str, row: Row | None) -> Piece:
        labels = {LABEL: row.label} if row and row.label else NO_LABELS
        split, reason = row.split if row else None, ""
        if split == EXCLUDED:
            labels = NO_LABELS  # no class is made of it
            reason = "excluded by the labels file"
        elif self._require_labels and not labels:
            missing = "no row in the labels file" if self._has_table else "in no folder of a class"
            split, reason = EXCLUDED, "no label in its row" if row else missing
        return Piece(key, file, labels, split, row.group if row else "", reason=reason)
