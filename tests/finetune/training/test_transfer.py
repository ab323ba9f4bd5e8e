"""A run on another task's test pieces: what it may answer, what it may not be asked, and where it is told."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from finetune_helpers import write_folder
from made import DATA, needs
from variants import refused, variants_of_json

from data.corpora import open_corpus
from finetune.report.results_page import results_page
from finetune.report.sections import read_sections
from finetune.settings import FinetuneSettings, TransferSettings
from finetune.tasks import TASKS, Task, note_task
from finetune.tasks.data import TaskData
from finetune.tasks.folds import prepared
from finetune.tasks.melody import MELODY_FILES
from finetune.tasks.metrics import unpack_counts
from finetune.training.run import finetune
from finetune.training.transfer import merged_classes, transfer
from finetune.training.weights import InitialWeights
from symbolic.checkpoint.format import load_checkpoint, save_checkpoint
from symbolic.errors import ConfigError, LeakError
from symbolic.predict.network import load_model
from symbolic.tokens.tokenizer import Tokenizer

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def task(folder: Path) -> Task:
    return note_task(folder, ["MELODY", "PIANO"])


@pytest.fixture(scope="module")
def run(
    task: Task,
    folder: Path,
    source: InitialWeights,
    tmp_path_factory: pytest.TempPathFactory,
    own_cache: None,
) -> Path:
    """Two seeds of a run on the folder's tunes."""
    out = tmp_path_factory.mktemp("runs") / "tunes"
    settings = FinetuneSettings.of(
        checkpoint=str(folder.parent / "nano"),
        epochs=0.5,
        tokens_per_batch=1024,
        jobs=0,
        seeds=2,
        out=str(out),
    )
    finetune(settings.having(root=str(folder)), task)
    return out


def settings_of(run: Path, **changes: Any) -> TransferSettings:
    return TransferSettings.of(run=str(run), jobs=0, **changes)


def test_a_run_of_hand_made_features_is_scored(task: Task, folder: Path, tmp_path: Path) -> None:
    settings = FinetuneSettings.of(method="features", jobs=0, out=str(tmp_path / "run"))
    finetune(settings.having(root=str(folder)), task)
    other = write_folder(tmp_path / "other", 16)
    record = transfer(settings_of(tmp_path / "run").having(root=str(other)), task)
    data = prepared(task, str(other), Tokenizer(), settings.data)
    model, _, _ = load_model(tmp_path / "run" / "seed-0" / "checkpoint")
    [counts] = unpack_counts(record["test_counts"])
    np.testing.assert_array_equal(counts, data.evaluate(model.classes, "test"))


def test_every_seed_is_scored_on_the_other_tasks_test_pieces(
    run: Path, task: Task, folder: Path, tmp_path: Path
) -> None:
    other = write_folder(tmp_path / "other", 16)
    record = transfer(settings_of(run, results=str(tmp_path / "results")).having(root=str(other)), task)
    data = prepared(task, str(other), Tokenizer(), settings_of(run).data)
    by_hand = []
    for seed in (0, 1):
        model, _, _ = load_model(run / f"seed-{seed}" / "checkpoint")
        by_hand.append(data.evaluate(model.classes, "test"))
    np.testing.assert_array_equal(unpack_counts(record["test_counts"]), np.stack(by_hand))
    right = [counts.sum(axis=0).trace() / counts.sum() for counts in by_hand]
    assert record["test"]["accuracy"]["mean"] == pytest.approx(np.mean(right))
    assert record["split"]["test"] == len(data.splits["test"])

    results = tmp_path / "results"
    [section] = read_sections(results)
    assert section.runs == []
    assert len(section.transfers) == 1
    page = results_page(results).markdown()
    assert "## Summary" not in page
    token = next(line for line in page.splitlines() if "trained on 'note'" in line)
    assert f"| {100 * np.mean(right):.1f} ± " in token
    assert str(tmp_path) not in token


def test_classes_that_count_as_one_are_added_up() -> None:
    melody, voice = TASKS["melody"], TASKS["voice"]
    assert merged_classes(melody.describe(), voice) == (0, 0, 1)
    assert merged_classes(melody.describe(), MELODY_FILES) == (0, 1, 2)
    learnt = {**melody.describe(), "one_piano": False, "name": "hand", "classes": ["a", "b"]}
    with pytest.raises(ConfigError, match="can be answered by: melody") as error:
        merged_classes(learnt, voice)
    assert "do not read music in the same way" in str(error.value)
    with pytest.raises(ConfigError, match="hides velocity, which the run was trained to see"):
        merged_classes({**melody.describe(), "hide": []}, replace(MELODY_FILES, hide=("velocity",)))


def test_pieces_that_a_run_was_trained_on_are_refused_or_marked(
    run: Path, task: Task, tmp_path: Path
) -> None:
    other = write_folder(tmp_path / "other")
    table = (other / "labels.csv").read_text(encoding="utf-8")
    sides = {"train": "test", "test": "train", "valid": "valid"}
    lines = [
        ",".join([*line.split(",")[:2], sides.get(line.split(",")[2], "split")]) for line in table.split()
    ]
    (other / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(LeakError, match="were seen"):
        transfer(settings_of(run).having(root=str(other)), task)
    record = transfer(settings_of(run, allow_leaks=True).having(root=str(other)), task)
    assert record["leaks"]["leaky"] is True


def test_what_is_no_whole_run_is_refused(run: Path, task: Task, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no record of `finetune`"):
        transfer(settings_of(tmp_path).having(root=str(folder)), task)
    (tmp_path / "record.json").write_text('{"files": {}, "history": []}')  # of `pretrain`
    with pytest.raises(ConfigError, match="holds no record of `finetune`"):
        transfer(settings_of(tmp_path).having(root=str(folder)), task)
    scored = transfer(
        settings_of(run, results=str(tmp_path)).having(root=str(write_folder(tmp_path / "other", 16))), task
    )
    with pytest.raises(ConfigError, match="holds no record of `finetune`"):
        transfer(settings_of(Path(scored["file"]).parent).having(root=str(folder)), task)
    folds = replace(task, protocols=(replace(task.protocols[0], name="folds", folds=5),))
    with pytest.raises(ConfigError, match="--protocol folds: a run is transferred to one test side"):
        transfer(settings_of(run).having(root=str(folder)), folds)


def test_changed_records_are_scored_or_refused(
    run: Path, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write_folder(tmp_path / "other", 16)
    copied = shutil.copytree(run, tmp_path / "runs" / "run")
    settings = settings_of(copied, allow_leaks=True).having(root=str(other))
    data = prepared(task, str(other), Tokenizer(), settings.data)
    counts = np.ones((len(data.splits["test"]), 2, 2), dtype=np.int64)
    monkeypatch.setattr("finetune.tasks.metrics.SAMPLES", 10)
    monkeypatch.setattr("finetune.training.transfer.prepared", lambda *_: data)
    monkeypatch.setattr("finetune.training.transfer.task_model", lambda *_: Mock())
    monkeypatch.setattr(TaskData, "evaluate", lambda *_: counts)

    record = copied / "record.json"
    variants = variants_of_json(json.loads(record.read_text()))
    assert refused(record, variants, lambda: transfer(settings, task), 199) > 5


def test_what_is_not_known_to_be_unseen_is_refused_or_told(task: Task, folder: Path, tmp_path: Path) -> None:
    unknown = load_checkpoint(folder.parent / "nano")
    save_checkpoint(tmp_path / "unknown", unknown.build_backbone(), unknown.tokenizer)
    settings = FinetuneSettings.of(
        checkpoint=str(tmp_path / "unknown"), epochs=0.5, jobs=0, allow_leaks=True, out=str(tmp_path / "run")
    )
    finetune(settings.having(root=str(folder)), task)
    assert load_checkpoint(tmp_path / "run" / "seed-0" / "checkpoint").pretrained_on is None
    other = write_folder(tmp_path / "other", 16)
    with pytest.raises(LeakError, match="does not record what it was pretrained on"):
        transfer(settings_of(tmp_path / "run").having(root=str(other)), task)
    record = transfer(settings_of(tmp_path / "run", allow_leaks=True).having(root=str(other)), task)
    assert record["leaks"]["leaky"] is None


@needs("pop909")
def test_files_of_pop909_as_they_are_differ_in_bars_and_in_nothing_else() -> None:
    repaired, plain = open_corpus("pop909", DATA), open_corpus("pop909", DATA, beats=False)
    assert repaired.options() == {}
    assert plain.options() == {"beats": False}
    piece = repaired.pieces()[0]
    music = plain.read(piece)
    one, other = (corpus.interpret(piece, music) for corpus in (repaired, plain))
    np.testing.assert_array_equal(one.note_labels["melody"], other.note_labels["melody"])
    np.testing.assert_array_equal(one.music.notes["pitch"], other.music.notes["pitch"])
    assert not np.array_equal(one.music.time_signatures, other.music.time_signatures)
