"""Make tasks from a user's folder: labels of pieces from a table, labels of notes from track names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from data.corpora import open_corpus
from data.splits import FOLDS
from data.splits.small import SMALL
from finetune.tasks.base import SEQUENCE_BASELINES, Protocol, Task
from finetune.tasks.checks import class_warnings
from symbolic.errors import LabelError

_SPLIT = Protocol(
    "split",
    "column 'split' of the labels table; without one, 80/10/10 of each class, "
    f"by hash in classes of {SMALL} pieces or more",
)

_FOLDS = Protocol("folds", f"{FOLDS} folds of groups, as much of each class in each", FOLDS, dealt=True)


def sequence_task(folder: str | Path, labels: str | Path | None = None) -> Task:
    """Make a task with one label for each piece of a folder.

    Below 500 pieces without given sides, its first protocol tests each piece in one of five folds.

    Args:
        folder: Music files.
        labels: CSV with columns file, label and optionally split and group. By default labels.csv there. Without it
            its subfolders are classes.

    Raises:
        CorpusError: If there is no such folder, or no music in it.
        LabelError: If labels and files do not fit together, or there are fewer than two labels.
    """
    options = {"labels": str(labels) if labels else None, "require_labels": True}
    pieces = open_corpus("folder", folder, **options).pieces()
    labelled = [piece for piece in pieces if piece.labels]
    counts = Counter(sorted(piece.labels["label"] for piece in labelled))
    if len(counts) < 2:
        raise LabelError(
            f"All {counts.total()} labelled files in {folder} are '{''.join(counts)}'. Give at least two labels "
            "to tell apart."
        )
    few = 2 * FOLDS <= len(labelled) < SMALL and not any(piece.split for piece in labelled)
    return Task(
        name="sequence",
        title=f"Labels of {Path(folder).resolve().name}",
        about="your own labels of pieces",
        level="sequence",
        corpus="folder",
        options=options,
        label="label",
        classes=tuple(counts),
        protocols=(_FOLDS, _SPLIT) if few else (_SPLIT, _FOLDS),
        warnings=tuple(class_warnings(counts)),
        baselines=SEQUENCE_BASELINES,
        epochs=30,
    )


def note_task(folder: str | Path, tracks: Sequence[str]) -> Task:
    """Make a task with one label for each note of a folder: the name of its track.

    Args:
        folder: Music files. All pitched tracks are read as one piano, so that nothing but music tells the label.
        tracks: Track names, regardless of case. Notes of other tracks are read but not scored.

    Raises:
        ConfigError: If fewer than two names are given, or one twice.
    """
    return Task(
        name="note",
        title=f"Tracks of {Path(folder).resolve().name}",
        about="your own labels of notes",
        level="note",
        corpus="folder",
        options={"tracks": tuple(tracks)},
        label="track",
        classes=tuple(tracks),
        protocols=(_SPLIT,),
        one_piano=True,
        baselines=("majority", "note_table"),
        epochs=10,
    )
