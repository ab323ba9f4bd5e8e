"""Fit the boosted trees of a task that are averaged with a network."""

from __future__ import annotations

from functools import lru_cache

from finetune.baselines.notes import fit_note_classifier
from finetune.tasks.data import TaskData
from symbolic.predict.note_classifier import NoteClassifier


@lru_cache(maxsize=1)
def grown_trees(data: TaskData) -> NoteClassifier:
    """Trees of a task's training notes; the last are remembered, for they are the same for every seed."""
    songs = data.groups[data.splits["train"]]
    return fit_note_classifier(list(data.pieces("train")), len(data.task.classes), songs, data.name)
