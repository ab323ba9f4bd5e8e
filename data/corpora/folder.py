"""A folder of music files, with or without a table of labels."""

from __future__ import annotations

import csv
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from data.corpora.base import NO_LABELS, Corpus, Piece, Reading
from data.corpora.tunes import read_tune, tune_keys
from data.splits import EXCLUDED, SPLITS
from symbolic.errors import CorpusError, LabelError
from symbolic.music.files import SUFFIXES, music_files
from symbolic.music.notes import Music
from symbolic.music.piano import as_one_piano, track_labels

LABELS = "labels.csv"
LABEL = "label"
"""Name of the sequence-level label of this corpus."""
COLUMNS = ("file", "label", "split", "group")


class FolderCorpus(Corpus):
    """All music files of a folder and its subfolders.

    A table may name labels. Its column `file` is relative to the folder. The columns `label`, `split` (train, valid,
    test, excluded) and `group` (pieces that must stay on one side) are optional. Others are ignored. A hash of the
    notes or of the group deals pieces without a split 80/10/10.

    Args:
        root: The folder.
        labels: The table. Default: labels.csv in the folder, if there is one.
        require_labels: Refuse files without a label.
        tracks: Track names that become note labels, in any case. Notes of other tracks are unlabelled.
        merge: With `tracks`, read all pitched tracks as one piano, so that no program reveals a label.

    Raises:
        CorpusError: If there is no such folder.
    """

    name = "folder"
    title = "A folder of music files"
    licence = "unstated: whatever the files' own terms are"
    citation = "none"
    homepage = "none"

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
        self._table = Path(labels).expanduser() if labels else None
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
        """List the files in order of their paths, and the tunes of tune books one by one."""
        if self._require_labels and not self._has_table:
            raise LabelError(
                f"There is no {self._table_path}. Make a table with columns file and label, or name one by --labels."
            )
        files = sorted(music_files(self.folder))
        if not files:
            raise CorpusError(
                f"{self.folder} holds no music files ({', '.join(sorted(SUFFIXES))}), nor do its subfolders. "
                "Name the folder that does."
            )
        entries = [(key, file) for file in files for key in tune_keys(self.folder, file)]
        rows = self._rows({name for entry in entries for name in entry}) if self._has_table else {}
        # The row of a book holds for all its tunes that have no row.
        pieces = [_piece(key, file, rows.get(key) or rows.get(file) or {}) for key, file in entries]
        bare = [piece.key for piece in pieces if not piece.labels]
        if self._require_labels and bare:
            raise LabelError(
                f"{self._table_path}: {_some(bare, 'file has', 'files have')} no label. "
                "Add a row with columns file and label for each, or remove the files."
            )
        return pieces

    def read(self, piece: Piece) -> Music:
        """Read a file, or one tune of a book."""
        return super().read(piece) if piece.key == piece.file else read_tune(self.folder, piece.key)

    def interpret(self, piece: Piece, music: Music) -> Reading:
        """Label notes by track names if there are `tracks`. Else return the file as it is."""
        if not self._tracks:
            return Reading(music)
        labels = {"track": track_labels(music, self._tracks)}
        return Reading(as_one_piano(music) if self._merge else music, labels)

    @property
    def _table_path(self) -> Path:
        return self._table or self.folder / LABELS

    @property
    def _has_table(self) -> bool:
        return self._table is not None or self._table_path.is_file()

    def _rows(self, known: set[str]) -> dict[str, dict[str, str]]:
        """Read the rows of the table by file."""
        path = self._table_path
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file)
                columns = [(name or "").strip() for name in reader.fieldnames or ()]
                reader.fieldnames = columns
                read = list(reader)
        except OSError as error:
            raise LabelError(f"{path} cannot be read ({error.strerror}).") from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise LabelError(f"{path} cannot be read ({error}). It must be a CSV table in UTF-8.") from error
        if "file" not in columns:
            raise LabelError(
                f"{path} has no column 'file'; its columns are {', '.join(columns) or 'none'}. "
                f"Name the columns {', '.join(COLUMNS)} (only the first is required)."
            )
        table = [{c: (row.get(c) or "").strip() for c in COLUMNS if c in columns} for row in read]
        long = [row for row in read if any(cell.strip() for cell in row.get(None) or ())]
        if long:
            which = _some([str(row["file"]) for row in long], "row has", "rows have")
            raise LabelError(
                f'{path}: {which} more cells than there are columns. Quote what holds a comma: "Bach, J. S.".'
            )
        for row in table:
            row["file"] = row["file"].replace("\\", "/").removeprefix("./")
        _respell(table, known)
        self._check(path, table, known)
        return {row["file"]: row for row in table}

    def _check(self, path: Path, table: list[dict[str, str]], known: set[str]) -> None:
        """Refuse a table that does not fit the files. The message names all problems at once."""
        problems = []
        if absent := [row["file"] for row in table if row["file"] not in known]:
            problems.append(
                f"{_some(absent, 'row names', 'rows name')} no music file under {self.folder}; "
                "paths are relative to that folder. Correct or remove them."
            )
        counts = Counter(row["file"] for row in table)
        if twice := [file for file, count in counts.items() if count > 1]:
            problems.append(
                f"{_some(twice, 'file has', 'files have')} several rows. Keep one row for each file."
            )
        if strange := sorted({row.get("split", "") for row in table} - {"", *SPLITS, EXCLUDED}):
            problems.append(
                f"{_some(strange, 'split is', 'splits are')} unknown. Use {', '.join(SPLITS)}, {EXCLUDED}, "
                "or leave it blank."
            )
        if problems:
            raise LabelError(f"{path}: " + " ".join(problems))


def _respell(table: Sequence[dict[str, str]], known: set[str]) -> None:
    """Spell names as the file system does. macOS stores accents as separate characters."""
    absent = [row for row in table if row["file"] not in known]
    spelled: dict[str, str] = {}
    for name in known if absent else ():
        plain = unicodedata.normalize("NFC", name)
        spelled[plain] = "" if plain in spelled else name  # of two files, neither
    for row in absent:
        row["file"] = spelled.get(unicodedata.normalize("NFC", row["file"])) or row["file"]


def _piece(key: str, file: str, row: Mapping[str, str]) -> Piece:
    label, split = row.get("label"), row.get("split") or None
    return Piece(
        key,
        file,
        {LABEL: label} if label else NO_LABELS,
        split,
        row.get("group", ""),
        reason="excluded by the labels file" if split == EXCLUDED else "",
    )


def _some(names: Iterable[str], one: str, many: str, shown: int = 5) -> str:
    """Return a count with the first few names: '3 files have (a, b, c)'."""
    listed = list(names)
    rest = f", and {len(listed) - shown} more" if len(listed) > shown else ""
    return f"{len(listed)} {one if len(listed) == 1 else many} ({', '.join(map(repr, listed[:shown]))}{rest})"
