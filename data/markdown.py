"""Tables in Markdown, for cards and pages that are kept beside what they tell of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


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
