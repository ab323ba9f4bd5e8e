"""Outcomes of predictions as lines on a screen, as CSV and as JSON, written file by file and never held at once."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from symbolic.errors import ConfigError
from symbolic.predict.files import Outcome
from symbolic.predict.predictor import Predictor

_SHOWN = 6
"""Classes that a line names, the commonest."""
_LUMP = 4096
"""Notes that are turned into text at a time."""


def described(outcome: Outcome, several: bool = False) -> str:
    """One file in one line; which task it is about is told where there are several.

    Names that are not UTF-8 are escaped, for a terminal would refuse them.
    """
    return _line(outcome, several).encode(errors="backslashreplace").decode()


def _line(outcome: Outcome, several: bool) -> str:
    if outcome.skipped:
        return f"skipped  {outcome.skipped}"
    name = f"{outcome.file}  {outcome.task}:" if several else f"{outcome.file} "
    if outcome.written is not None and outcome.prediction is not None:
        share = outcome.probabilities[outcome.prediction]
        return f"{name} ->  {outcome.written}  ({outcome.prediction}; confidence {share:.2f})"
    if outcome.written is not None and outcome.chords:
        first = " ".join(chord.name for chord in outcome.chords[:_SHOWN])
        more = " ..." if len(outcome.chords) > _SHOWN else ""
        return f"{name} ->  {outcome.written}  ({len(outcome.chords)} chords: {first}{more})"
    if outcome.written is not None:
        found = {label: count for label, count in outcome.counts.items() if count}
        most = sorted(found, key=lambda label: -found[label])[:_SHOWN]
        counts = ", ".join(f"{found[label]} {label}" for label in found if label in most)
        counts += ", ..." if len(found) > _SHOWN else ""
        return f"{name} ->  {outcome.written}  ({counts}; confidence {outcome.confidence:.2f})"
    shares = sorted(outcome.probabilities.items(), key=lambda item: -item[1])
    return f"{name} " + "  ".join(f"{label} {share:.3f}" for label, share in shares)


class CsvTable:
    """A row for each file: its class, or key, and the probability of every one.

    Args:
        path: Written from the beginning.
        predictors: Those that say something of a piece have columns; of several, each with the task's name before.

    Raises:
        ConfigError: If no run says anything of a piece, or nothing can be written there.
    """

    def __init__(self, path: str | Path, predictors: Sequence[Predictor]) -> None:
        asked = [one for one in predictors if one.of_pieces]
        if not asked:
            raise ConfigError("--csv is a table of pieces, and this run asks of notes. Use --json.")
        self._columns = [(one.name, name) for one in asked for name in (None, *one.of_pieces)]
        heads = [
            (f"{task} " if len(asked) > 1 else "") + (name or "prediction") for task, name in self._columns
        ]
        self._file = _opened(Path(path), "--csv", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(["file", *heads])

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """A row of what was said of one file; none if nothing was."""
        said = {outcome.task: outcome for outcome in outcomes if outcome.probabilities}
        if said:
            self._writer.writerow(
                [outcomes[0].file, *(_cell(said.get(task), name) for task, name in self._columns)]
            )

    def close(self) -> None:
        """End the table."""
        self._file.close()


class JsonList:
    """An entry for each file and run, at note level with every note; with the reason for each that was skipped.

    Args:
        path: Written from the beginning; valid JSON once closed.

    Raises:
        ConfigError: If nothing can be written there.
    """

    def __init__(self, path: str | Path, predictors: Sequence[Predictor]) -> None:
        self._classes = {one.name: one.classes for one in predictors}
        self._file = _opened(Path(path), "--json")
        self._between = "[\n"

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """The entries of one file."""
        for outcome in outcomes:
            self._file.write(self._between)
            self._between = ",\n"
            head = json.dumps(_head(outcome), ensure_ascii=False)
            if outcome.predictions is None:
                self._file.write(head)
                continue
            self._file.write(f'{head[:-1]}, "notes": [')
            for number, lump in enumerate(_notes(outcome, self._classes[outcome.task])):
                self._file.write(("," if number else "") + lump)
            self._file.write("\n]}")

    def close(self) -> None:
        """End the list."""
        self._file.write("\n]\n" if self._between != "[\n" else "[]\n")
        self._file.close()


@contextmanager
def written_answers(
    predictors: Sequence[Predictor], csv_path: str | None, json_path: str | None
) -> Iterator[list[CsvTable | JsonList]]:
    """The files that were asked for, open for the length of a block.

    Raises:
        ConfigError: If one cannot be written.
    """
    files: list[CsvTable | JsonList] = []
    try:
        if csv_path:
            files.append(CsvTable(csv_path, predictors))
        if json_path:
            files.append(JsonList(json_path, predictors))
        yield files
    finally:
        for file in files:
            file.close()


def _cell(outcome: Outcome | None, name: str | None) -> str:
    """The class, or the probability of one; "" where nothing was said."""
    if outcome is None:
        return ""
    return outcome.prediction or "" if name is None else f"{outcome.probabilities[name]:.6f}"


def _head(outcome: Outcome) -> dict[str, Any]:
    """An entry without its notes."""
    entry: dict[str, Any] = {"file": outcome.file, "task": outcome.task or None}
    if outcome.music is None:
        entry |= {"prediction": outcome.prediction, "probabilities": outcome.probabilities}
        if outcome.reasons:
            entry["reasons"] = [reason._asdict() for reason in outcome.reasons]
    else:
        entry |= {
            "written": str(outcome.written),
            "ticks_per_quarter": outcome.music.resolution,
            "counts": outcome.counts,
            "confidence": outcome.confidence,
        }
        if outcome.prediction is not None:
            entry |= {"prediction": outcome.prediction, "probabilities": outcome.probabilities}
        if outcome.chords:
            entry |= {"chords": [chord._asdict() for chord in outcome.chords]}
    return {**entry, "skipped": outcome.skipped or None}


def _notes(outcome: Outcome, classes: Sequence[str]) -> Iterator[str]:
    """Notes by rising onset and pitch as JSON, a lump at a time: onset and duration in ticks, onset in seconds too."""
    assert outcome.music is not None
    assert outcome.predictions is not None
    names = [*classes, None]
    order = np.lexsort((outcome.music.notes["pitch"], outcome.music.notes["onset"]))
    for first in range(0, len(order), _LUMP):
        chosen = order[first : first + _LUMP]
        notes = outcome.music.notes[chosen]
        columns = zip(
            notes["onset"].tolist(),
            outcome.music.seconds(notes["onset"]).round(4).tolist(),
            notes["duration"].tolist(),
            notes["pitch"].tolist(),
            outcome.predictions.classes[chosen].tolist(),
            outcome.predictions.confidence[chosen].astype(np.float64).round(4).tolist(),
            strict=True,
        )
        yield ",".join(
            "\n"
            + json.dumps(
                {
                    "onset": onset,
                    "seconds": seconds,
                    "duration": duration,
                    "pitch": pitch,
                    "class": names[kind],
                    "confidence": None if math.isnan(confidence) else confidence,
                },
                ensure_ascii=False,
            )
            for onset, seconds, duration, pitch, kind, confidence in columns
        )


def _opened(path: Path, flag: str, newline: str | None = None) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("w", encoding="utf-8", errors="backslashreplace", newline=newline)
    except OSError as error:
        raise ConfigError(f"{flag} {path} cannot be written ({error.strerror}).") from error
