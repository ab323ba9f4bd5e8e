"""The page and the pictures of one run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.toolkit.charts import draw_charts, draw_matrix
from data.toolkit.page import Page
from finetune.report.charts import draw_classes, run_charts
from finetune.report.tables import (
    INTERVALS,
    Record,
    account_table,
    kept_of,
    model_line,
    published_table,
    refitted,
    score_table,
    title_of,
    verdict_line,
    warnings_of,
    window_line,
)
from finetune.settings import FEATURES
from finetune.tasks.data import TaskData
from finetune.tasks.metrics import Counts, accuracy
from finetune.training.predictions import FILE, confidence, mistakes_first
from finetune.training.result import SeedResult
from symbolic.features import feature_names
from symbolic.predict.classifiers.pieces import FeatureClassifier
from symbolic.predict.network import load_model

_SHOWN_NOTES, _SHOWN_PIECES = 220, 100
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
    for warning in warnings_of(record):
        page.missing(warning)
    _scores(page, record)
    _confusion(page, record, np.stack([result.counts["test"] for result in results]), of_notes)
    _pieces(page, record, results)
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


def _scores(page: Page, record: Record) -> None:
    corpus = record["corpus"]
    page.text(
        f"{corpus['title']} ({corpus['licence']}). Split: {record['split']['source']}."
        + (
            " Nothing was selected, so validation pieces were trained on too, once scored."
            if refitted(record)
            else ""
        )
    )
    page.table(*score_table(record))
    if verdict := verdict_line(record):
        page.text(verdict)
    page.text(window_line(record), note=True)
    page.text(model_line(record), note=True)
    page.text(INTERVALS, note=True)
    heads, published = published_table(record)
    if published:
        page.heading("Published scores")
        page.table(heads, published)


def _pieces(page: Page, record: Record, results: Sequence[SeedResult]) -> None:
    """Add what the pieces were used for, and the predictions for test pieces, mistakes first."""
    page.heading("Pieces")
    page.table(*account_table(record["split"]))
    page.text("`pieces.csv` in the folder of this page names each piece and its use.", note=True)
    rows = mistakes_first(results[0].predictions)
    if not rows:
        return
    page.heading("Test pieces, mistakes first")
    of_notes = "notes" in rows[0]
    if not of_notes:
        wrong = sum(row["true"] != row["predicted"] for row in rows)
        page.text(f"{wrong:,} of {len(rows):,} are wrong.")
    columns = ["piece", "notes", "right"] if of_notes else ["piece", "true", "predicted"]
    last = "accuracy, %" if of_notes else "probability, %"
    shown = [
        [*(row[name] for name in columns), f"{100 * confidence(row):.1f}"] for row in rows[:_SHOWN_PIECES]
    ]
    page.table([*columns, last], shown, numbers=of_notes)
    rest = f" {len(rows) - _SHOWN_PIECES:,} more pieces are there." if len(rows) > _SHOWN_PIECES else ""
    seed = f"Seed {results[0].summary['seed']}. " if len(results) > 1 else ""
    page.text(f"{seed}`{FILE}` in the folder of this page has all predictions.{rest}", note=True)


def _confusion(page: Page, record: Record, counts: Counts, of_notes: bool) -> None:
    title = f"test {'notes' if of_notes else 'pieces'}, all seeds"
    page.heading("Confusion")
    caption = "Proportions of each true class and their number. The diagonal holds the recall of each class."
    page.figure("confusion", caption, draw_matrix, record["task"]["classes"], counts.sum(axis=(0, 1)), title)


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
        "the mean over classes. Correlated features share their weight. Trees and pairs are not shown. "
        "docs/features.md defines the features.",
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
