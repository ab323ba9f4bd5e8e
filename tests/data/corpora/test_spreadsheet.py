"""Tables of labels in .xlsx files."""

from io import BytesIO
from pathlib import Path

import pytest
from openpyxl import Workbook

from data.corpora.labels import read_table
from data.corpora.spreadsheet import sheet_rows
from symbolic.errors import LabelError


def book(cells: dict[str, object]) -> bytes:
    """An .xlsx file with these cells in its first sheet, and a second sheet."""
    made, content = Workbook(), BytesIO()
    for place, value in cells.items():
        made.active[place] = value
    made.create_sheet("Notes")["A1"] = "none of these"
    made.save(content)
    return content.getvalue()


def test_the_first_sheet_is_read_as_texts():
    cells = {"A1": "file", "C1": "label", "A3": "p000.mid", "C3": " sad ", "B4": 0.1 + 0.2, "C4": 1900}
    assert [(number, row) for number, row in sheet_rows(book(cells), Path("labels.xlsx")) if any(row)] == [
        (1, ["file", "", "label"]),
        (3, ["p000.mid", "", "sad"]),
        (4, ["", "0.3", "1900"]),
    ]


def test_a_table_of_labels_can_be_a_spreadsheet(tmp_path):
    path = tmp_path / "labels.xlsx"
    path.write_bytes(
        book({"A1": "File", "B1": "Label", "A2": "p000.mid", "B2": "sad", "A4": "p001", "B4": 1900})
    )
    rows = read_table(path, ["p000.mid", "p001.mid"], tmp_path, ("label",))
    assert [(row.line, row.file, row.label) for row in rows] == [
        (2, "p000.mid", "sad"),
        (4, "p001.mid", "1900"),
    ]


@pytest.mark.parametrize(
    "content", [book({"A1": "file"})[:200], book({"A1": "file"})[:-30], b"PK\x03\x04" + bytes(99)]
)
def test_a_damaged_spreadsheet_is_refused_with_the_remedy(content):
    with pytest.raises(LabelError, match=r"(?s)labels.xlsx cannot be read as .xlsx.*Save it as CSV"):
        sheet_rows(content, Path("labels.xlsx"))
