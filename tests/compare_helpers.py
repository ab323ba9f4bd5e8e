"""A study in a file of results, held against its page."""

from __future__ import annotations

from pathlib import Path

from data.toolkit.results import read_lines
from finetune.compare.page import comparison_page
from finetune.compare.storage import read_study
from finetune.settings import AT_ONCE


def check_study(path: Path) -> None:
    """Check that the page beside a study's records follows from them."""
    remedy = f"{path.with_suffix('.md')} is not what its records say: run the study again with --resume and --results"
    study = read_lines(path)[0]["study"]
    comparison = read_study(path)
    rows = [row for task in comparison["tasks"] for row in task["rows"]]
    assert rows
    for row in rows:  # what is fitted at once has no rate to try
        assert len(row["trials"]) in {len(study["trials"]), 1 if row["method"] in AT_ONCE else None}
    assert path.with_suffix(".md").read_text(encoding="utf-8") == comparison_page(comparison).markdown(), (
        remedy
    )
