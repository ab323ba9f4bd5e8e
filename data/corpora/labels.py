"""Tables of labels as spreadsheets write them: find the separator, the columns and the file that each row means."""

from __future__ import annotations

import csv
import io
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from data.corpora.spreadsheet import ZIP, sheet_rows
from data.splits import EXCLUDED, SPLITS
from symbolic.errors import LabelError
from symbolic.music.files import SUFFIXES

COLUMNS = ("file", "label", "split", "group")
_SEPARATORS = (",", ";", "\t")
_SIDES = {
    **{side: side for side in (*SPLITS, EXCLUDED)},
    **{"training": "train", "val": "valid", "validation": "valid", "dev": "valid", "testing": "test"},
    "exclude": EXCLUDED,
}
"""The side that each word of the column `split` means."""
_XLS = b"\xd0\xcf\x11\xe0"
"""First bytes of .xls."""


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        line: Number of its first line in the table.
        file: The music file or the tune of a book.
        label: Its label. "" where there is none.
        split: Its side, "excluded" or None.
        group: Its group. "" where there is none.
    """

    line: int
    file: str
    label: str
    split: str | None
    group: str


def rows_of_folders(files: Sequence[str]) -> list[Row]:
    """Label files by the folders that hold them, as in CLASS/song.mid or train/CLASS/song.mid.

    Args:
        files: Their names, relative to one folder, with "/" between parts.

    Returns:
        A row for each file that lies in the folder of a class. No row if there are fewer than two classes.
    """
    folders = {file: file.split("/")[:-1] for file in files}
    by_side = all(inside and inside[0].casefold() in _SIDES for inside in folders.values())
    rows = []
    for file, inside in folders.items():
        label = inside[by_side] if len(inside) > by_side else ""
        if label:
            rows.append(Row(0, file, label, _SIDES[inside[0].casefold()] if by_side else None, ""))
    return rows if len({row.label for row in rows}) > 1 else []


def read_table(path: Path, names: Collection[str], folder: Path, needed: Sequence[str] = ()) -> list[Row]:
    """Read a table of labels and spell its files as the folder does.

    Commas, semicolons and tabs separate cells, or it is an .xlsx file, whose first sheet is read. The case of column
    names and of splits does not matter and blank rows are passed over. A row means a file if one path is the end of the
    other, whatever their case, their accents' spelling and a missing ending.

    Args:
        path: The table.
        names: Files of the folder and keys of tunes in books.
        folder: The folder for messages.
        needed: Columns that must be there, apart from `file`.

    Raises:
        LabelError: If it cannot be read, or does not fit the files. The message names all problems with their lines.
    """
    header, cells = _cells(path)
    columns = [column.casefold() for column in header]
    _check_columns(path, header, columns, ("file", *needed))
    place = {column: columns.index(column) for column in COLUMNS if column in columns}
    problems: list[str] = []
    long = [(line, row[0]) for line, row in cells if any(row[len(columns) :])]
    problems = _problem(
        long,
        "row has more cells than there are columns",
        "rows have more cells than there are columns",
        'Quote what holds a separator: "Bach, J. S.".',
    )
    rows, sides = [], []
    for line, row in cells:
        found = {column: row[i] if i < len(row) else "" for column, i in place.items()}
        side = found.get("split", "")
        if side.casefold() not in ("", *_SIDES):
            sides.append((line, side))
        file = found["file"].replace("\\", "/").removeprefix("./")
        label, group = (unicodedata.normalize("NFC", found.get(column, "")) for column in ("label", "group"))
        rows.append(Row(line, file, label, _SIDES.get(side.casefold()), group))
    spelled, more = _spelled(rows, names, folder)
    problems += more
    known = f"Use {', '.join(SPLITS)}, {EXCLUDED}, or leave it blank."
    problems += _problem(sides, "split is unknown", "splits are unknown", known)
    if problems:
        raise LabelError(f"{path}: " + " ".join(problems))
    return spelled


def _cells(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the names of columns, and the cells of every row that is not blank, with its line."""
    content = _content(path)
    rows = sheet_rows(content, path) if content.startswith(ZIP) else _rows(_text(content, path), path)
    filled = [(line, row) for line, row in rows if any(row)]
    return (filled[0][1], filled[1:]) if filled else ([], [])


def _rows(text: str, path: Path) -> list[tuple[int, list[str]]]:
    """Return the cells of each row of text with its line."""
    first, _, rest = text.partition("\n")
    skipped = 0
    separators: Sequence[str] = _SEPARATORS
    if first.strip().casefold().startswith("sep=") and first.strip()[4:] in _SEPARATORS:  # written by Excel
        separators, text, skipped = [first.strip()[4:]], rest, 1
    try:
        separator = max(separators, key=lambda one: _score(_header(text, one)))
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        rows, before = [], 0
        for row in reader:
            rows.append((skipped + before + 1, [cell.strip() for cell in row]))
            before = reader.line_num
    except csv.Error as error:
        raise LabelError(
            f"{path} is no table ({error}). Quotes must come in pairs, each pair around a whole cell."
        ) from error
    return rows


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LabelError(f"{path} cannot be read ({error.strerror}).") from error


def _text(content: bytes, path: Path) -> str:
    if content.startswith(_XLS):
        raise LabelError(f"{path} is a spreadsheet. Save it as .xlsx or as CSV in UTF-8, and name that file.")
    coding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return content.decode(coding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise LabelError(
            f"{path} is not in UTF-8 (line {line}). Save it as CSV in UTF-8; spreadsheets offer that by name."
        ) from error


def _header(text: str, separator: str) -> list[str]:
    found = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    first: list[str] = next((row for row in found if any(cell.strip() for cell in row)), [])
    return [cell.strip().casefold() for cell in first]


def _score(header: Sequence[str]) -> tuple[int, int]:
    """Known columns count first, then all."""
    return len({*header} & {*COLUMNS}), len(header)


def _check_columns(path: Path, header: Sequence[str], columns: Sequence[str], needed: Sequence[str]) -> None:
    shown = ", ".join(filter(None, header)) or "none"
    if twice := [column for column in COLUMNS if columns.count(column) > 1]:
        raise LabelError(
            f"{path} has several columns '{twice[0]}'; its columns are {shown}. Keep one of them."
        )
    if absent := [column for column in needed if column not in columns]:
        holds = {"file": "the names of the files", "label": "the labels"}[absent[0]]
        raise LabelError(
            f"{path} has no column '{absent[0]}'; its columns are {shown}. Call the column that holds {holds} "
            f"'{absent[0]}' in the first line."
        )


def _spelled(rows: Sequence[Row], names: Collection[str], folder: Path) -> tuple[list[Row], list[str]]:
    """Return rows with files as the folder spells them and one sentence for each kind of problem."""
    exact = set(names)
    finder = _Finder(names) if any(row.file not in exact for row in rows) else None
    found, absent, unclear, unnamed = [], [], [], []
    for row in rows:
        hits = [row.file] if row.file in exact or finder is None else finder.find(row.file)
        if len(hits) == 1:
            row = row._replace(file=hits[0])
        elif not row.file:
            unnamed.append((row.line, row.label))
        elif hits:
            unclear.append((row.line, f"{row.file}: {' or '.join(hits[:3])}"))
        else:
            absent.append((row.line, row.file))
        found.append(row)
    counts = Counter(row.file for row in found)
    twice: dict[str, list[int]] = defaultdict(list)
    for row in found:
        if row.file and counts[row.file] > 1:
            twice[row.file].append(row.line)
    repeated = [(line, file) for file, (_, *lines) in twice.items() for line in lines]
    inside, below = (
        f"no music file under {folder}",
        "Paths are relative to that folder. Correct or remove them.",
    )
    return found, [
        *_problem(unnamed, "row names no file", "rows name no file", "Fill in column 'file'."),
        *_problem(absent, f"row names {inside}", f"rows name {inside}", below),
        *_problem(
            unclear, "row fits several files", "rows fit several files", "Write the path and the ending."
        ),
        *_problem(
            repeated, "row repeats a file", "rows repeat a file", "There are several rows of it. Keep one."
        ),
    ]


class _Finder:
    """Find files by names that are spelled otherwise.

    Args:
        names: Paths of files, relative to their folder.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._whole: dict[str, set[str]] = defaultdict(set)
        self._ends: dict[str, set[str]] = defaultdict(set)
        for name in names:
            for plain in {_plain(name), _plain(_without_ending(name))}:
                self._whole[plain].add(name)
                for end in _path_ends(plain):
                    self._ends[end].add(name)

    def find(self, name: str) -> list[str]:
        """Return the files that a name may mean: those that end with it, else the longest that it ends with."""
        plain = _plain(name)
        if hits := self._whole.get(plain) or self._ends.get(plain):
            return sorted(hits)
        for end in _path_ends(plain):
            if hits := self._whole.get(end):
                return sorted(hits)
        return []


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _without_ending(name: str) -> str:
    stem, ending = os.path.splitext(name)
    return stem if ending.lower() in SUFFIXES else name


def _path_ends(path: str) -> Iterable[str]:
    """Yield the ends of a path from the longest to the shortest: of a/b/c, b/c and c."""
    while "/" in path:
        path = path.partition("/")[2]
        yield path


def _problem(rows: Sequence[tuple[int, str]], one: str, many: str, remedy: str, shown: int = 5) -> list[str]:
    """Return a sentence about rows with the first few of them and the remedy. No sentence where there are no rows."""
    if not rows:
        return []
    listed = "; ".join(f"line {line}: {text}" for line, text in rows[:shown])
    rest = f"; and {len(rows) - shown} more" if len(rows) > shown else ""
    return [f"{len(rows)} {one if len(rows) == 1 else many} ({listed}{rest}). {remedy}"]
