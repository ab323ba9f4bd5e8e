"""Predictions on new files: MIDI with a track for each class of notes, or probabilities of classes of pieces."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.corpora.tracks import as_one_piano
from data.records import write_json
from finetune.model import TaskModel, device_of, load_model
from finetune.source import find_checkpoint
from symbolic.errors import ConfigError, CounterpointError, MusicFileError
from symbolic.files import read_music, write_midi
from symbolic.notes import Music
from symbolic.tokenizer import Tokenizer

UNCLASSED = "drums"
"""Track of drum notes in written files: a note-level task does not ask of them."""


@dataclass(eq=False)
class Outcome:
    """What became of one file.

    Attributes:
        file: As it was named.
        written: The MIDI file that was written, at note level.
        probabilities: Of each class, at sequence level.
        counts: Notes of each class, at note level.
        skipped: Why it was skipped; "" if it was not.
    """

    file: str
    written: Path | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    skipped: str = ""


@dataclass(frozen=True, eq=False)
class Forecaster:
    """A trained run, ready for files.

    Attributes:
        model: In eval mode.
        tokenizer: What it reads.
        task: What `Task.describe` said.
    """

    model: TaskModel
    tokenizer: Tokenizer
    task: dict[str, Any]

    @classmethod
    def load(cls, run: str | Path, accelerator: str = "auto") -> Forecaster:
        """From a run folder, or a checkpoint in it.

        Raises:
            CounterpointError: If it is neither.
        """
        return cls(*load_model(find_checkpoint(run), device_of(accelerator)))

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return list(self.task["classes"])

    def notes(self, music: Music) -> NDArray[np.int64]:
        """(N,) class of each note of a piece, in the order of `music.notes`; -1 for drums."""
        tokens = self._encode(music)
        classes = np.empty(len(music), dtype=np.int64)
        classes[tokens.source] = self.model.classes(tokens.rows)
        classes[music.drums] = -1
        return classes

    def probabilities(self, music: Music) -> NDArray[np.float64]:
        """(C,) probabilities of a piece's classes, from the mean logits of its windows."""
        logits = self.model.logits(self._encode(music).rows).astype(np.float64)
        shares = np.exp(logits - logits.max())
        return np.asarray(shares / shares.sum())

    def _encode(self, music: Music) -> Any:
        """Rows as in training."""
        heard = as_one_piano(music) if self.task["one_piano"] else music
        return self.tokenizer.encode(heard, hide=self.task["hide"])


def predict_files(forecaster: Forecaster, files: Sequence[str], out: str | Path) -> Iterator[Outcome]:
    """Predict file by file; a bad one among good ones is skipped with its reason.

    Args:
        forecaster: A trained run.
        files: Music files.
        out: Folder for MIDI files, at note level; made when first needed.
    """
    taken: set[Path] = set()
    for file in files:
        try:
            yield _predict(forecaster, file, Path(out), taken)
        except CounterpointError as error:
            reason = str(error)
            yield Outcome(file, skipped=reason if file in reason else f"{file}: {reason}")


def _predict(forecaster: Forecaster, file: str, out: Path, taken: set[Path]) -> Outcome:
    music = read_music(file)
    if music.drums.all():
        raise MusicFileError(file, "it holds no pitched notes")
    if forecaster.task["level"] == "sequence":
        shares = forecaster.probabilities(music).tolist()
        return Outcome(file, probabilities=dict(zip(forecaster.classes, shares, strict=True)))
    classes = forecaster.notes(music)
    path = _free_name(out / f"{Path(file).stem}.mid", taken)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_midi(tracks_by_class(music, classes, forecaster.classes), path)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}). Name another folder with --out."
        ) from error
    counts = np.bincount(classes[classes >= 0], minlength=len(forecaster.classes)).tolist()
    return Outcome(file, path, counts=dict(zip(forecaster.classes, counts, strict=True)))


def tracks_by_class(music: Music, classes: NDArray[np.integer], names: Sequence[str]) -> Music:
    """The same notes on a track for each class; one that several instruments play has a track for each.

    Args:
        music: Onsets, durations, pitches, velocities, programs, metre and tempo are kept.
        classes: (N,) class of each note; -1 goes to a track of its own.
        names: Of the classes.
    """
    notes = music.notes.copy()
    notes["track"] = np.where(classes < 0, len(names), classes)
    return replace(music, notes=notes, tracks=(*names, UNCLASSED))


def write_csv(path: str | Path, outcomes: Iterable[Outcome], classes: Sequence[str]) -> None:
    """A row for each file: its class, and the probability of every class."""
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "prediction", *classes])
        for outcome in outcomes:
            if outcome.probabilities:
                shares = [f"{outcome.probabilities[name]:.6f}" for name in classes]
                writer.writerow([outcome.file, likeliest(outcome), *shares])


def write_predictions(path: str | Path, outcomes: Iterable[Outcome]) -> None:
    """The same as JSON, with the reason for each file that was skipped."""
    entries = [
        {
            "file": outcome.file,
            "prediction": None if outcome.skipped else likeliest(outcome),
            "probabilities": outcome.probabilities,
            "skipped": outcome.skipped or None,
        }
        for outcome in outcomes
    ]
    write_json(path, entries)


def likeliest(outcome: Outcome) -> str:
    """The class with the highest probability."""
    return max(outcome.probabilities, key=lambda name: outcome.probabilities[name])


def _free_name(path: Path, taken: set[Path]) -> Path:
    """The path, numbered where two inputs have the same name; files of earlier calls are replaced."""
    number, free = 1, path
    while free in taken:
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    taken.add(free)
    return free
