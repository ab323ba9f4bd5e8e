"""Floors: what a model must clear to have earned its name (EVALUATION.md, rule 8).

A floor is fitted on the training pieces alone and then predicts like any model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.features import chords, feature_matrix, under_another
from finetune.metrics import Counts
from finetune.taskdata import Predictor, Rows, TaskData, summarise
from symbolic.errors import ConfigError
from symbolic.vocabulary import PITCH

VERSION = 1
"""Raised whenever a floor would give other numbers, so that kept records are not used again."""

LARGEST_CHORD = 8
"""Chord sizes and ranks of the note table stop here; larger ones are rare and counted together."""


@dataclass(frozen=True)
class Floor:
    """A named way to predict without a neural network.

    Attributes:
        name: In records.
        title: For people.
        fit: From a task's data, of which only the training pieces may be used, to a predictor.
    """

    name: str
    title: str
    fit: Callable[[TaskData], Predictor]


def majority(data: TaskData) -> Predictor:
    """Always the commonest class of the training notes, or pieces."""
    commonest = _commonest(data)
    if data.task.level == "sequence":
        return lambda rows: np.asarray(commonest)
    return lambda rows: np.full(len(rows), commonest)


def skyline(data: TaskData) -> Predictor:
    """A note is melody (the first class) if none higher sounds when it begins, else of the last class.

    Uitdenbogerd & Zobel (1998), "Manipulation of music for melody matching". Nothing is fitted.
    """
    other = len(data.task.classes) - 1
    return lambda rows: np.where(under_another(rows), other, 0)


def note_table(data: TaskData) -> Predictor:
    """The commonest class of training notes with the same pitch, chord size, and rank in the chord.

    Combinations that training never shows get the commonest class of their rank in a chord of that size.
    """
    classes = len(data.task.classes)
    counts = np.zeros((256, LARGEST_CHORD + 1, LARGEST_CHORD + 1, classes), dtype=np.int64)
    for rows, truth in data.pieces("train"):
        scored = truth >= 0
        pitch, size, rank = _note_context(rows)
        np.add.at(counts, (pitch[scored], size[scored], rank[scored], truth[scored]), 1)
    # A fraction of the pitch-blind counts decides only where a pitch was never seen.
    without_pitch = counts.sum(axis=0) / (counts.sum() + 1)
    table = (counts + 0.5 * without_pitch).argmax(axis=-1)
    return lambda rows: np.asarray(table[_note_context(rows)])


def features_logistic(data: TaskData) -> Predictor:
    """Hand-made features, standardised, and logistic regression."""
    from sklearn.linear_model import LogisticRegression

    return _classifier(data, LogisticRegression(max_iter=2000))


def features_trees(data: TaskData) -> Predictor:
    """Hand-made features and extremely randomised trees."""
    from sklearn.ensemble import ExtraTreesClassifier

    return _classifier(data, ExtraTreesClassifier(500, random_state=0))


FLOORS: Mapping[str, Floor] = {
    floor.name: floor
    for floor in (
        Floor("majority", "majority class", majority),
        Floor("skyline", "skyline", skyline),
        Floor("note_table", "context-free note table", note_table),
        Floor("features_logistic", "hand-made features + logistic regression", features_logistic),
        Floor("features_trees", "hand-made features + extra trees", features_trees),
    )
}


def measure_floors(data: TaskData) -> list[dict[str, Any]]:
    """Records of all floors of a task on its valid and test pieces, as JSON values.

    Raises:
        ConfigError: If the task names a floor that does not exist.
    """
    if unknown := sorted(set(data.task.floors) - set(FLOORS)):
        raise ConfigError(f"No floor is called {', '.join(unknown)}; there are {', '.join(FLOORS)}.")
    records = []
    for floor in (FLOORS[name] for name in data.task.floors):
        predictor = floor.fit(data)
        scores = {split: _scores(data, data.evaluate(predictor, split)) for split in ("valid", "test")}
        records.append({"name": floor.name, "title": floor.title, **scores})
    return records


def _scores(data: TaskData, counts: Counts) -> dict[str, Any]:
    return {"scores": summarise(data.task, counts), "confusion": counts.sum(axis=0).tolist()}


def _commonest(data: TaskData) -> int:
    truth = np.concatenate([np.atleast_1d(truth) for _, truth in data.pieces("train")])
    return int(np.bincount(truth[truth >= 0]).argmax())


def _note_context(rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Pitch id, chord size and rank of each note."""
    chord = chords(rows)
    return (
        np.minimum(rows[:, PITCH].astype(np.int64), 255),
        np.minimum(chord.size, LARGEST_CHORD),
        np.minimum(chord.rank, LARGEST_CHORD),
    )


def _classifier(data: TaskData, estimator: Any) -> Predictor:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, truth = zip(*data.pieces("train"), strict=True)
    fitted = make_pipeline(StandardScaler(), estimator).fit(feature_matrix(list(rows)), np.array(truth))
    return lambda piece: np.asarray(fitted.predict(feature_matrix([piece]))[0], dtype=np.int64)
