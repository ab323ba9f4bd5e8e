"""The page of a run, with its pictures, and what runs of the same task beside it add."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.toolkit.page import Page
from finetune.report.figures import recalls, run_charts, task_charts
from finetune.report.plots import confusion, curves, drawn, piano_roll, recall
from finetune.report.tables import (
    Record,
    kept_of,
    machine_of,
    published_table,
    score_table,
    title_of,
    window_line,
)
from finetune.settings import FEATURES
from finetune.tasks.data import TaskData
from finetune.tasks.metrics import Counts, accuracy
from finetune.training.outcome import SeedResult
from symbolic.checkpoint.bundled import RECORD
from symbolic.features import feature_names
from symbolic.predict.network import load_model
from symbolic.predict.piece_classifier import FeatureClassifier

_SHOWN_ROWS = 220
_SHOWN_FEATURES = 5


def write_report(out: Path, record: Record, data: TaskData, results: Sequence[SeedResult]) -> None:
    """Write `report.html` and the pictures into a run folder.

    Args:
        out: The run folder.
        record: What `record.json` holds.
        data: The task's pieces.
        results: Of every seed.
    """
    classes = record["task"]["classes"]
    counts = np.stack([result.counts["test"] for result in results])
    total, items = counts.sum(axis=(0, 1)), "notes" if data.task.level == "note" else "pieces"
    estimates, charts = recalls(counts, classes), task_charts(_records_beside(out, record), record)
    at_once, of_notes = record["method"] == FEATURES, data.task.level == "note"
    no_curves = at_once or record["method"] == "probe"
    pictures = {
        "confusion": confusion(total, classes, f"test {items}, all seeds"),
        "recall": recall(estimates, f"recall of test {items}"),
        **({} if no_curves else {"curves": curves(record["seeds"], record["baselines"])}),
        **{chart["title"].lower().replace(" ", "-"): drawn(chart) for chart in charts},
    }

    page = Page(f"{record['task']['title']}: {title_of(record)}")
    corpus, split = record["corpus"], record["split"]
    page.text(
        f"{corpus['title']} ({corpus['licence']}): {split['train']} pieces to train on, {split['valid']} to select "
        f"on, {split['test']} to test on once. Split: {split['source']}."
        + (
            " Nothing was to be selected: once scored, validation pieces were learnt from too."
            if at_once and not of_notes
            else ""
        )
    )
    page.table(*score_table(record))
    if window_line(record):
        page.text(window_line(record), note=True)
    page.text("Mean ± standard deviation over seeds; interval by bootstrap over song groups.", note=True)
    if record["published"]:
        page.heading("What others report")
        page.table(*published_table(record))
    page.heading("Confusion")
    page.matrix(classes, total.tolist())
    page.text(
        f"Shares of each true class among the test {items}, and their number; all seeds together.", note=True
    )
    page.heading("Recall of each class")
    page.estimates(("class", "recall, %", items), estimates)
    page.text(
        "Mean over seeds; 95 % interval by bootstrap over song groups, by Wilson's formula where all resamples agree.",
        note=True,
    )
    if charts:
        page.heading("Beside other runs of this task")
        page.charts(*charts)
        page.text(
            "Runs of this task in the same folder; bars are 95 % intervals by bootstrap over song groups.",
            note=True,
        )
    if at_once and not of_notes:
        page.heading("What speaks for each class, and what against")
        page.table(["class", "for it", "against it"], _weights(out / record["checkpoint"], classes))
        page.text(
            "What one standard deviation of a feature adds to the discriminants' logit of the class in "
            f"{record['checkpoint']}, above the mean over classes; features that go together share their weight, and "
            "the trees give no reasons. docs/features.md says what they are.",
            note=True,
        )
    elif not no_curves:
        page.heading("How the run went")
        page.charts(*run_charts(record))
        if "folds" in record["seeds"][0]:
            page.text(
                "Mean over folds, in a band from the lowest to the highest; a fold that has stopped is in neither.",
                note=True,
            )
    if of_notes:
        pictures["roll"], caption = _roll(out / record["checkpoint"], data, results[0].counts["test"])
        page.heading("A test piece")
        page.figure(pictures["roll"], caption)
    page.heading("How it was made")
    page.code(record["command"])
    cost = record["seeds"][0]["cost"]
    page.facts(
        {
            **({"classifier of each probe": ", ".join(probes)} if (probes := _probes(record)) else {}),
            "machine": machine_of(record),
            "trained parameters": f"{cost['trained_parameters']:,} of {cost['parameters']:,}{kept_of(cost)}",
            "time": f"{cost['seconds']:,.0f} s a seed",
            "versions": ", ".join(f"{package} {version}" for package, version in record["versions"].items()),
        }
    )
    for name, figure in pictures.items():
        figure.savefig(out / f"{name}.png", dpi=110, bbox_inches="tight")
    page.write(out / "report.html")


def _weights(checkpoint: Path, classes: Sequence[str]) -> list[list[str]]:
    """Of hand-made features, a row a class: its name, the strongest features for it, and those against it."""
    model, _, _ = load_model(checkpoint)
    assert isinstance(model, FeatureClassifier)
    names = feature_names()

    def said(weights: NDArray[np.float64]) -> str:
        """The largest that are above 0."""
        order = [i for i in np.argsort(-weights, kind="stable")[:_SHOWN_FEATURES] if weights[i] > 0]
        return ", ".join(f"{names[i]} {weights[i]:.1f}" for i in order)

    voice = model.discriminants
    found = zip(classes, voice.known, voice.weights(), strict=True)
    return [
        [name, said(w), said(-w)] if known else [name, "no training piece", ""] for name, known, w in found
    ]


def _probes(record: Record) -> list[str]:
    """Return the classifier that validation chose for each probe, seed by seed and fold by fold."""
    runs = [run for seed in record["seeds"] for run in seed.get("folds", [seed])]
    return [str(run["probe"]["classifier"]) for run in runs if "probe" in run]


def _records_beside(out: Path, record: Record) -> list[Record]:
    """This run's record, and those of the finished runs in the same folder."""
    others = [path for path in sorted(out.parent.glob(f"*/{RECORD}")) if path.parent != out]
    read = [json.loads(path.read_text(encoding="utf-8")) for path in others]
    return [record, *(one for one in read if "task" in one and "baselines" in one)]


def _roll(checkpoint: Path, data: TaskData, counts: Counts) -> tuple[Any, str]:
    """The beginning of the test song of median accuracy."""
    model, tokenizer, _ = load_model(checkpoint)
    pieces = data.splits["test"]
    group = np.argsort(accuracy(counts), kind="stable")[len(counts) // 2]
    piece = pieces[np.searchsorted(np.unique(data.groups[pieces]), data.groups[pieces]) == group][0]
    rows, truth = data.tokens(piece), data.truth(piece)
    predicted = model.classes(rows)[:_SHOWN_ROWS]
    key = data.shards.pieces[piece].key
    music = tokenizer.decode(rows[:_SHOWN_ROWS])
    caption = f"The beginning of {key}, the test piece of median accuracy."
    return piano_roll(music, truth[:_SHOWN_ROWS], predicted, data.task.classes, key), caption
