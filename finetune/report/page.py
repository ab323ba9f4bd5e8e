"""The page and the pictures of one run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.toolkit.charts import Notes, Roll
from data.toolkit.page import Page, slug
from finetune.report.charts import recalls, run_charts, task_charts
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
from finetune.training.result import SeedResult
from symbolic.checkpoint.bundled import RECORD
from symbolic.features import feature_names
from symbolic.music.notes import Music
from symbolic.predict.classifiers.pieces import FeatureClassifier
from symbolic.predict.network import load_model

COLOURS = ("#d95f02", "#1b9e77", "#a6a6a6", "#7570b3", "#e7298a", "#66a61e", "#e6ab02", "#a6761d")
_UNLABELLED = "#e6e6e6"
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
        page.charts(*charts, picture=[slug(chart["title"]) for chart in charts])
        page.text(
            "Runs in the same folder. Bars are 95 % intervals by bootstrap over song groups.", note=True
        )
    if at_once and not of_notes:
        _features(page, out / record["checkpoint"], record)
    elif not at_once and record["method"] != "probe":
        page.heading("Training")
        page.charts(*run_charts(record), picture="curves")
        if "folds" in record["seeds"][0]:
            page.text(
                "Mean over folds that have not stopped, in a band from the lowest to the highest.", note=True
            )
    if of_notes:
        _piano_roll(page, out / record["checkpoint"], data, results[0].counts["test"])
    _origin(page, record)
    page.write(out / "report.html")
    page.save_pictures(out)


def _scores(page: Page, record: Record, refitted: bool) -> None:
    corpus, split = record["corpus"], record["split"]
    page.text(
        f"{corpus['title']} ({corpus['licence']}): {split['train']} pieces to train on, {split['valid']} to select "
        f"on, {split['test']} to test on once. Split: {split['source']}."
        + (
            " Nothing was selected, so validation pieces were trained on too, once scored."
            if refitted
            else ""
        )
    )
    page.table(*score_table(record))
    if window_line(record):
        page.text(window_line(record), note=True)
    page.text("Mean ± standard deviation over seeds; interval by bootstrap over song groups.", note=True)
    if record["published"]:
        page.heading("Published scores")
        page.table(*published_table(record))


def _classes(page: Page, record: Record, counts: Counts, of_notes: bool) -> None:
    classes, items = record["task"]["classes"], "notes" if of_notes else "pieces"
    page.heading("Confusion")
    total = counts.sum(axis=(0, 1)).tolist()
    page.matrix(classes, total, f"test {items}, all seeds", picture="confusion")
    page.text(
        f"Proportions of each true class among the test {items}, and their number; all seeds together.",
        note=True,
    )
    page.heading("Recall of each class")
    heads = ("class", "recall, %", items)
    page.estimates(heads, recalls(counts, classes), f"recall of test {items}", picture="recall")
    page.text(
        "Mean over seeds; 95 % interval by bootstrap over song groups, or by Wilson's formula if all resamples agree.",
        note=True,
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
    from data.toolkit.pictures import draw_rolls

    model, tokenizer, _ = load_model(checkpoint)
    pieces = data.splits["test"]
    group = np.argsort(accuracy(counts), kind="stable")[len(counts) // 2]
    piece = pieces[np.searchsorted(np.unique(data.groups[pieces]), data.groups[pieces]) == group][0]
    tokens, truth = data.tokens(piece), data.truth(piece)[:_SHOWN_NOTES]
    predicted = model.classes(tokens)[:_SHOWN_NOTES]
    music = tokenizer.decode(tokens[:_SHOWN_NOTES])
    key = data.shards.pieces[piece].key
    rolls = class_rolls(music, truth, predicted, data.task.classes, key)
    page.heading("A test piece")
    page.figure(
        draw_rolls(*rolls), f"The first notes of {key}, the test piece of median accuracy.", picture="roll"
    )


def class_rolls(
    music: Music,
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    classes: Sequence[str],
    title: str,
) -> tuple[Roll, Roll]:
    """Return two piano rolls of the same notes, coloured by true and by predicted class.

    Args:
        music: N notes.
        truth: (N,) classes; -1 is unlabelled.
        predicted: (N,) classes.
        classes: Names.
        title: Name of the music.
    """
    wrong = (truth >= 0) & (truth != predicted)
    outlined = {**_notes(music, wrong), "edge": "black"}
    return (
        {"title": f"{title}: truth", "layers": _layers(music, truth, classes)},
        {
            "title": "prediction (wrong notes outlined)",
            "layers": [*_layers(music, predicted, classes), outlined],  # type: ignore[list-item]
        },
    )


def _layers(music: Music, classes: NDArray[np.integer], names: Sequence[str]) -> list[Notes]:
    layers: list[Notes] = [{**_notes(music, classes < 0), "fill": _UNLABELLED}]
    for number, name in enumerate(names):
        colour = COLOURS[number % len(COLOURS)]
        layers.append({**_notes(music, classes == number), "fill": colour, "name": name})
    return layers


def _notes(music: Music, chosen: NDArray[np.bool_]) -> Notes:
    notes = music.notes[chosen]
    quarter = music.resolution
    return {"onset": notes["onset"] / quarter, "length": notes["duration"] / quarter, "pitch": notes["pitch"]}


def _origin(page: Page, record: Record) -> None:
    cost = record["seeds"][0]["cost"]
    runs = [run for seed in record["seeds"] for run in seed.get("folds", [seed])]
    probes = ", ".join(str(run["probe"]["classifier"]) for run in runs if "probe" in run)
    page.heading("How it was made")
    page.code(record["command"])
    page.facts(
        {
            **({"classifier of each probe": probes} if probes else {}),
            "machine": machine_of(record),
            "trained parameters": f"{cost['trained_parameters']:,} of {cost['parameters']:,}{kept_of(cost)}",
            "time": f"{cost['seconds']:,.0f} s a seed",
            "versions": ", ".join(f"{package} {version}" for package, version in record["versions"].items()),
        }
    )


def _records_beside(out: Path, record: Record) -> list[Record]:
    """Return this run's record, and those of the finished runs in the same folder."""
    others = [path for path in sorted(out.parent.glob(f"*/{RECORD}")) if path.parent != out]
    read = [json.loads(path.read_text(encoding="utf-8")) for path in others]
    return [record, *(one for one in read if "task" in one and "baselines" in one)]
