"""Read the cells of the first sheet of an .xlsx file (ECMA-376, part 1, SpreadsheetML) as texts."""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from symbolic.errors import LabelError

ZIP = b"PK\x03\x04"
"""First bytes of an .xlsx file."""
_MOST_BYTES = 64 * 2**20
_MOST_COLUMNS = 16_384
_WORKBOOK, _STRINGS = "xl/workbook.xml", "xl/sharedStrings.xml"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_PLACE = re.compile(r"([A-Z]+)(\d+)")
_SAVE = "Save it as CSV in UTF-8, and name that file."


def sheet_rows(content: bytes, path: Path) -> list[tuple[int, list[str]]]:
    """Return the number and the cells of each row of the first sheet of a workbook.

    Args:
        content: The file.
        path: Its name in messages.

    Raises:
        LabelError: If it is damaged, huge, or no .xlsx file.
    """
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            names = set(archive.namelist())
            if _WORKBOOK not in names:
                raise LabelError(f"{path} is an archive and no .xlsx table. {_SAVE}")
            sheet = _tree(archive, _first_sheet(archive, path), path)
            texts = [_text(one) for one in _tree(archive, _STRINGS, path)] if _STRINGS in names else []
            return [*_rows(sheet, texts)]
    except (
        zipfile.BadZipFile,
        zlib.error,
        ElementTree.ParseError,
        KeyError,
        IndexError,
        StopIteration,
        ValueError,
        OSError,
    ) as error:
        raise LabelError(f"{path} cannot be read as .xlsx ({error}). {_SAVE}") from error


def _tree(archive: zipfile.ZipFile, member: str, path: Path) -> Element:
    """Return the tree of a member with plain names."""
    with archive.open(member) as file:
        xml = file.read(_MOST_BYTES + 1)
    if len(xml) > _MOST_BYTES or b"<!ENTITY" in xml:
        raise LabelError(f"{path} holds a huge table, or entities of its own. {_SAVE}")
    root = ElementTree.fromstring(xml)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _first_sheet(archive: zipfile.ZipFile, path: Path) -> str:
    """Return the member that holds the first sheet."""
    first = next(_tree(archive, _WORKBOOK, path).iter("sheet")).get(_RELATION)
    relations = _tree(archive, "xl/_rels/workbook.xml.rels", path)
    target = next(one.get("Target", "") for one in relations if one.get("Id") == first)
    return posixpath.normpath(posixpath.join("xl", target)).lstrip("/")


def _rows(sheet: Element, texts: list[str]) -> Iterator[tuple[int, list[str]]]:
    number = 0
    for row in sheet.iter("row"):
        number = int(row.get("r", number + 1))
        cells: list[str] = []
        for cell in row.iter("c"):
            place = _PLACE.fullmatch(cell.get("r", ""))
            column = _column(place[1]) if place else len(cells)
            if not len(cells) <= column < _MOST_COLUMNS:
                raise ValueError(f"row {number} has its cells in no order")
            cells += [""] * (column - len(cells)) + [_value(cell, texts).strip()]
        yield number, cells


def _column(letters: str) -> int:
    """Return the number of a column from its letters: 0 of A, 26 of AA."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _value(cell: Element, texts: list[str]) -> str:
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        return "".join(_text(one) for one in cell.iter("is"))
    value = cell.findtext("v") or ""
    if kind == "s":
        return texts[int(value)]
    # A number is written as a double.
    return value if kind != "n" or not value else f"{float(value):.15g}"


def _text(item: Element) -> str:
    """Return a text, of parts if it has several fonts, without its pronunciation."""
    parts = [
        one
        for child in item
        for one in ([child] if child.tag == "t" else child.iter("t") if child.tag == "r" else [])
    ]
    return "".join(one.text or "" for one in parts)
