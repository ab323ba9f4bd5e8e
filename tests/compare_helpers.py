"""A study in a file of results, held against its page."""

from __future__ import annotations

from pathlib import Path

from data.toolkit.results import read_lines
from finetune.compare.page import comparison_page
from finetune.compare.storage import read_study


def check_study(path: Path) -> None:
    """Check that the page beside a study's records follows from them."""
    remedy = f"{path.with_suffix('.md')} is not what its records say: run the study again with --resume and --results"
    study = read_lines(path)[0]["study"]
    comparison = read_study(path)
    rows = [row for task in comparison["tasks"] for row in task["rows"]]
    assert rows
    assert all(len(row["trials"]) == len(study["trials"]) for row in rows)
    assert path.with_suffix(".md").read_text(encoding="utf-8") == comparison_page(comparison).markdown(), (
        remedy
    )
