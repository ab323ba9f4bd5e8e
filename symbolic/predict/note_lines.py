"""Note predictions line by line, for CSV and JSON: where a note is, its class and the probability of every class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from symbolic.music.bars import beats
from symbolic.music.notes import Music

if TYPE_CHECKING:
    from symbolic.predict.predictions import NotePredictions

PLACE = ("index", "onset", "seconds", "duration", "bar", "beat", "pitch", "velocity", "track", "part")
"""Where a note is. `index` counts in the order of `music.notes`; `part` is the name of the track."""
_LUMP = 4096
"""Notes that are turned into values at a time."""


def note_columns(models: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names of the columns of a table of notes.

    Args:
        models: The classes of each model by its name. A single model has the name "".
    """
    return [*PLACE, *(column for model, names in models.items() for column in _own_columns(model, names))]


def note_lines(models: Mapping[str, NotePredictions]) -> Iterator[dict[str, Any]]:
    """Yield values by column for each note, by rising onset and pitch: its place, then what each model predicts.

    Args:
        models: Predictions for the same music by name of the model, at least one. A single model has the name "".
    """
    music = next(iter(models.values())).music
    columns = note_columns({model: found.names for model, found in models.items()})
    for chosen in lumps(music):
        parts = [_classes(found, chosen) for found in models.values()]
        for place, *predicted in zip(places(music, chosen), *parts, strict=True):
            own = ((label, sure, *each) for label, sure, each in predicted)
            yield dict(zip(columns, chain(place, *own), strict=True))


def note_entries(found: NotePredictions) -> Iterator[dict[str, Any]]:
    """Yield each note as JSON values, by rising onset and pitch. Drums have neither class nor probabilities: null.

    The probabilities are in the order of the classes.
    """
    columns = (*PLACE, "class", "confidence", "probabilities")
    for chosen in lumps(found.music):
        for place, predicted in zip(places(found.music, chosen), _classes(found, chosen), strict=True):
            yield dict(zip(columns, (*place, *predicted), strict=True))


def _own_columns(model: str, names: Sequence[str]) -> list[str]:
    """The columns of one model. Its classes stand in brackets, for one of them may be called "beat"."""
    return [
        f"{model} {column}".strip() for column in ("class", "confidence", *(f"p({one})" for one in names))
    ]


def lumps(music: Music) -> Iterator[NDArray[np.int64]]:
    """Yield indices of notes, a few thousand at a time."""
    order = np.lexsort((music.notes["pitch"], music.notes["onset"]))
    for first in range(0, len(order), _LUMP):
        yield order[first : first + _LUMP]


def places(music: Music, chosen: NDArray[np.int64]) -> list[tuple[Any, ...]]:
    """Return the values of `PLACE` for each chosen note."""
    notes, names = music.notes[chosen], dict(enumerate(music.tracks))
    bar, beat = beats(music, notes["onset"])
    numbers = notes["track"].tolist()
    columns = (
        chosen.tolist(),
        notes["onset"].tolist(),
        music.seconds(notes["onset"]).round(4).tolist(),
        notes["duration"].tolist(),
        bar.tolist(),
        beat.round(4).tolist(),
        notes["pitch"].tolist(),
        notes["velocity"].tolist(),
        numbers,
        [names.get(number, "") for number in numbers],
    )
    return list(zip(*columns, strict=True))


def _classes(found: NotePredictions, chosen: NDArray[np.int64]) -> Iterator[tuple[Any, Any, list[Any]]]:
    """Name of the class, confidence and probabilities of each chosen note; None for drums."""
    columns = (
        found.labels[chosen].tolist(),
        found.confidence[chosen].astype(np.float64).round(4).tolist(),
        found.probabilities[chosen].astype(np.float64).round(4).tolist(),
    )
    for label, sure, each in zip(*columns, strict=True):
        yield (label, sure, each) if label is not None else (None, None, [None] * len(each))
