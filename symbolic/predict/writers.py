"""Predictions on many files as lines on a screen, as CSV and as JSON, written file by file."""

from __future__ import annotations

import csv
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from symbolic.documents import csv_cell
from symbolic.errors import ConfigError
from symbolic.predict.files import FilePrediction
from symbolic.predict.keys import Chord
from symbolic.predict.note_lines import note_columns, note_entries, note_lines
from symbolic.predict.predictions import VELOCITY, NotePredictions, PiecePrediction
from symbolic.predict.predictor import NotePredictor, PiecePredictor
from symbolic.replacing import replacing

STANDARD_OUTPUT = "-"
"""The path that stands for standard output."""
_SHOWN = 6
"""Classes that a line names, the most frequent."""


def described(found: FilePrediction, several: bool = False) -> str:
    """Return one prediction in one line.

    Names that are not UTF-8 are escaped, for a terminal would refuse them.

    Args:
        found: The prediction.
        several: Whether several models predict, so that the task is named.
    """
    return printable(_line(found, several))


def printable(text: str) -> str:
    """Return text with escapes for what is not UTF-8."""
    return text.encode(errors="backslashreplace").decode()


def _line(found: FilePrediction, several: bool) -> str:
    if found.result is None:
        return f"skipped  {found.skipped}"
    name = f"{found.file}  {found.task}:" if several else f"{found.file} "
    files = f"  ->  {', '.join(map(str, found.written))}" if found.written else ""
    if isinstance(found.result, PiecePrediction):
        ordered = sorted(found.probabilities.items(), key=lambda item: -item[1])
        return f"{name} {'  '.join(f'{label} {probability:.3f}' for label, probability in ordered)}{files}"
    return f"{name}{files[1:]}  ({in_words(found.result)})"


def in_words(found: NotePredictions | PiecePrediction) -> str:
    """Return what was predicted in half a line, with the confidence."""
    if isinstance(found, PiecePrediction):
        return f"{found.label}; confidence {found.confidence:.2f}"
    if found.key:
        return f"{found.key}; confidence {found.keys[found.key]:.2f}"
    if found.chords:
        first = " ".join(chord.name for chord in found.chords[:_SHOWN])
        return f"{len(found.chords)} chords: {first}{' ...' if len(found.chords) > _SHOWN else ''}"
    if found.derived == VELOCITY:
        return f"{found.velocities}; confidence {found.mean_confidence:.2f}"
    counts = {label: count for label, count in found.counts.items() if count}
    most = sorted(counts, key=lambda label: -counts[label])[:_SHOWN]
    shown = ", ".join(f"{counts[label]} {label}" for label in counts if label in most)
    shown += ", ..." if len(counts) > _SHOWN else ""
    return f"{shown}; confidence {found.mean_confidence:.2f}"


class _Csv(ABC):
    """A table whose first column names the file."""

    def __init__(self, path: str | Path, columns: Sequence[str]) -> None:
        self._whole, self._file = _opened(path, "--csv")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._add_line("file", columns)

    @abstractmethod
    def add(self, predictions: Sequence[FilePrediction]) -> None:
        """Add the lines of one file, which each model has predicted."""

    def _add_line(self, file: str, cells: Iterable[Any]) -> None:
        self._writer.writerow(map(csv_cell, (file, *cells)))

    def close(self) -> None:
        """End the table. It takes the place of an older one."""
        with self._whole:
            self._file.flush()


class CsvPieces(_Csv):
    """A line for each file: its class or key, and the probability of every one.

    Args:
        path: Written from the beginning; "-" is standard output.
        predictors: Those that predict something of a piece have columns. With several, each column names the task.

    Raises:
        ConfigError: If nothing can be written there.
    """

    def __init__(self, path: str | Path, predictors: Sequence[NotePredictor | PiecePredictor]) -> None:
        asked = [one for one in predictors if one.piece_classes]
        self._columns = [(one.name, name) for one in asked for name in (None, *one.piece_classes)]
        heads = [
            (f"{task} " if len(asked) > 1 else "") + (name or "prediction") for task, name in self._columns
        ]
        super().__init__(path, heads)

    def add(self, predictions: Sequence[FilePrediction]) -> None:
        """Add a line with the predictions for one file; none if there are none of a piece."""
        found = {one.task: one for one in predictions if one.probabilities}
        if found:
            cells = (_cell(found.get(task), name) for task, name in self._columns)
            self._add_line(predictions[0].file, cells)


class CsvNotes(_Csv):
    """A line for each note of each file: where it is, and what each model predicts of it with all probabilities.

    Args:
        path: Written from the beginning; "-" is standard output.
        predictors: Models of notes. With several, each column names the task.

    Raises:
        ConfigError: If nothing can be written there.
    """

    def __init__(self, path: str | Path, predictors: Sequence[NotePredictor | PiecePredictor]) -> None:
        self._several = len(predictors) > 1
        self._columns = note_columns({self._name(one.name): one.classes for one in predictors})
        super().__init__(path, self._columns)

    def add(self, predictions: Sequence[FilePrediction]) -> None:
        """Add the lines of one file. A model that skipped it leaves its cells empty."""
        models = {
            self._name(one.task): one.result for one in predictions if isinstance(one.result, NotePredictions)
        }
        for line in note_lines(models) if models else ():
            self._add_line(predictions[0].file, (line.get(column) for column in self._columns))

    def _name(self, model: str) -> str:
        return model if self._several else ""


class CsvChords(_Csv):
    """A line for each chord of each file: where it begins, its name and confidence.

    Args:
        path: Written from the beginning; "-" is standard output.
        predictors: Models of chords. With several, a column names the task.

    Raises:
        ConfigError: If nothing can be written there.
    """

    def __init__(self, path: str | Path, predictors: Sequence[NotePredictor | PiecePredictor]) -> None:
        self._several = len(predictors) > 1
        super().__init__(path, (*(["task"] if self._several else []), *Chord._fields))

    def add(self, predictions: Sequence[FilePrediction]) -> None:
        """Add the lines of one file. There are none of a model that skipped it."""
        for found in predictions:
            chords = found.result.chords if isinstance(found.result, NotePredictions) else ()
            for one in chords:
                rounded = one._replace(seconds=round(one.seconds, 4), confidence=round(one.confidence, 4))
                self._add_line(found.file, (*([found.task] if self._several else []), *rounded))


class JsonList:
    """An entry for each file and model, at note level with every note; with the reason for each skipped file.

    Args:
        path: Written from the beginning; valid JSON once closed. "-" is standard output.

    Raises:
        ConfigError: If nothing can be written there.
    """

    def __init__(self, path: str | Path) -> None:
        self._whole, self._file = _opened(path, "--json")
        self._between = "[\n"

    def add(self, predictions: Sequence[FilePrediction]) -> None:
        """Add the entries of one file."""
        for found in predictions:
            self._file.write(self._between)
            self._between = ",\n"
            head = json.dumps(_head(found), ensure_ascii=False)
            if not isinstance(found.result, NotePredictions):
                self._file.write(head)
                continue
            self._file.write(f'{head[:-1]}, "notes": [')
            for number, note in enumerate(note_entries(found.result)):
                self._file.write((",\n" if number else "\n") + json.dumps(note, ensure_ascii=False))
            self._file.write("\n]}")

    def close(self) -> None:
        """End the list. It takes the place of an older one."""
        with self._whole:
            self._file.write("\n]\n" if self._between != "[\n" else "[]\n")
            self._file.flush()


@contextmanager
def written_predictions(
    predictors: Sequence[NotePredictor | PiecePredictor], csv_path: str | None, json_path: str | None
) -> Iterator[list[_Csv | JsonList]]:
    """Open the files that were asked for, for the length of a block.

    The CSV is a table of pieces if any model predicts something of a piece, of chords if all predict chords, else of
    notes.

    Raises:
        ConfigError: If one cannot be written, or both are to be standard output.
    """
    if csv_path == json_path == STANDARD_OUTPUT:
        raise ConfigError("--csv - and --json - cannot both be standard output. Name a file for one.")
    files: list[_Csv | JsonList] = []
    try:
        if csv_path:
            files.append(_table(csv_path, predictors))
        if json_path:
            files.append(JsonList(json_path))
        yield files
    finally:
        for file in files:
            file.close()


def _table(path: str, predictors: Sequence[NotePredictor | PiecePredictor]) -> _Csv:
    if any(one.piece_classes for one in predictors):
        return CsvPieces(path, predictors)
    of_chords = all(isinstance(one, NotePredictor) and one.derived == "chord" for one in predictors)
    return (CsvChords if of_chords else CsvNotes)(path, predictors)


def _cell(found: FilePrediction | None, name: str | None) -> str:
    """The class, or the probability of one; "" where there is no prediction."""
    if found is None:
        return ""
    return found.prediction or "" if name is None else f"{found.probabilities[name]:.6f}"


def _head(found: FilePrediction) -> dict[str, Any]:
    """An entry without its notes."""
    entry: dict[str, Any] = {"file": found.file, "task": found.task or None}
    if isinstance(found.result, NotePredictions):
        entry |= {
            "written": [str(path) for path in found.written],
            **found.result.summary(),
            "task": found.task,
        }
    elif found.result is not None:
        entry |= {**found.result.to_dict(), "task": found.task}
    else:
        entry |= {"prediction": None, "probabilities": {}}
    return {**entry, "repairs": list(found.repairs), "skipped": found.skipped or None}


def _opened(path: str | Path, flag: str) -> tuple[ExitStack, TextIO]:
    """Open a file that takes the place of `path` when the stack is closed without an error."""
    stack = ExitStack()
    if path == STANDARD_OUTPUT:
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
        return stack, sys.stdout
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = stack.enter_context(replacing(path))
        return stack, TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as error:
        raise ConfigError(f"{flag} {path} cannot be written ({error.strerror}).") from error
