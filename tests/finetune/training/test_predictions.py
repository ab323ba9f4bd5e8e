"""Predictions for single test pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from finetune.tasks.data import TaskData
from finetune.training.predictions import FILE, confidence, predicted, read_rows, write_rows
from finetune.training.result import SeedResult

pytestmark = pytest.mark.usefixtures("own_cache")


def test_each_test_piece_has_a_row_with_probabilities(dances: TaskData, tmp_path: Path) -> None:
    logits = [np.array([2.0, 0.0])] * len(dances.splits["test"])
    counts, rows = predicted(dances, "test", logits)
    assert counts.sum() == len(rows) == len(dances.splits["test"])
    assert {row["predicted"] for row in rows} == {"reel"}
    right = sum(row["true"] == "reel" for row in rows)
    assert right == np.trace(counts.sum(axis=0))
    chance = np.exp(2) / (np.exp(2) + 1)
    assert [confidence(row) for row in rows] == pytest.approx([chance] * len(rows), abs=1e-6)
    write_rows(tmp_path / FILE, rows)
    assert read_rows(tmp_path / FILE) == rows


def test_at_note_level_a_row_counts_the_right_notes(
    notes: TaskData, trained: tuple[SeedResult, Path]
) -> None:
    result, folder = trained
    rows = read_rows(folder / FILE)
    assert rows == result.predictions
    assert [row["piece"] for row in rows] == [notes.shards.pieces[p].key for p in notes.splits["test"]]
    per_group = result.counts["test"]
    assert sum(int(row["notes"]) for row in rows) == per_group.sum()
    assert sum(int(row["right"]) for row in rows) == np.trace(per_group.sum(axis=0))
