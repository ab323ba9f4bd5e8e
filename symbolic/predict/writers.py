"""Predictions on many files as lines on a screen, as CSV and as JSON, written file by file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any

from symbolic.documents import csv_cell
from symbolic.errors import ConfigError
from symbolic.predict.files import FilePrediction
from symbolic.predict.predictions import VELOCITY, NotePredictions, PiecePrediction
from symbolic.predict.predictor import NotePredictor, PiecePredictor
from symbolic.replacing import replacing

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
    if isinstance(found.result, PiecePrediction):
        ordered = sorted(found.probabilities.items(), key=lambda item: -item[1])
        return f"{name} " + "  ".join(f"{label} {probability:.3f}" for label, probability in ordered)
    return f"{name} ->  {' and '.join(map(str, found.written))}  ({_notes_in_words(found.result)})"


def _notes_in_words(notes: NotePredictions) -> str:
    if notes.key:
        return f"{notes.key}; confidence {notes.keys[notes.key]:.2f}"
    if notes.chords:
        first = " ".join(chord.name for chord in notes.chords[:_SHOWN])
        return f"{len(notes.chords)} chords: {first}{' ...' if len(notes.chords) > _SHOWN else ''}"
    if notes.derived == VELOCITY:
        return f"{notes.velocities}; confidence {notes.mean_confidence:.2f}"
    counts = {label: count for label, count in notes.counts.items() if count}
    most = sorted(counts, key=lambda label: -counts[label])[:_SHOWN]
    shown = ", ".join(f"{counts[label]} {label}" for label in counts if label in most)
    shown += ", ..." if len(counts) > _SHOWN else ""
    return f"{shown}; confidence {notes.mean_confidence:.2f}"


class CsvTable:
    """A line for each file: its class or key, and the probability of every one.

    Args:
        path: Written from the beginning.
        predictors: Those that predict something of a piece have columns. With several, each column names the task.

    Raises:
        ConfigError: If no model predicts anything of a piece, or nothing can be written there.
    """

    def __init__(self, path: str | Path, predictors: Sequence[NotePredictor | PiecePredictor]) -> None:
        asked = [one for one in predictors if one.piece_classes]
        if not asked:
            raise ConfigError("--csv is a table of pieces, and this run asks of notes. Use --json.")
        self._columns = [(one.name, name) for one in asked for name in (None, *one.piece_classes)]
        heads = [
            (f"{task} " if len(asked) > 1 else "") + (name or "prediction") for task, name in self._columns
        ]
        self._whole, self._file = _opened(Path(path), "--csv")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(["file", *map(csv_cell, heads)])

    def add(self, predictions: Sequence[FilePrediction]) -> None:
        """Add a line with the predictions for one file; none if there are none of a piece."""
        found = {one.task: one for one in predictions if one.probabilities}
        if found:
            cells = (_cell(found.get(task), name) for task, name in self._columns)
            self._writer.writerow(map(csv_cell, (predictions[0].file, *cells)))

    def close(self) -> None:
        """End the table. It takes the place of an older one."""
        with self._whole:
            self._file.flush()


class JsonList:
    """An entry for each file and model, at note level with every note; with the reason for each skipped file.

    Args:
        path: Written from the beginning; valid JSON once closed.

    Raises:
        ConfigError: If nothing can be written there.
    """

    def __init__(self, path: str | Path) -> None:
        self._whole, self._file = _opened(Path(path), "--json")
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
            for number, lump in enumerate(found.result.lumps()):
                notes = ",".join("\n" + json.dumps(note, ensure_ascii=False) for note in lump)
                self._file.write(("," if number else "") + notes)
            self._file.write("\n]}")

    def close(self) -> None:
        """End the list. It takes the place of an older one."""
        with self._whole:
            self._file.write("\n]\n" if self._between != "[\n" else "[]\n")
            self._file.flush()


@contextmanager
def written_predictions(
    predictors: Sequence[NotePredictor | PiecePredictor], csv_path: str | None, json_path: str | None
) -> Iterator[list[CsvTable | JsonList]]:
    """Open the files that were asked for, for the length of a block.

    Raises:
        ConfigError: If one cannot be written.
    """
    files: list[CsvTable | JsonList] = []
    try:
        if csv_path:
            files.append(CsvTable(csv_path, predictors))
        if json_path:
            files.append(JsonList(json_path))
        yield files
    finally:
        for file in files:
            file.close()


def _cell(found: FilePrediction | None, name: str | None) -> str:
    """The class, or the probability of one; "" where there is no prediction."""
    if found is None:
        return ""
    return found.prediction or "" if name is None else f"{found.probabilities[name]:.6f}"


def _head(found: FilePrediction) -> dict[str, Any]:
    """An entry without its notes."""
    entry: dict[str, Any] = {"file": found.file, "task": found.task or None}
    if isinstance(found.result, NotePredictions):
        entry |= {"written": str(found.written), **found.result.summary(), "task": found.task}
    elif found.result is not None:
        entry |= {**found.result.to_dict(), "task": found.task}
    else:
        entry |= {"prediction": None, "probabilities": {}}
    return {**entry, "repairs": list(found.repairs), "skipped": found.skipped or None}


def _opened(path: Path, flag: str) -> tuple[ExitStack, IO[str]]:
    """Open a file that takes the place of `path` when the stack is closed without an error."""
    stack = ExitStack()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = stack.enter_context(replacing(path))
        return stack, TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as error:
        raise ConfigError(f"{flag} {path} cannot be written ({error.strerror}).") from error
