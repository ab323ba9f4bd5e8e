"""Markdown of tables and cards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def markdown_table(
    header: Sequence[str], rows: Iterable[Sequence[object]], numbers: bool = False
) -> list[str]:
    """Return the lines of a table. A bar in a cell is escaped.

    Args:
        header: Heads of the columns.
        rows: Cells of each row, as many as heads.
        numbers: Whether all columns but the first hold numbers and are set right.
    """
    lines = [header, ["---", *["---:" if numbers else "---"] * (len(header) - 1)], *rows]
    return ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines]


def origin_lines(licence: str, record: Mapping[str, Any]) -> list[str]:
    """Return the end of a card: the licence of the weights and the command that made them.

    Args:
        licence: In one line.
        record: The record of the run.
    """
    return [
        "## Licence",
        "",
        licence,
        "",
        "## Made by",
        "",
        f"    {record['command']}",
        "",
        f"torch {record['versions'].get('torch', 'unknown')}, {record['time'][:10]}.",
        "",
    ]
