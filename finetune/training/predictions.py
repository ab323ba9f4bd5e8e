"""Predictions for single test pieces: kept as a table, so that errors can be seen and runs compared piece by piece."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.toolkit.safewrite import write
from finetune.tasks.data import TaskData
from finetune.tasks.metrics import Counts
from symbolic.documents import as_csv, csv_text
from symbolic.errors import ConfigError
from symbolic.features.stats import softmax

FILE = "predictions.csv"
Row = dict[str, str]
"""A line of the table: "piece"; then "true", "predicted" and "p CLASS", or "notes" and "right" at note level."""


def predicted(data: TaskData, side: str, logits: Iterable[NDArray[Any]]) -> tuple[Counts, list[Row]]:
    """Return confusion matrices of a side, and a row for each of its pieces.

    Args:
        data: The task's pieces.
        side: The side.
        logits: For each of its pieces (N, C) of notes, or (C,) of the piece. One at a time is in memory.

    Returns:
        (G, C, C) counts by song group, and the rows in the order of pieces.
    """
    classes, rows = [], []
    for piece, one in zip(data.splits[side], logits, strict=True):
        classes.append(np.asarray(one.argmax(axis=-1)))
        key = data.shards.pieces[piece].key
        rows.append(_row(key, data.task.classes, data.truth(piece), classes[-1], one))
    return data.counts(side, classes), rows


def _row(
    key: str, names: Sequence[str], truth: NDArray[Any], found: NDArray[Any], logits: NDArray[Any]
) -> Row:
    if truth.ndim:
        known = truth >= 0
        return {
            "piece": key,
            "notes": str(int(known.sum())),
            "right": str(int((truth == found)[known].sum())),
        }
    chances = softmax(logits.astype(np.float64))
    return {
        "piece": key,
        "true": names[int(truth)],
        "predicted": names[int(found)],
        **{f"p {name}": f"{chance:.6f}" for name, chance in zip(names, chances, strict=True)},
    }


def mistakes_first(rows: Iterable[Row]) -> list[Row]:
    """Return rows in order of their errors: of pieces the most confident error first, of notes the lowest accuracy."""
    return sorted(rows, key=_merit)


def confidence(row: Row) -> float:
    """Return the probability of the predicted class of a piece, or the accuracy of its notes."""
    if "predicted" in row:
        return float(row[f"p {row['predicted']}"])
    return int(row["right"]) / max(1, int(row["notes"]))


def _merit(row: Row) -> tuple[bool, float]:
    if "predicted" not in row:
        return True, confidence(row)
    right = row["true"] == row["predicted"]
    return right, confidence(row) if right else -confidence(row)


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as CSV, complete or not at all."""
    columns = list(rows[0])
    write(path, as_csv(columns, ([row[name] for name in columns] for row in rows)))


def read_rows(path: Path) -> list[Row]:
    """Read what `write_rows` wrote; an empty list if there is no such file.

    Raises:
        ConfigError: If it is damaged.
    """
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if any(None in row or None in row.values() for row in rows):
        raise ConfigError(f"{path} is damaged: its lines differ in length. Restore it from a copy.")
    return [{name: csv_text(cell) for name, cell in row.items()} for row in rows]


def numbered(rows: Iterable[Row], name: str, number: int) -> Iterator[Row]:
    """Yield rows with a first column, such as the seed that they are of."""
    for row in rows:
        yield {name: str(number), **row}
