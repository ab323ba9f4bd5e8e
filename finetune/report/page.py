"""The page and the pictures of one run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.toolkit.charts import draw_charts, draw_estimates, draw_matrix
from data.toolkit.page import Page, slug
from finetune.report.charts import draw_classes, recalls, run_charts, task_charts
from finetune.report.tables import Record, kept_of, published_table, score_table, title_of, window_line
from finetune.settings import FEATURES
from finetune.tasks.data import TaskData
from finetune.tasks.metrics import Counts, accuracy
from finetune.training.result import SeedResult
from symbolic.checkpoint.bundled import RECORD
from symbolic.features import feature_names
from symbolic.predict.classifiers.pieces import FeatureClassifier
from symbolic.predict.network import load_model

_SHOWN_NOTES = 220
_SHOWN_FEATURES = 5


def write_report(out: Path, record: Record, data: TaskData, results: Sequence[SeedResult]) -> None:
    """Write `report.html` and the pictures into a run folder.

    Args:
        out: The run folder.
        record: Content of `record.json`.
        data: The task's pieces.
        results: Result of every seed.
    """
    page = Page(f"{record['task']['title']}: {title_of(record)}")
    of_notes, at_once = data.task.level == "note", record["method"] == FEATURES
    _scores(page, record, at_once and not of_notes)
    _classes(page, record, np.stack([result.counts["test"] for result in results]), of_notes)
    if charts := task_charts(_records_beside(out, record), record):
        page.heading("Other runs of this task")
        for chart in charts:
            caption = "Runs in the same folder. Bars are 95 % intervals by bootstrap over song groups."
            page.figure(slug(chart["title"]), caption, draw_charts, chart)
    if at_once and not of_notes:
        _features(page, out / record["checkpoint"], record)
    elif not at_once and record["method"] != "probe":
        page.heading("Training")
        folded = "folds" in record["seeds"][0]
        band = (
            " Mean over folds that have not stopped, in a band from the lowest to the highest."
            if folded
            else ""
        )
        page.figure("curves", f"Every seed beside the best baseline.{band}", draw_charts, *run_charts(record))
    if of_notes:
        _piano_roll(page, out / record["checkpoint"], data, results[0].counts["test"])
    cost, runs = (
        record["seeds"][0]["cost"],
        [one for seed in record["seeds"] for one in seed.get("folds", [seed])],
    )
    probes = ", ".join(str(one["probe"]["classifier"]) for one in runs if "probe" in one)
    trained = f"{cost['trained_parameters']:,} of {cost['parameters']:,}{kept_of(cost)}"
    facts = {"trained parameters": trained, "time": f"{cost['seconds']:,.0f} s a seed"}
    page.origin(record, {**({"classifier of each probe": probes} if probes else {}), **facts})
    page.write(out / "report.html")
    page.save_pictures(out)


def _scores(page: Page, record: Record, refitted: bool) -> None:
    corpus, split = record["corpus"], record["split"]
    page.text(
        f"{corpus['title']} ({corpus['licence']}): {split['train']} pieces to train on, {split['valid']} to select "
        f"on, {split['test']} to test on once. Split: {split['source']}."
        + (" Nothing was selected. Validation pieces were trained on too, once scored." if refitted else "")
    )
    page.table(*score_table(record))
    page.text(window_line(record), note=True)
    page.text("Mean ± standard deviation over seeds; interval by bootstrap over song groups.", note=True)
    if record["published"]:
        page.heading("Published scores")
        page.table(*published_table(record))


def _classes(page: Page, record: Record, counts: Counts, of_notes: bool) -> None:
    classes, items = record["task"]["classes"], "notes" if of_notes else "pieces"
    page.heading("Each class")
    caption = f"Proportions of each true class among the test {items} and their number, all seeds together."
    page.figure(
        "confusion", caption, draw_matrix, classes, counts.sum(axis=(0, 1)), f"test {items}, all seeds"
    )
    caption = (
        "Mean over seeds with the 95 % interval by bootstrap, or by Wilson's formula if all resamples agree."
    )
    page.figure(
        "recall", caption, draw_estimates, recalls(counts, classes), f"recall of test {items}", "recall, %"
    )


def _features(page: Page, checkpoint: Path, record: Record) -> None:
    """Show which hand-made features the discriminants use for and against each class."""
    model, _, _ = load_model(checkpoint)
    assert isinstance(model, FeatureClassifier)
    names, discriminants = feature_names(), model.discriminants

    def strongest(weights: NDArray[np.float64]) -> str:
        order = [i for i in np.argsort(-weights, kind="stable")[:_SHOWN_FEATURES] if weights[i] > 0]
        return ", ".join(f"{names[i]} {weights[i]:.1f}" for i in order)

    found = zip(record["task"]["classes"], discriminants.known, discriminants.weights(), strict=True)
    page.heading("Features for and against each class")
    page.table(
        ["class", "for it", "against it"],
        [
            [name, strongest(w), strongest(-w)] if known else [name, "no training piece", ""]
            for name, known, w in found
        ],
    )
    page.text(
        f"How much one standard deviation of a feature adds to the logit of the class in {record['checkpoint']}, above "
        "the mean over classes. Correlated features share their weight. Trees are not shown. docs/features.md defines "
        "the features.",
        note=True,
    )


def _piano_roll(page: Page, checkpoint: Path, data: TaskData, counts: Counts) -> None:
    """Show the first notes of the test song of median accuracy."""
    model, tokenizer, _ = load_model(checkpoint)
    pieces = data.splits["test"]
    group = np.argsort(accuracy(counts), kind="stable")[len(counts) // 2]
    piece = pieces[np.searchsorted(np.unique(data.groups[pieces]), data.groups[pieces]) == group][0]
    tokens, truth = data.tokens(piece), data.truth(piece)[:_SHOWN_NOTES]
    predicted = model.classes(tokens)[:_SHOWN_NOTES]
    music = tokenizer.decode(tokens[:_SHOWN_NOTES])
    page.heading("A test piece")
    caption = f"The first notes of {data.shards.pieces[piece].key}, the test piece of median accuracy."
    page.figure("roll", caption, draw_classes, music, truth, predicted, data.task.classes)


def _records_beside(out: Path, record: Record) -> list[Record]:
    """Return this run's record, and those of the finished runs in the same folder."""
    others = [path for path in sorted(out.parent.glob(f"*/{RECORD}")) if path.parent != out]
    read = [json.loads(path.read_text(encoding="utf-8")) for path in others]
    return [record, *(one for one in read if "task" in one and "baselines" in one)]
