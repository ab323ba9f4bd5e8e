"""Read the first sheet of an .xlsx file."""

from __future__ import annotations

import warnings
import zipfile
from io import BytesIO
from pathlib import Path

from symbolic.errors import LabelError

ZIP = b"PK\x03\x04"
"""First bytes of an .xlsx file."""
_MOST_BYTES = 64 * 2**20
_SAVE = "Save it as CSV in UTF-8, and name that file."


def sheet_rows(content: bytes, path: Path) -> list[tuple[int, list[str]]]:
    """Return the number and the cells of each row of the first sheet of a workbook. Formulas have their last value.

    Args:
        content: The file.
        path: Its name in messages.

    Raises:
        LabelError: If it is damaged, huge, or no .xlsx file.
    """
    from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _MOST_BYTES:
            raise LabelError(f"{path} is a huge table of {size:,} bytes. {_SAVE}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # styles and extensions are not for us
            sheet = load_workbook(BytesIO(content), read_only=True, data_only=True).worksheets[0]
            return [
                (number, [_text(value) for value in row])
                for number, row in enumerate(sheet.iter_rows(values_only=True), 1)
            ]
    except LabelError:
        raise
    except Exception as error:  # a damaged archive can raise nearly anything
        raise LabelError(f"{path} cannot be read as .xlsx ({error}). {_SAVE}") from error


def _text(value: object) -> str:
    """Return what a spreadsheet shows in a cell without a format of its own."""
    if value is None:
        return ""
    return f"{value:.15g}" if isinstance(value, float) else str(value).strip()
