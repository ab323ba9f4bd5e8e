"""Predictions for one piece: arrays aligned with its notes, names, and files made from them."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbolic.documents import csv_cell
from symbolic.errors import ConfigError
from symbolic.music.midi import to_symusic, write_midi
from symbolic.music.notes import Music
from symbolic.predict.classifiers.discriminants import Reason
from symbolic.predict.keys import Chord, chords, key_probabilities
from symbolic.predict.tonality import TONAL_CLASSES

VELOCITY = "velocity"
"""The note label that is written as velocities, instead of as a track for each class."""
UNCLASSED = "drums"
"""Track of drum notes in written files: drums have no class."""
_LUMP = 4096
"""Notes that are turned into text at a time."""
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
    """

    music: Music
    classes: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    names: tuple[str, ...]
    task: str = ""
    label: str = ""

    def __len__(self) -> int:
        return len(self.classes)

    def __repr__(self) -> str:
        counts = {name: count for name, count in self.counts.items() if count}
        shown = ", ".join(f"{count:,} {name}" for name, count in list(counts.items())[:_SHOWN])
        extra = f"; key {self.key}" if self.key else f"; {len(self.chords)} chords" if self.chords else ""
        more = ", ..." if len(counts) > _SHOWN else ""
        mean = self.mean_confidence
        return f"NotePredictions({len(self):,} notes: {shown}{more}{extra}; confidence {mean:.2f})"

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
            "ticks_per_quarter": self.music.resolution,
            "counts": self.counts,
            "confidence": self.mean_confidence,
            **({"prediction": self.key, "probabilities": self.keys} if self.key else {}),
            **({"chords": [chord._asdict() for chord in self.chords]} if self.chords else {}),
        }

    def lumps(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the notes as JSON values, a few thousand at a time, by rising onset and pitch."""
        names, notes = [*self.names, None], self.music.notes
        order = np.lexsort((notes["pitch"], notes["onset"]))
        for first in range(0, len(order), _LUMP):
            chosen = order[first : first + _LUMP]
            columns = zip(
                notes["onset"][chosen].tolist(),
                self.music.seconds(notes["onset"][chosen]).round(4).tolist(),
                notes["duration"][chosen].tolist(),
                notes["pitch"][chosen].tolist(),
                self.classes[chosen].tolist(),
                self.confidence[chosen].astype(np.float64).round(4).tolist(),
                strict=True,
            )
            yield [
                {
                    "onset": onset,
                    "seconds": seconds,
                    "duration": duration,
                    "pitch": pitch,
                    "class": names[kind],
                    "confidence": None if math.isnan(confidence) else confidence,
                }
                for onset, seconds, duration, pitch, kind, confidence in columns
            ]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values. Onsets and durations are in ticks, onsets in seconds too."""
        return {**self.summary(), "notes": [note for lump in self.lumps() for note in lump]}

    def to_json(self, path: str | Path) -> Path:
        """Write `to_dict` as JSON; returns the path."""
        return _write_json(path, self.to_dict())

    def to_csv(self, path: str | Path) -> Path:
        """Write a line for each note as CSV, by rising onset and pitch; returns the path."""
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["onset", "seconds", "duration", "pitch", "class", "confidence"])
            for lump in self.lumps():
                writer.writerows([csv_cell(value) for value in note.values()] for note in lump)
        return Path(path)

    def write(self, path: str | Path) -> Path:
        """Write the music as MIDI with its predictions; returns the path.

        A key or chords become markers. Velocities are set to their expected values. Any other class becomes a track.

        Raises:
            MusicFileError: If MIDI cannot hold the music.
        """
        path, derived = Path(path), self.derived
        if derived == VELOCITY:
            write_midi(with_velocities(self.music, self.probabilities, self.names), path)
        elif derived:
            marks = [(0, self.key)] if self.key else [(one.onset, one.name) for one in self.chords]
            _write_markers(self.music, marks, path)
        else:
            write_midi(tracks_by_class(self.music, self.classes, self.names), path)
        return path


@dataclass(frozen=True, eq=False, repr=False)
class PiecePrediction:
    """The prediction for a whole piece.

    Attributes:
        probabilities: Probability of each class, by its name.
        reasons: The features that speak most for the class or against it, where the model has hand-made features.
        task: Name of the task.
    """

    probabilities: Mapping[str, float]
    reasons: Sequence[Reason] = field(default_factory=list)
    task: str = ""

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
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["class", "probability"])
            writer.writerows([csv_cell(name), f"{value:.6f}"] for name, value in self.probabilities.items())
        return Path(path)


def derived_label(label: str, names: Sequence[str]) -> str:
    """Return what follows from a note label with these classes: "key", "chord" or "velocity"; "" where nothing."""
    tonal = label in ("key", "chord") and tuple(names) == TONAL_CLASSES
    return label if tonal or label == VELOCITY else ""


def tracks_by_class(music: Music, classes: NDArray[np.integer], names: Sequence[str]) -> Music:
    """Return the same notes with a track for each class; within a class, each program has its own.

    Args:
        music: Onsets, durations, pitches, velocities, programs, time signatures and tempos are kept.
        classes: (N,) class of each note; notes of class -1 share one more track.
        names: Names of the classes.
    """
    notes = music.notes.copy()
    notes["track"] = np.where(classes < 0, len(names), classes)
    return replace(music, notes=notes, tracks=(*names, UNCLASSED))


def with_velocities(music: Music, probabilities: NDArray[np.floating], names: Sequence[str]) -> Music:
    """Return the same notes on the same tracks, each with its expected velocity.

    Args:
        music: All but velocities is kept.
        probabilities: (N, C) probabilities of the classes; a note with NaN keeps its velocity.
        names: Names of the classes, as in "32-47": the lowest and the highest MIDI velocity.
    """
    edges = np.array([name.split("-") for name in names], dtype=np.float64)
    expected = probabilities @ edges.mean(axis=1)
    known = np.isfinite(expected)
    notes = music.notes.copy()
    notes["velocity"][known] = expected[known].round()
    return music.with_notes(notes)


def _write_markers(music: Music, markers: Sequence[tuple[int, str]], path: Path) -> None:
    from symusic import TextMeta

    score = to_symusic(music, path)
    score.markers.extend([TextMeta(tick, text) for tick, text in markers])
    path.write_bytes(score.dumps_midi())


def _write_json(path: str | Path, values: Mapping[str, Any]) -> Path:
    try:
        Path(path).write_text(json.dumps(values, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror}).") from error
    return Path(path)
