"""Predictions for one piece: arrays aligned with its notes, names, and files made from them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbolic.documents import as_csv, as_json
from symbolic.errors import ConfigError, MusicFileError
from symbolic.music.notes import Music
from symbolic.predict.classifiers.discriminants import Reason
from symbolic.predict.keys import Chord, chords, key_probabilities
from symbolic.predict.note_lines import note_columns, note_entries, note_lines
from symbolic.predict.tonality import TONAL_CLASSES
from symbolic.replacing import write_whole

VELOCITY = "velocity"
"""The note label that is written as velocities, instead of as a track for each class."""
_SHOWN = 6
"""Classes or chords that a repr names."""


@dataclass(frozen=True, eq=False, repr=False)
class NotePredictions:
    """Predictions for the notes of a piece, aligned with `music.notes`.

    Attributes:
        music: The piece, as it was read.
        classes: (N,) int64 index of each note's most likely class; -1 for drums.
        probabilities: (N, C) float32 probability of every class; NaN for drums.
        names: (C,) names of the classes.
        task: Name of the task.
        label: The label that was predicted, such as "melody", "key", "chord" or "velocity".
        warnings: Reasons to trust the predictions less, as sentences.
    """

    music: Music
    classes: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    names: tuple[str, ...]
    task: str = ""
    label: str = ""
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.classes)

    def __repr__(self) -> str:
        counts = {name: count for name, count in self.counts.items() if count}
        shown = ", ".join(f"{count:,} {name}" for name, count in list(counts.items())[:_SHOWN])
        size = f"{len(self):,} note{'s' * (len(self) != 1)}"
        if self.derived == VELOCITY:
            return f"NotePredictions({size}: {self.velocities}; confidence {self.mean_confidence:.2f})"
        found = f"{len(self.chords)} chord{'s' * (len(self.chords) != 1)}"
        extra = f"; key {self.key}" if self.key else f"; {found}" if self.chords else ""
        more = ", ..." if len(counts) > _SHOWN else ""
        mean = self.mean_confidence
        return f"NotePredictions({size}: {shown}{more}{extra}; confidence {mean:.2f})"

    @cached_property
    def labels(self) -> NDArray[np.object_]:
        """(N,) name of each note's class; None for drums."""
        return np.array([*self.names, None], dtype=object)[self.classes]

    @cached_property
    def confidence(self) -> NDArray[np.float32]:
        """(N,) float32 probability of each note's class; NaN for drums."""
        known = self.classes >= 0
        found = np.full(len(self), np.nan, dtype=np.float32)
        found[known] = self.probabilities[known, self.classes[known]]
        return found

    @property
    def mean_confidence(self) -> float:
        """Mean confidence over pitched notes."""
        return float(self.confidence[self.classes >= 0].mean())

    @property
    def counts(self) -> dict[str, int]:
        """Number of notes in each class."""
        found = np.bincount(self.classes[self.classes >= 0], minlength=len(self.names)).tolist()
        return dict(zip(self.names, found, strict=True))

    @property
    def derived(self) -> str:
        """The result that follows from the classes: "key", "chord" or "velocity"; "" where there is none."""
        return derived_label(self.label, self.names)

    @property
    def velocities(self) -> str:
        """Range and mean of the expected velocities, as in "velocities 31 to 96, mean 64"."""
        from symbolic.predict.midi_output import expected_velocities  # it imports this module

        loudness = expected_velocities(self.music.notes["velocity"], self.probabilities, self.names)
        found = loudness[self.classes >= 0]
        return f"velocities {found.min()} to {found.max()}, mean {found.mean():.0f}"

    @cached_property
    def keys(self) -> dict[str, float]:
        """Probability of every key, the most likely first; empty unless the task is about keys."""
        return key_probabilities(self.music, self.probabilities) if self.derived == "key" else {}

    @property
    def key(self) -> str | None:
        """The most likely key; None unless the task is about keys."""
        return next(iter(self.keys), None)

    @cached_property
    def chords(self) -> list[Chord]:
        """Chords in time; empty unless the task is about chords."""
        return chords(self.music, self.probabilities) if self.derived == "chord" else []

    def summary(self) -> dict[str, Any]:
        """Return everything but the notes, as JSON values."""
        return {
            "task": self.task,
            "classes": list(self.names),
            "ticks_per_quarter": self.music.resolution,
            "repairs": list(self.music.repairs),
            **({"warnings": list(self.warnings)} if self.warnings else {}),
            "counts": self.counts,
            "confidence": self.mean_confidence,
            **({"prediction": self.key, "probabilities": self.keys} if self.key else {}),
            **({"chords": [chord._asdict() for chord in self.chords]} if self.chords else {}),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values. Onsets and durations are in ticks, onsets in seconds too."""
        return {**self.summary(), "notes": list(note_entries(self))}

    def to_json(self, path: str | Path) -> Path:
        """Write `to_dict` as JSON; returns the path."""
        return _write_json(path, self.to_dict())

    def to_csv(self, path: str | Path) -> Path:
        """Write a line for each note as CSV, by rising onset and pitch; returns the path.

        Each class has a column with its probability.
        """
        return write_result(
            path, as_csv(note_columns({"": self.names}), (line.values() for line in note_lines({"": self})))
        )

    def write(self, path: str | Path, overwrite: bool = False) -> Path:
        """Write the music as MIDI with its predictions; returns the path.

        The MIDI file that the music was read from is given back whole. A key becomes a key signature and chords become
        markers. Velocities are set to their expected values. Any other class becomes a track.

        With a suffix of MusicXML the score that the music was read from is given back: see `musicxml_with_predictions`.

        Args:
            path: The file to write.
            overwrite: Also write over the file that was read.

        Raises:
            MusicFileError: If it is the file that was read, it has the suffix of kern or abc, or MIDI cannot hold the
                music.
            ConfigError: If nothing can be written there.
        """
        from symbolic.music.midi.writer import require_midi_name
        from symbolic.predict.midi_output import midi_with_predictions
        from symbolic.predict.musicxml_output import is_musicxml, musicxml_with_predictions

        if not overwrite and self.music.path and os.path.realpath(path) == os.path.realpath(self.music.path):
            raise MusicFileError(
                path, "it is the file that was read", "Name another one, or pass overwrite=True."
            )
        if is_musicxml(path):
            return write_result(path, musicxml_with_predictions(self, path))
        require_midi_name(path)
        return write_result(path, midi_with_predictions(self))


@dataclass(frozen=True, eq=False, repr=False)
class PiecePrediction:
    """The prediction for a whole piece.

    Attributes:
        probabilities: Probability of each class, by its name.
        reasons: The features that speak most for the class or against it, where the model has hand-made features.
        task: Name of the task.
        shares: Share of each class among the training pieces, to compare with. Empty where the model does not hold it.
    """

    probabilities: Mapping[str, float]
    reasons: Sequence[Reason] = field(default_factory=list)
    task: str = ""
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Name of the most likely class."""
        return max(self.probabilities, key=lambda name: self.probabilities[name])

    @property
    def confidence(self) -> float:
        """Probability of that class."""
        return self.probabilities[self.label]

    def __repr__(self) -> str:
        return f"PiecePrediction({self.label}, confidence {self.confidence:.2f})"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        found = {
            "task": self.task,
            "prediction": self.label,
            "probabilities": dict(self.probabilities),
        }
        return {**found, **({"reasons": [one._asdict() for one in self.reasons]} if self.reasons else {})}

    def to_json(self, path: str | Path) -> Path:
        """Write `to_dict` as JSON; returns the path."""
        return _write_json(path, self.to_dict())

    def to_csv(self, path: str | Path) -> Path:
        """Write a line for each class and its probability as CSV; returns the path."""
        rows = ((name, f"{value:.6f}") for name, value in self.probabilities.items())
        return write_result(path, as_csv(("class", "probability"), rows))


def derived_label(label: str, names: Sequence[str]) -> str:
    """Return what follows from a note label with these classes: "key", "chord" or "velocity"; "" where nothing."""
    tonal = label in ("key", "chord") and tuple(names) == TONAL_CLASSES
    return label if tonal or label == VELOCITY else ""


def _write_json(path: str | Path, values: Mapping[str, Any]) -> Path:
    return write_result(path, as_json(values, sort_keys=False))


def write_result(path: str | Path, content: bytes) -> Path:
    """Write a file whole. Returns its path.

    Raises:
        ConfigError: If nothing can be written there.
    """
    try:
        write_whole(path, content)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}). Name another folder, or make this one."
        ) from error
    return Path(path)
