"""Pieces, labels and splits of a task and the scoring of any predictor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.shards import Shards
from data.splits import SPLITS
from data.splits.folds import dealt_sides, sides_of
from finetune.tasks.base import MergedClasses, Protocol, Task
from finetune.tasks.metrics import (
    Counts,
    Metric,
    accuracy,
    bootstrap_interval,
    class_f1,
    grouped_confusions,
    macro_f1,
    merge_classes,
)
from symbolic.errors import CorpusError, LabelError

Rows = NDArray[np.integer]
Labels = NDArray[np.integer]
Predictor = Callable[[Rows], NDArray[np.integer]]
"""From (N, 8) ids of a piece to (N,) classes of its notes, or to the () class of the piece."""


@dataclass(frozen=True, eq=False)
class TaskData:
    """Data of a task for fitting and scoring.

    Attributes:
        task: The question.
        shards: The tokens of all pieces.
        labels: Classes of all tokens, (R,) int8, at note level, or of all pieces, (P,) int16. -1 is unlabelled.
        groups: (P,) int64 song group of each piece.
        splits: (S,) indices of the labelled pieces on each side.
        protocol: How they were divided.
        fold: Which fold is tested on, where the protocol has several.
        thin: Whether a part of the training pieces was left out, by a budget of labels.
    """

    task: Task
    shards: Shards
    labels: Labels
    groups: NDArray[np.int64]
    splits: Mapping[str, NDArray[np.int64]]
    protocol: Protocol
    fold: int = 0
    thin: bool = False

    @property
    def name(self) -> str:
        """Task and fold for progress bars."""
        folds = self.protocol.folds
        return self.task.name + (f", fold {self.fold + 1} of {folds}" if folds > 1 else "")

    def thinned(self, budget: float, seed: int) -> TaskData:
        """Return the data with fewer labels: a share of the training groups of each class and at least one.

        A smaller budget of the same seed takes a part of what a larger one takes.

        Args:
            budget: The share, above 0 and up to 1. Above 1 a number of pieces, which is met within rounding.
            seed: Of the choice.
        """
        train = self.splits["train"]
        share = budget if budget <= 1 else budget / len(train)
        if share >= 1:
            return self
        _, first, group = np.unique(self.groups[train], return_index=True, return_inverse=True)
        by_class = self.labels[train][first] if self.task.level == "sequence" else np.zeros(len(first))
        order = np.random.default_rng([seed, len(first)]).permutation(len(first))
        kept: list[NDArray[np.int64]] = []
        for one in np.unique(by_class):
            members = order[by_class[order] == one]
            kept.append(members[: max(1, round(share * len(members)))])
        chosen = np.isin(group, np.concatenate(kept))
        return replace(self, splits={**self.splits, "train": train[chosen]}, thin=True)

    def tokens(self, piece: int) -> Rows:
        """Return (N, 8) ids of a piece."""
        start, stop = self._extent(piece)
        return self.shards.tokens(start, stop)

    def truth(self, piece: int) -> Labels:
        """Return (N,) classes of a piece's notes or its () class."""
        if self.task.level == "sequence":
            return np.asarray(self.labels[piece])
        start, stop = self._extent(piece)
        return np.asarray(self.labels[start:stop])

    def pieces(self, split: str) -> Iterator[tuple[Rows, Labels]]:
        """Yield tokens and classes of every piece on a side."""
        for piece in self.splits[split]:
            yield self.tokens(piece), self.truth(piece)

    def counts(self, split: str, predictions: Sequence[NDArray[np.integer]]) -> Counts:
        """Count confusion matrices by song group.

        Args:
            split: The side.
            predictions: For each of its pieces, (N,) classes of notes or a () class.

        Returns:
            (G, C, C) counts over labelled notes or over pieces.
        """
        pieces = self.splits[split]
        truths = [np.atleast_1d(self.truth(piece)) for piece in pieces]
        groups = np.repeat(self.groups[pieces], [len(truth) for truth in truths])
        truth = np.concatenate(truths)
        predicted = np.concatenate([np.atleast_1d(p) for p in predictions])
        scored = truth >= 0
        return grouped_confusions(
            truth[scored].astype(np.int64), predicted[scored], groups[scored], len(self.task.classes)
        )

    def evaluate(self, predictor: Predictor, split: str) -> Counts:
        """Return (G, C, C) confusion matrices of a predictor on all pieces of a side."""
        return self.counts(split, [predictor(tokens) for tokens, _ in self.pieces(split)])

    def described(self, pieces: NDArray[np.int64]) -> dict[str, Any]:
        """Return the task as a checkpoint holds it; for labels of pieces with the share of each class among pieces.

        Args:
            pieces: Indices of those that the model is trained on.
        """
        about = self.task.describe()
        if self.task.level == "sequence":
            shares = np.bincount(self.labels[pieces], minlength=len(self.task.classes)) / len(pieces)
            about["shares"] = dict(zip(self.task.classes, shares.tolist(), strict=True))
        return about

    def _extent(self, piece: int) -> tuple[int, int]:
        return int(self.shards.offsets[piece]), int(self.shards.offsets[piece + 1])


def task_data(task: Task, shards: Shards, protocol: Protocol | None = None, fold: int = 0) -> TaskData:
    """Align shards with a task.

    Args:
        task: The question.
        shards: Its corpus, prepared with the sides of the protocol and fold.
        protocol: How it was divided. By default the task's first.
        fold: Which fold is tested on.

    Raises:
        LabelError: If a piece has a label that is none of the classes.
        CorpusError: If a side of the split has no labelled piece.
        LeakError: If a table of folds was made for other pieces.
    """
    labels = _note_labels(task, shards) if task.level == "note" else _piece_labels(task, shards)
    labelled = _labelled_pieces(task, shards, labels)
    if task.level == "note" and task.corpus == "folder":
        found = np.bincount(labels[labels >= 0], minlength=len(task.classes))
        if absent := [name for name, count in zip(task.classes, found, strict=True) if count == 0]:
            raise LabelError(
                f"No file has a track called {' or '.join(absent)} with notes to learn from. Correct --tracks: "
                "`symbolic.read_music(FILE).tracks` lists those of a file."
            )
    protocol = protocol or task.protocol()
    _, groups = np.unique([record.group or record.key for record in shards.pieces], return_inverse=True)
    if protocol.table:
        names = sides_of(shards.pieces, protocol.table, fold)
    elif protocol.dealt:
        names = dealt_sides(shards.pieces, task.label, task.classes, fold)
    else:
        names = np.array([record.split for record in shards.pieces])
    splits = {split: np.flatnonzero(labelled & (names == split)) for split in SPLITS}
    if empty := [split for split, pieces in splits.items() if len(pieces) == 0]:
        sizes = ", ".join(f"{len(pieces)} {split}" for split, pieces in splits.items())
        raise CorpusError(
            f"Task '{task.name}' has no labelled piece to {' or '.join(_USES[s] for s in empty)} ({sizes}). "
            "Add files, or say in column 'split' of the labels table which files are train, valid and test."
        )
    return TaskData(task, shards, labels, groups.astype(np.int64), splits, protocol, fold)


_USES = {"train": "train on", "valid": "select on", "test": "test on"}


def _note_labels(task: Task, shards: Shards) -> NDArray[np.int8]:
    return np.asarray(shards.note_labels(task.label), dtype=np.int8)


def _piece_labels(task: Task, shards: Shards) -> NDArray[np.int16]:
    given = [record.labels.get(task.label) for record in shards.pieces]
    strange = sorted({label for label in given if label is not None} - set(task.classes))
    if strange and not task.others:
        raise LabelError(
            f"Label '{task.label}' of corpus '{task.corpus}' has values that task '{task.name}' does not know: "
            f"{', '.join(strange[:5])}. Prepare the corpus again, or correct its labels."
        )
    place = {label: index for index, label in enumerate(task.classes)}
    return np.array([-1 if label is None else place.get(label, -1) for label in given], dtype=np.int16)


def _labelled_pieces(task: Task, shards: Shards, labels: Labels) -> NDArray[np.bool_]:
    """Return (P,) whether a piece has labels."""
    if task.level == "sequence":
        return np.asarray(labels >= 0) & (np.diff(shards.offsets) > 0)
    counted = np.concatenate([[0], np.cumsum(labels >= 0)])
    return np.asarray(np.diff(counted[np.asarray(shards.offsets)]) > 0)


def summarise(
    task: Task, counts: Counts, parts: Sequence[Counts] = ()
) -> dict[str, dict[str, float | list[float]]]:
    """Compute each metric with its bootstrap interval over song groups as JSON values.

    Args:
        task: Says which metrics.
        counts: (G, C, C), or (S, G, C, C) of several seeds, whose scores are averaged.
        parts: (C, C) of every fold and seed, where there are folds: the deviation of their scores, which papers
            quote, is told as "fold_sd".
    """
    seeds = counts if counts.ndim == 4 else counts[None]
    totals = seeds.sum(axis=1)
    summary: dict[str, dict[str, float | list[float]]] = {}
    for name, metric in task_metrics(task).items():
        scores = metric(totals)
        summary[name] = {
            "mean": float(scores.mean()),
            "sd": float(scores.std(ddof=1)) if len(scores) > 1 else 0.0,
            "interval": list(bootstrap_interval(seeds, metric)),
        }
        if len(parts) > 1:
            summary[name]["fold_sd"] = float(metric(np.stack(parts)).std(ddof=1))
    return summary


def task_metrics(task: Task) -> dict[str, Metric]:
    """Return all scores of a task by name. The first selects on validation."""
    metrics: dict[str, Metric] = {"accuracy": accuracy, "macro_f1": macro_f1}
    for view in task.views:
        metrics[f"{view.name}_accuracy"] = partial(_merged_accuracy, view)
        metrics[f"{view.name}_f1"] = partial(_merged_f1, view)
    return metrics


def _merged_accuracy(view: MergedClasses, confusions: Counts) -> NDArray[np.float64]:
    return accuracy(merge_classes(confusions, view.merge))


def _merged_f1(view: MergedClasses, confusions: Counts) -> NDArray[np.float64]:
    merged = merge_classes(confusions, view.merge)
    return macro_f1(merged) if view.positive is None else np.asarray(class_f1(merged)[..., view.positive])
