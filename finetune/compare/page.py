"""The page of a comparison, and its figures as pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.toolkit.page import Page
from finetune.compare import markdown
from finetune.compare.charts import cost_charts, trade_off
from finetune.report.plots import drawn
from finetune.report.tables import machine_of


def write_page(out: Path, comparison: Mapping[str, Any]) -> Path:
    """Write `comparison.html`, whole in itself, and a picture of every chart into `figures` beside it."""
    page = Page(comparison["title"])
    page.text(markdown.summary_line(comparison))
    for line in markdown.failure_lines(comparison):
        page.missing(line)
    page.text(markdown.note_of(comparison).replace("*Above*", "Above"), note=True)
    if comparison["claims"]:
        page.heading("Claims")
        page.text(markdown.claim_line(comparison))
        page.table(*markdown.claim_rows(comparison))
        page.text(markdown.CLAIM_NOTE, note=True)
    if comparison["ranks"]:
        page.heading("Mean rank")
        page.table(*markdown.rank_rows(comparison))
        page.text(markdown.RANK_NOTE, note=True)
    for task in comparison["tasks"]:
        if task["rows"]:
            _task(page, task, out / "figures")
    page.heading("How it was made")
    page.code(comparison["command"])
    page.facts(
        {
            "machine": machine_of(comparison),
            "versions": ", ".join(f"{name} {version}" for name, version in comparison["versions"].items()),
        }
    )
    page.write(out / "comparison.html")
    return out / "comparison.html"


def _task(page: Page, task: Mapping[str, Any], figures: Path) -> None:
    split = task["split"]
    page.heading(task["title"])
    page.text(
        f"{split['train']} pieces to train on, {split['valid']} to select on, {split['test']} to test on. "
        f"Split: {split['source']}."
    )
    grid = trade_off(task)
    if grid is not None:
        page.charts(grid)
    page.table(*markdown.score_rows(task))
    page.table(*markdown.cost_rows(task))
    page.text(markdown.COST_NOTE, note=True)
    charts = cost_charts(task)
    if charts:
        page.charts(*charts)
    page.facts({row["arm"]: row["command"] for row in task["rows"]}, fold="Each arm by itself")
    figures.mkdir(parents=True, exist_ok=True)
    for chart in [*([grid] if grid else []), *charts]:
        name = f"{task['name']} {chart['title']}".lower().replace(",", "").replace(" ", "-")
        figure = drawn({**chart, "title": f"{task['title']}: {chart['title'].lower()}"})
        figure.savefig(figures / f"{name}.png", dpi=110, bbox_inches="tight")
