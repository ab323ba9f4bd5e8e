"""Tasks: complete, consistent, and made from a user's folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from finetune_helpers import write_folder

from data.corpora import CORPORA
from data.corpora.nottingham import DANCES
from data.prepare import prepare
from finetune.floors import FLOORS
from finetune.metrics import confusion_matrix
from finetune.taskdata import task_data
from finetune.tasks import TASKS, Task, View, note_task, sequence_task
from symbolic.errors import ConfigError, CorpusError, LabelError
from symbolic.tokenizer import Tokenizer


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_task_fits_its_corpus_and_states_its_floors(task: Task) -> None:
    corpus = CORPORA[task.corpus]
    if task.level == "note":
        assert tuple(corpus.note_classes[task.label]) == task.classes
    assert task.floors[0] == "majority"
    assert set(task.floors) <= set(FLOORS)
    assert set(task.metrics) == set(task.metric_titles())
    assert all(set(row.scores) <= set(task.metrics) and row.protocol for row in task.published)


def test_genre_asks_for_the_dances_of_the_corpus() -> None:
    assert set(TASKS["genre"].classes) == set(DANCES.values())


def test_the_two_class_view_of_melody_scores_melody_and_bridge_together() -> None:
    counts = confusion_matrix(np.array([0, 1, 2, 2]), np.array([1, 0, 2, 0]), 3)
    metrics = TASKS["melody"].metrics
    assert metrics["accuracy"](counts) == 0.25
    assert metrics["two_class_accuracy"](counts) == 0.75
    assert metrics["two_class_f1"](counts) == pytest.approx(0.8)


def test_all_that_is_wrong_with_a_task_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        replace(TASKS["genre"], classes=("jig", "jig"), hide=("loudness",), views=(View("v", "v", (0,)),))
    assert len(caught.value.problems) == 3


def test_classes_of_an_own_task_are_its_labels(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "tunes", 6)
    assert sequence_task(folder).classes == ("reel", "waltz")
    assert note_task(folder, ["MELODY", "PIANO"]).classes == ("MELODY", "PIANO")


def test_one_label_is_no_task(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "tunes", 6)
    table = (folder / "labels.csv").read_text().replace("reel", "waltz")
    (folder / "labels.csv").write_text(table)
    with pytest.raises(LabelError, match="two labels"):
        sequence_task(folder)


def test_a_file_without_a_label_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "tunes", 6)
    lines = (folder / "labels.csv").read_text().splitlines()
    (folder / "labels.csv").write_text("\n".join(lines[:-1]))
    with pytest.raises(LabelError, match=r"tune05\.mid"):
        sequence_task(folder)


def test_a_side_without_pieces_is_refused_with_the_remedy(tmp_path: Path) -> None:
    task = sequence_task(write_folder(tmp_path / "tunes", 6))  # all of them train
    shards = prepare(
        CORPORA["folder"](tmp_path / "tunes"), tmp_path / "shards", Tokenizer(), jobs=0, progress=False
    )
    with pytest.raises(
        CorpusError, match=r"select on or test on \(6 train, 0 valid, 0 test\).*column 'split'"
    ):
        task_data(task, shards)
