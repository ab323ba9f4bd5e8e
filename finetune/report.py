"""Records to people: rows of a table, the page of a run, and RESULTS.md over many runs."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.page import Page
from finetune.metrics import Counts, accuracy, paired_bootstrap, unpack_counts
from finetune.model import load_model
from finetune.outcome import SeedResult
from finetune.plots import confusion, curves, piano_roll
from finetune.taskdata import TaskData
from finetune.tasks import TASKS
from symbolic.errors import CorpusError

Record = Mapping[str, Any]
_SHOWN_ROWS = 220


def title_of(record: Record) -> str:
    """A run in a few words: method, backbone, seeds."""
    backbone = record["backbone"]
    name = "from scratch" if backbone["source"] != "checkpoint" else f"from {backbone['path']}"
    seeds = len(record["seeds"])
    marks = {True: ", LEAKY", None: ", leaks unknown"}.get(record["leaks"]["leaky"], "")
    return f"{record['method']}, {name}, {seeds} seed{'s' if seeds > 1 else ''}{marks}"


def score_table(record: Record) -> tuple[list[str], list[list[str]]]:
    """Heads and rows on the test pieces, in per cent: floors first, then the run."""
    metrics = record["task"]["metrics"]
    header, rows = floor_table(record["floors"], metrics)
    return header, [*rows, _row(title_of(record), record["test"], metrics, len(record["seeds"]) > 1)]


def floor_table(floors: Sequence[Record], metrics: Mapping[str, str]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of floors on the test pieces, in per cent."""
    header = ["test pieces, %", *metrics.values(), "95 % interval of accuracy"]
    return header, [_row(floor["title"], floor["test"]["scores"], metrics) for floor in floors]


def _row(title: str, scores: Record, metrics: Mapping[str, str], several: bool = False) -> list[str]:
    cells = []
    for name in metrics:
        cell = f"{100 * scores[name]['mean']:.1f}"
        cells.append(f"{cell} ± {100 * scores[name]['sd']:.1f}" if several else cell)
    low, high = scores["accuracy"]["interval"]
    return [title, *cells, f"{100 * low:.1f} to {100 * high:.1f}"]


def published_table(record: Record) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of others' numbers, each with its protocol."""
    metrics = record["task"]["metrics"]
    rows = [
        [
            row["system"],
            *(str(row["scores"].get(name, "")) for name in metrics),
            row["protocol"] + (" (leaky)" if row["leaky"] else ""),
        ]
        for row in record["published"]
    ]
    return ["reported elsewhere, %", *metrics.values(), "protocol"], rows


def window_line(record: Record) -> str:
    """Window-level accuracy of a sequence-level task, which papers quote; empty at note level."""
    found = record["test"].get("window_accuracy")
    return f"window-level accuracy: {100 * found['mean']:.1f} ± {100 * found['sd']:.1f} %" if found else ""


def write_report(out: Path, record: Record, data: TaskData, results: Sequence[SeedResult]) -> None:
    """Write `report.html` and the pictures into a run folder.

    Args:
        out: The run folder.
        record: What `record.json` holds.
        data: The task's pieces.
        results: Of every seed.
    """
    classes = record["task"]["classes"]
    total = np.sum([result.counts["test"].sum(axis=0) for result in results], axis=0)
    items = "notes" if data.task.level == "note" else "pieces"
    pictures = {
        "confusion": (confusion(total, classes, f"test {items}, all seeds"), "Confusion on the test pieces."),
        "curves": (curves(record["seeds"], record["floors"]), "How the run went."),
    }
    if data.task.level == "note":
        pictures["roll"] = _roll(out / record["checkpoint"], data, results[0].counts["test"])

    page = Page(f"{record['task']['title']}: {title_of(record)}")
    corpus, split = record["corpus"], record["split"]
    page.text(
        f"{corpus['title']} ({corpus['licence']}): {split['train']} pieces to train on, {split['valid']} to select "
        f"on, {split['test']} to test on once. Split: {split['source']}."
    )
    page.table(*score_table(record))
    if window_line(record):
        page.text(window_line(record), note=True)
    page.text("Mean ± standard deviation over seeds; interval by bootstrap over song groups.", note=True)
    if record["published"]:
        page.heading("What others report")
        page.table(*published_table(record))
    for name, (figure, caption) in pictures.items():
        figure.savefig(out / f"{name}.png", dpi=110)
        page.heading(name.capitalize())
        page.figure(figure, caption)
    page.heading("How it was made")
    page.code(record["command"])
    page.write(out / "report.html")


def _roll(checkpoint: Path, data: TaskData, counts: Counts) -> tuple[Any, str]:
    """The beginning of the test song of median accuracy."""
    model, tokenizer, _ = load_model(checkpoint)
    pieces = data.splits["test"]
    group = np.argsort(accuracy(counts), kind="stable")[len(counts) // 2]
    piece = pieces[np.searchsorted(np.unique(data.groups[pieces]), data.groups[pieces]) == group][0]
    rows, truth = data.rows(piece), data.truth(piece)
    predicted = model.classes(rows)[:_SHOWN_ROWS]
    key = data.shards.pieces[piece].key
    music = tokenizer.decode(rows[:_SHOWN_ROWS])
    caption = f"The beginning of {key}, the test piece of median accuracy."
    return piano_roll(music, truth[:_SHOWN_ROWS], predicted, data.task.classes, key), caption


def results_page(folder: str | Path) -> str:
    """RESULTS.md: a table for each task and test split, generated from all records below a folder.

    Raises:
        CorpusError: If there are no records.
    """
    runs = [
        record
        for path in sorted(Path(folder).rglob("record.json"))
        if "task" in (record := json.loads(path.read_text(encoding="utf-8"))) and "floors" in record
    ]
    if not runs:
        raise CorpusError(
            f"{folder} holds no record.json of `finetune`. Name the folder that holds its runs."
        )
    tables: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in runs:
        tables[record["task"]["title"], record["corpus"]["shards"]].append(record)
    lines = ["# Results", "", "Generated by `finetune report` from the records of runs; do not edit.", ""]
    for (title, _), group in sorted(tables.items(), key=lambda item: item[0]):
        lines += _section(title, group)
    return "\n".join(lines)


def _section(title: str, runs: list[Record]) -> list[str]:
    """One task on one test split."""
    runs = sorted(runs, key=lambda record: record["test"]["accuracy"]["mean"])
    first = runs[0]
    split = first["split"]
    header, _ = score_table(first)
    lines = [
        f"## {title}",
        "",
        f"{split['train']}/{split['valid']}/{split['test']} pieces. Split: {split['source']}.",
        "",
        *_markdown([*header, "command"]),
    ]
    metrics = first["task"]["metrics"]
    named = first["task"]["name"] in TASKS
    command = f"`finetune floors {first['task']['name']}`" if named else "with each run"
    lines += [_line([*_row(f["title"], f["test"]["scores"], metrics), command]) for f in first["floors"]]
    lines += [_line([*score_table(record)[1][-1], f"`{record['command']}`"]) for record in runs]
    lines += ["", *_differences(runs)]
    if first["published"]:
        heads, rows = published_table(first)
        lines += [*_markdown(heads), *map(_line, rows), ""]
    return lines


def _differences(runs: list[Record]) -> list[str]:
    """Each run against the best from random initialisation: a difference is claimed only where this says so."""
    scratch = [record for record in runs if record["backbone"]["source"] != "checkpoint"]
    others = [record for record in runs if record["backbone"]["source"] == "checkpoint"]
    if not scratch or not others:
        return []
    reference = scratch[-1]
    lines = [f"Accuracy above '{title_of(reference)}', paired bootstrap over song groups:", ""]
    for record in others:
        gap = paired_bootstrap(
            unpack_counts(record["test_counts"]), unpack_counts(reference["test_counts"]), accuracy
        )
        lines.append(
            f"- {title_of(record)}: {100 * gap.mean:+.1f} points, {100 * gap.low:+.1f} to {100 * gap.high:+.1f}, "
            f"p = {gap.p:.2g}"
        )
    return [*lines, ""]


def _markdown(heads: Sequence[str]) -> list[str]:
    return [_line(heads), _line(["---"] * len(heads))]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
