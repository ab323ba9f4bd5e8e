"""Tables of labels in .xlsx files, member by member as spreadsheets write them."""

import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from data.corpora.labels import read_table
from data.corpora.spreadsheet import sheet_rows
from symbolic.errors import LabelError

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
BOOK = (
    f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets><sheet name="Labels" sheetId="2" r:id="rId7"/>'
    '<sheet name="Notes" sheetId="1" r:id="rId1"/></sheets></workbook>'
)
TARGETS = '<Relationships><Relationship Id="rId1" Target="x.xml"/><Relationship Id="rId7" Target="{}"/></Relationships>'
STRINGS = (
    f'<sst xmlns="{MAIN}"><si><t>file</t></si><si><t>label</t></si>'
    "<si><r><t>sa</t></r><r><rPr/><t>d </t></r><rPh><t>no</t></rPh></si></sst>"
)
ROWS = (
    '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" t="s"><v>1</v></c></row>'
    '<row r="3"><c r="A3" t="str"><f>B3</f><v>p000.mid</v></c><c r="C3" t="s"><v>2</v></c></row>'
    '<row r="4"><c r="A4" t="inlineStr"><is><t>p001</t></is></c><c r="B4"/><c r="C4"><v>1900</v></c></row>'
)


def book(rows: str = ROWS, target: str = "worksheets/sheet1.xml", **more: str) -> bytes:
    """An .xlsx file with these rows in its first sheet."""
    members = {
        "xl/workbook.xml": BOOK,
        "xl/_rels/workbook.xml.rels": TARGETS.format(target),
        "xl/sharedStrings.xml": STRINGS,
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>',
    }
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in {**members, **more}.items():
            archive.writestr(name, text)
    return content.getvalue()


@pytest.mark.parametrize("target", ["worksheets/sheet1.xml", "/xl/worksheets/sheet1.xml"])
def test_the_first_sheet_is_read_as_texts(target):
    assert sheet_rows(book(target=target), Path("labels.xlsx")) == [
        (1, ["file", "", "label"]),
        (3, ["p000.mid", "", "sad"]),
        (4, ["p001", "", "1900"]),
    ]


def test_a_table_of_labels_can_be_a_spreadsheet(tmp_path):
    path = tmp_path / "labels.xlsx"
    path.write_bytes(book())
    rows = read_table(path, ["p000.mid", "p001.mid"], tmp_path, ("label",))
    assert [(row.line, row.file, row.label) for row in rows] == [
        (3, "p000.mid", "sad"),
        (4, "p001.mid", "1900"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (book()[:200], "cannot be read as .xlsx"),
        (book("<row>"), "cannot be read as .xlsx"),
        (book('<row r="1"><c r="A1" t="s"><v>99</v></c></row>'), "cannot be read as .xlsx"),
        (book('<row r="1"><c r="B1"/><c r="A1"/></row>'), "row 1 has its cells in no order"),
        (book('<row r="1"><c r="ZZZZZ1"/></row>'), "row 1 has its cells in no order"),
        (book(target="gone.xml"), "cannot be read as .xlsx"),
        (book(**{"xl/workbook.xml": "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>"}), "entities of its own"),
    ],
)
def test_a_damaged_spreadsheet_is_refused_with_the_remedy(content, message):
    with pytest.raises(LabelError, match=f"(?s){message}.*Save it as CSV"):
        sheet_rows(content, Path("labels.xlsx"))
