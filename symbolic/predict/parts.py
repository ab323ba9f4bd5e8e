"""Read the parts of a task's checkpoint that are no network: classifiers, ensembles, lines. Torch is not imported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from symbolic.checkpoint.format import Checkpoint, load_checkpoint
from symbolic.errors import CheckpointError
from symbolic.predict.classifiers.notes import NoteClassifier
from symbolic.predict.classifiers.pieces import FeatureClassifier
from symbolic.predict.classifiers.tonal import TonalClassifier
from symbolic.predict.ensemble import Ensemble
from symbolic.predict.lines.model import MelodyLines
from symbolic.predict.note_codes import EMBEDDED_FEATURES

Classifier = TypeVar("Classifier", FeatureClassifier, NoteClassifier, TonalClassifier, MelodyLines)
HandMade = FeatureClassifier | NoteClassifier | TonalClassifier
"""A classifier of hand-made features, without a backbone."""
FEATURES, PROBE = "features", "probe"
NOTE_FEATURES, ENSEMBLE, LINES = "note_features", "ensemble", "lines"
"""Names of the parts of a checkpoint of a task, without its backbone and head."""


def open_task(path: Path | str) -> Checkpoint:
    """Read the description of a fine-tuned checkpoint.

    Raises:
        CheckpointError: If the path is no checkpoint, or not the checkpoint of a task.
    """
    checkpoint = load_checkpoint(path)
    if "classes" not in checkpoint.task:
        raise CheckpointError(
            f"{path} was not fine-tuned on a task. Give a run folder that `finetune` wrote, or fine-tune it first."
        )
    return checkpoint


def hand_made(checkpoint: Checkpoint) -> HandMade:
    """Build the classifier of hand-made features that a checkpoint holds.

    Raises:
        CheckpointError: If it is damaged, or reads other features than this release computes.
    """
    about = checkpoint.describe(FEATURES)
    found: HandMade = checkpoint.build_arrays(FEATURES, lambda: _hand_made(about, checkpoint))
    found.check()
    return found


def _hand_made(about: Mapping[str, Any], checkpoint: Checkpoint) -> HandMade:
    if "span" in about:
        return _described(TonalClassifier, about, checkpoint)
    if checkpoint.task["level"] == "note":
        return _described(NoteClassifier, about, checkpoint)
    return _described(FeatureClassifier, about, checkpoint)


def saved_ensemble(checkpoint: Checkpoint) -> Ensemble | None:
    """Build the ensemble of a checkpoint, without its network. None if it has none. Errors as for `hand_made`."""
    if ENSEMBLE not in checkpoint.parts:
        return None
    about = checkpoint.describe(ENSEMBLE)
    found = checkpoint.build_arrays(ENSEMBLE, lambda: Ensemble(_described(NoteClassifier, about, checkpoint)))
    found.trees.check()
    return found


def saved_lines(checkpoint: Checkpoint) -> MelodyLines | None:
    """Build the part of a checkpoint that decides over lines. None if it has none. Errors as for `hand_made`."""
    if LINES not in checkpoint.parts:
        return None
    about = checkpoint.describe(LINES)
    found = checkpoint.build_arrays(LINES, lambda: _described(MelodyLines, about, checkpoint))
    found.check()
    return found


def reads_note_features(checkpoint: Checkpoint) -> bool:
    """Return whether a network reads note features beside the tokens.

    Raises:
        CheckpointError: If these are other features than this release computes.
    """
    if NOTE_FEATURES not in checkpoint.parts:
        return False
    if checkpoint.describe(NOTE_FEATURES).get("features") != EMBEDDED_FEATURES:
        raise _other_features(checkpoint)
    return True


def _other_features(checkpoint: Checkpoint) -> CheckpointError:
    """Return the error of a checkpoint that was fitted to other features than this release computes."""
    return CheckpointError(
        f"{checkpoint.path} was fitted to other hand-made features than this release makes, or in another way. "
        "Fit it again, or use the release that it was made with."
    )


def _described(kind: type[Classifier], about: Mapping[str, Any], checkpoint: Checkpoint) -> Classifier:
    """Build a classifier of hand-made features, whose weights are then loaded."""
    found = kind.described(len(checkpoint.task["classes"]), about)
    if found is None:
        raise _other_features(checkpoint)
    return found
