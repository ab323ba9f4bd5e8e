"""Compare predictions with what needs no training: the same notes, labelled by a rule."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from finetune.baselines.rules import degrees_by_profiles, degrees_by_triads
from symbolic.features import under_another
from symbolic.predict.predictions import NotePredictions
from symbolic.tokens.tokenizer import Tokenizer

Classes = NDArray[np.int64]


def by_rule(found: NotePredictions) -> NotePredictions:
    """Label the same notes by the rule for their label. Its name is the task of the result.

    Melody is compared with the skyline, a key with key profiles, chords with templates of triads, velocities with those
    of the file. For other labels every note gets the class that was predicted most.

    Args:
        found: Predictions of a model.

    Returns:
        Predictions with a probability of one.
    """
    name, rule = _RULES.get(found.derived or found.label, ("majority", _majority))
    classes = np.where(found.classes < 0, -1, rule(found))
    probabilities = np.eye(len(found.names), dtype=np.float32)[classes]
    probabilities[classes < 0] = np.nan
    return NotePredictions(found.music, classes, probabilities, found.names, name, found.label)


def agreement(found: NotePredictions, other: NotePredictions) -> float:
    """Return the share of pitched notes that have the same class in both."""
    known = found.classes >= 0
    return float((found.classes[known] == other.classes[known]).mean())


def _of_tokens(
    rule: Callable[[NDArray[np.uint16], int], NDArray[np.integer]],
) -> Callable[[NotePredictions], Classes]:
    """Make a rule for notes of one for the ids of tokens and the number of classes."""

    def of_notes(found: NotePredictions) -> Classes:
        tokens = Tokenizer().encode(found.music)
        classes = np.empty(len(found), dtype=np.int64)
        classes[tokens.note_index] = rule(tokens.ids, len(found.names))
        return classes

    return of_notes


def _majority(found: NotePredictions) -> Classes:
    return np.full(len(found), np.argmax(list(found.counts.values())))


def _as_written(found: NotePredictions) -> Classes:
    lowest = [int(name.split("-")[0]) for name in found.names]
    return np.maximum(np.searchsorted(lowest, found.music.notes["velocity"], side="right") - 1, 0)


_RULES: dict[str, tuple[str, Callable[[NotePredictions], Classes]]] = {
    "melody": ("skyline", _of_tokens(lambda ids, classes: np.where(under_another(ids), classes - 1, 0))),
    "key": ("key profiles", _of_tokens(lambda ids, classes: degrees_by_profiles(ids))),
    "chord": ("triads", _of_tokens(lambda ids, classes: degrees_by_triads(ids))),
    "velocity": ("as written", _as_written),
}
"""By label, or what follows from it: the name of the rule, and the rule."""
