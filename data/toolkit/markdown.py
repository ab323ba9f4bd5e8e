"""Markdown of cards and pages that are kept beside what they tell of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def markdown_table(
    header: Sequence[str], rows: Iterable[Sequence[object]], numbers: bool = False
) -> list[str]:
    """Lines of a table; a bar in a cell stays a bar.

    Args:
        header: Heads of the columns.
        rows: As many cells each.
        numbers: Whether all columns but the first hold numbers, and are set right.
    """
    lines = [header, ["---", *["---:" if numbers else "---"] * (len(header) - 1)], *rows]
    return ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines]


def origin_lines(licence: str, record: Mapping[str, Any]) -> list[str]:
    """How a card ends: on what terms the weights are, and what made them.

    Args:
        licence: In a line.
        record: Of the run.
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
