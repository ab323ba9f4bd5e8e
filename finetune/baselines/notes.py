"""Fit a classifier of notes to hand-made features: boosted trees and others that read their predictions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from finetune.baselines.boosting import fit_boosting
from finetune.baselines.memory import remembered_notes
from finetune.tasks.data import TaskData
from symbolic.features.notes import note_matrix
from symbolic.features.stats import Floats, softmax
from symbolic.predict.classifiers.boosting import BoostedTrees
from symbolic.predict.classifiers.notes import NoteClassifier

Rows = NDArray[np.integer]
Labels = NDArray[np.integer]
_T = TypeVar("_T")
MOST = 240_000
"""Most notes that trees are fitted to; a random subset of more. Neighbours are alike."""
PARTS = 2
"""Parts of the training songs. The second trees learn from predictions of trees fitted to the other parts."""


def fit_note_classifier(
    pieces: Sequence[tuple[Rows, Labels]],
    classes: int,
    groups: NDArray[np.integer] | None = None,
    label: str = "notes",
) -> NoteClassifier:
    """Fit a classifier of the notes of these pieces.

    Args:
        pieces: (N, 8) ids of each, and (N,) class of its notes, -1 where there is none.
        classes: How many there are. Those without a note are never predicted.
        groups: (P,) song of each piece. By default each is of its own.
        label: What the progress bars say.
    """

    def shown(these: Iterable[_T], doing: str) -> tqdm[_T]:
        return tqdm(these, f"{label}, {doing}", len(pieces), leave=False, disable=None, unit=" pieces")

    for tokens, _ in shown(pieces, "features"):
        remembered_notes(tokens)
    _, song = np.unique(np.arange(len(pieces)) if groups is None else groups, return_inverse=True)
    parts = (np.random.default_rng(0).permutation(song.max() + 1) % PARTS)[song]
    labels, model, predicted = [truth for _, truth in pieces], NoteClassifier(classes), dict[int, Floats]()
    with tqdm(total=PARTS + 2, desc=f"{label}, trees", leave=False, disable=None) as bar:
        model.first = grown((remembered_notes(tokens) for tokens, _ in pieces), labels, classes)
        bar.update()
        for part in range(PARTS):
            # A single song has no others: its predictions come from trees that were fitted to it.
            others = np.flatnonzero((parts != part) | (song.max() == 0)).tolist()
            known = (remembered_notes(pieces[i][0]) for i in others)
            other_trees = grown(known, [labels[i] for i in others], classes)
            predicted |= {
                i: softmax(other_trees.logits(remembered_notes(pieces[i][0])))
                for i in np.flatnonzero(parts == part).tolist()
            }
            bar.update()
        both = (
            note_matrix(tokens, predicted[i], remembered_notes(tokens))
            for i, (tokens, _) in enumerate(shown(pieces, "first predictions"))
        )
        model.second = grown(both, labels, classes)
        bar.update()
    return model


def grown(pieces: Iterable[NDArray[np.float32]], labels: Sequence[Labels], classes: int) -> BoostedTrees:
    """Fit trees to the labelled notes of pieces or to a random subset of about `MOST`.

    Args:
        pieces: (N, F) features of each.
        labels: (N,) class of its notes, -1 where there is none.
        classes: How many there are.
    """
    total = sum(int((truth >= 0).sum()) for truth in labels)
    draw = np.random.default_rng(0)
    kept, names = [], []
    for features, truth in zip(pieces, labels, strict=True):
        chosen = np.flatnonzero((truth >= 0) & (draw.random(len(truth)) * total < MOST))
        kept.append(features[chosen])
        names.append(truth[chosen])
    return fit_boosting(np.concatenate(kept), np.concatenate(names).astype(np.int64), classes)


@lru_cache(maxsize=1)
def fitted_trees(data: TaskData) -> NoteClassifier:
    """Fit the trees of a task to its training notes. The last are remembered because every seed has the same."""
    songs = data.groups[data.splits["train"]]
    return fit_note_classifier(list(data.pieces("train")), len(data.task.classes), songs, data.name)
