"""Whole runs: records, seeds, folds and budgets, going on, and what may not be scored."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from finetune_helpers import nano_checkpoint, tune, write_folder

import symbolic
from data.corpora import CORPORA, Piece
from data.corpora.folder import FolderCorpus
from data.preparation.settings import PrepareSettings
from data.toolkit.results import read_results
from finetune.report.export import export
from finetune.report.tables import model_line
from finetune.settings import FinetuneSettings
from finetune.tasks import Protocol, Task, note_task, sequence_task
from finetune.tasks.data import TaskData, task_metrics
from finetune.tasks.folds import prepared
from finetune.tasks.metrics import accuracy, unpack_counts
from finetune.training import run
from finetune.training.predictions import FILE, read_rows
from finetune.training.result import SeedResult
from finetune.training.run import finetune
from finetune.training.seed import train_seed
from finetune.training.weights import InitialWeights, check_pretraining, open_weights
from symbolic.checkpoint.format import load_checkpoint, save_checkpoint
from symbolic.errors import ConfigError, LeakError
from symbolic.music.midi.writer import write_midi
from symbolic.predict.classifiers.pieces import FeatureClassifier
from symbolic.tokens.tokenizer import Tokenizer

pytestmark = pytest.mark.usefixtures("own_cache")


def _settings(folder: Path, checkpoint: Path, **changes: Any) -> FinetuneSettings:
    values: dict[str, Any] = {
        "checkpoint": str(checkpoint),
        "epochs": 0.5,
        "tokens_per_batch": 1024,
        "jobs": 0,
        "accelerator": "cpu",
        "out": str(folder),
    }
    return FinetuneSettings.of(**{**values, **changes})


@pytest.fixture(scope="module")
def task(folder: Path) -> Task:
    return note_task(folder, ["MELODY", "PIANO"])


def test_a_test_piece_seen_in_pretraining_is_refused_or_marked(
    task: Task, notes: TaskData, folder: Path, tmp_path: Path
) -> None:
    test = notes.splits["test"]
    seen = nano_checkpoint(tmp_path / "seen", notes.shards.fingerprints[test[:1]])
    with pytest.raises(LeakError, match=notes.shards.pieces[test[0]].key):
        finetune(_settings(tmp_path / "run", seen).having(root=str(folder)), task)
    assert not (tmp_path / "run").exists()
    record = finetune(_settings(tmp_path / "run", seen, allow_leaks=True).having(root=str(folder)), task)
    assert record["leaks"]["leaky"] is True
    assert json.loads((tmp_path / "run" / "record.json").read_text())["leaks"]["pieces"]


def test_a_run_passes_on_what_its_weights_have_seen(
    notes: TaskData, trained: tuple[SeedResult, Path]
) -> None:
    tuned = open_weights(trained[1] / "checkpoint", "tiny")
    assert set(notes.shards.fingerprints[notes.splits["train"]]) == set(tuned.pretrained_on)
    assert check_pretraining(notes, tuned, allow=False)["leaky"] is False


def test_a_checkpoint_that_hides_what_it_saw_is_refused(notes: TaskData, source: InitialWeights) -> None:
    silent = replace(source, recorded=False)
    with pytest.raises(LeakError, match="does not record"):
        check_pretraining(notes, silent, allow=False)
    assert check_pretraining(notes, silent, allow=True)["leaky"] is None


def test_a_record_tells_everything_and_resuming_adds_seeds(
    task: Task, folder: Path, source: InitialWeights, tmp_path: Path
) -> None:
    nano = folder.parent / "nano"
    first = finetune(_settings(tmp_path / "run", nano).having(root=str(folder)), task)
    with pytest.raises(ConfigError, match="--resume"):
        finetune(_settings(tmp_path / "run", nano).having(root=str(folder)), task)
    with pytest.raises(ConfigError, match=r"--epochs was 0\.5"):
        finetune(_settings(tmp_path / "run", nano, resume=True, epochs=2).having(root=str(folder)), task)
    record = finetune(_settings(tmp_path / "run", nano, resume=True, seeds=2).having(root=str(folder)), task)
    assert record["seeds"][0] == json.loads(json.dumps(first["seeds"][0]))
    assert [seed["seed"] for seed in record["seeds"]] == [0, 1]
    assert record["leaks"]["leaky"] is False
    assert record["split"]["test"] == 2
    assert {baseline["name"] for baseline in record["baselines"]} == {"majority", "note_table"}
    assert set(record["test"]) == set(task_metrics(task))
    assert {"command", "versions", "machine", "time"} <= set(record)
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.count("data:image/png;base64") == len(list((tmp_path / "run").glob("*.png"))) == 3
    assert "http" not in re.sub(r"base64,[^\"]*", "", page).split("<body>")[1]


def test_a_run_goes_on_only_with_its_own_task_and_music(
    task: Task, folder: Path, source: InitialWeights, tmp_path: Path
) -> None:
    nano, tunes = folder.parent / "nano", write_folder(tmp_path / "tunes")
    finetune(_settings(tmp_path / "run", nano).having(root=str(tunes)), task)
    again = _settings(tmp_path / "run", nano, resume=True)
    with pytest.raises(ConfigError, match="--task was 'note'"):
        finetune(again.having(root=str(tunes)), sequence_task(tunes))
    write_midi(tune(99), tunes / "tune00.mid")
    with pytest.raises(ConfigError, match="changed since"):
        finetune(again.having(root=str(tunes)), task)


def test_a_run_goes_on_only_with_the_weights_it_began_with(task: Task, folder: Path, tmp_path: Path) -> None:
    model = nano_checkpoint(tmp_path / "model")
    finetune(_settings(tmp_path / "run", model).having(root=str(folder)), task)
    checkpoint = load_checkpoint(model)
    backbone = checkpoint.build_backbone()
    with torch.no_grad():
        next(backbone.parameters())[0] += 1
    save_checkpoint(model, backbone, checkpoint.tokenizer, pretrained_on=[])
    with pytest.raises(ConfigError, match="model holds other weights than when"):
        finetune(_settings(tmp_path / "run", model, resume=True).having(root=str(folder)), task)


class Fifths(FolderCorpus):
    """Tunes in five folds, two tunes of each dance in every one."""

    name = "fifths"

    def __init__(self, root: str | None = None, fold: int | None = None) -> None:
        super().__init__(root, require_labels=True)
        self.fold = fold

    def pieces(self) -> list[Piece]:
        """The first twenty tunes."""
        return [
            replace(piece, split=_SIDES[(number // 2 - (self.fold or 0)) % 5])
            for number, piece in enumerate(super().pieces()[:20])
        ]

    def options(self) -> dict[str, Any]:
        """The fold."""
        return {"fold": self.fold}


_SIDES = ("test", "valid", "train", "train", "train")
FOLDED = Task(
    name="dances",
    title="Dances",
    about="dances",
    level="sequence",
    corpus="fifths",
    label="label",
    classes=("reel", "waltz"),
    protocols=(Protocol("once", "made"), Protocol("folds", "made in fifths", 5)),
    baselines=("majority", "look_up"),
)


@pytest.fixture
def fifths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CORPORA, "fifths", Fifths)


@pytest.mark.usefixtures("source")
def test_every_piece_is_tested_once_a_seed_and_an_interrupted_run_goes_on_in_the_middle_of_folds(
    fifths: None, folder: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    nano, begun = folder.parent / "nano", []
    settings = _settings(tmp_path / "run", nano, seeds=2, epochs=0.3)
    with monkeypatch.context() as patch:

        def killed(data: TaskData, *rest: Any) -> SeedResult:
            if len(begun) == 7:
                raise InterruptedError
            begun.append(data.name)
            return train_seed(data, *rest)

        patch.setattr(run, "train_seed", killed)
        with pytest.raises(InterruptedError):
            finetune(settings.having(root=str(folder), protocol="folds"), FOLDED)
    assert begun[:2] == ["dances, fold 1 of 5", "dances, fold 2 of 5"]
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("fold-*/seed-*/result.json")}
    assert len(done) == 7
    again = settings.having(resume=True)
    with pytest.raises(ConfigError, match="--protocol was 'folds'"):
        finetune(again.having(root=str(folder), protocol="once"), FOLDED)
    record = finetune(again.having(root=str(folder), protocol="folds"), FOLDED)
    assert all(path.stat().st_mtime_ns == before for path, before in done.items())
    counts = unpack_counts(record["test_counts"])
    assert counts.shape == (2, 20, 2, 2)
    assert (counts.sum(axis=(2, 3)) == 1).all()
    chosen_by = accuracy(unpack_counts(record["valid_counts"]).sum(axis=1)).mean()
    assert chosen_by == pytest.approx(record["valid"]["accuracy"]["mean"])
    assert (unpack_counts(record["baselines"][0]["test_counts"]).sum(axis=(1, 2)) == 1).all()
    assert record["protocol"] == "folds"
    assert record["task"]["title"] == "Dances, folds"
    assert record["split"] | {"folds": None} == {
        "source": "made in fifths",
        "train": 12,
        "valid": 4,
        "test": 4,
        "folds": None,
        "left_out": {},
    }
    rows = read_rows(tmp_path / "run" / FILE)
    tested = Counter((row["seed"], row["piece"]) for row in rows)
    assert len(tested) == 40
    assert set(tested.values()) == {1}
    right = np.mean([row["true"] == row["predicted"] for row in rows])
    assert right == pytest.approx(record["test"]["accuracy"]["mean"])
    sums = [float(row["p reel"]) + float(row["p waltz"]) for row in rows]
    assert sums == pytest.approx([1] * 40, abs=1e-5)
    assert {row["use"] for row in read_rows(tmp_path / "run" / "pieces.csv")} == {"folds"}
    assert [len(seed["folds"]) for seed in record["seeds"]] == [5, 5]
    scores = [fold["test"]["accuracy"] for seed in record["seeds"] for fold in seed["folds"]]
    assert record["test"]["accuracy"]["mean"] == pytest.approx(np.mean(scores))
    assert record["test"]["accuracy"]["fold_sd"] == pytest.approx(np.std(scores, ddof=1))
    assert (tmp_path / "run" / record["checkpoint"] / "config.json").is_file()


def test_features_tested_by_folds_are_fitted_to_all_pieces(
    fifths: None, folder: Path, tmp_path: Path
) -> None:
    out, settings = tmp_path / "run", PrepareSettings(jobs=0)
    features = FinetuneSettings.of(
        method="features", protocol="folds", root=str(folder), jobs=0, out=str(out)
    )
    record = finetune(features, FOLDED)
    data = prepared(FOLDED, str(folder), Tokenizer(), settings, FOLDED.protocols[1], 0)
    pieces = np.concatenate([*data.splits.values()])
    assert (record["checkpoint"], record["whole"], len(pieces)) == ("checkpoint", 20, 20)
    assert "fitted to all 20 labelled pieces. The scores are of 5 models." in model_line(record)
    model = symbolic.load(export(out, tmp_path / "dances"))
    pairs = [fold["pairs"] for fold in record["seeds"][0]["folds"]]
    assert isinstance(model, symbolic.PiecePredictor)
    assert isinstance(model.model, FeatureClassifier)
    assert (model.model.pairs is not None) == (sum(pairs) > 2)
    assert sorted(model.checkpoint.pretrained_on) == sorted(data.shards.fingerprints[pieces])
    assert model.checkpoint.chain[-1].sources[0].pieces == 20
    assert model(tune(3)).shares == {"reel": 0.5, "waltz": 0.5}
    card = (tmp_path / "dances" / "README.md").read_text()
    assert model_line(record) in card
    assert "not trained on, in per cent" not in card
    assert model_line(record) in (out / "report.html").read_text()


def test_the_guard_looks_into_every_fold(fifths: None, folder: Path, tmp_path: Path) -> None:
    data = prepared(FOLDED, str(folder), Tokenizer(), PrepareSettings(jobs=0), FOLDED.protocols[1], 3)
    seen = nano_checkpoint(tmp_path / "seen", data.shards.fingerprints[data.splits["test"][:1]])
    with pytest.raises(LeakError, match=data.shards.pieces[data.splits["test"][0]].key):
        finetune(_settings(tmp_path / "run", seen).having(root=str(folder), protocol="folds"), FOLDED)


@pytest.mark.usefixtures("source")
def test_a_budget_trains_on_fewer_labels_and_a_kept_record_names_no_folder_of_this_machine(
    folder: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    nano, out = folder.parent / "nano", tmp_path / "results"
    monkeypatch.setattr("sys.argv", ["finetune", "sequence", str(folder), f"--from={nano}"])
    record = finetune(
        _settings(tmp_path / "run", nano, epochs=0.3, budget=0.2, results=str(out)).having(root=str(folder)),
        sequence_task(folder),
    )
    assert record["split"]["train"] == 4
    assert record["budget"] == 0.2
    assert record["task"]["title"].endswith("20% of the labels")
    assert "processor_name" in record["machine"]
    [kept] = (one for one in read_results(out) if one.get("name") == "sequence-full-nano-budget0.2")
    assert str(tmp_path) not in json.dumps(kept)
    assert str(folder.parent) not in json.dumps(kept)
    assert kept["command"] == "finetune sequence tunes --from=nano"
    assert kept["test"] == json.loads(json.dumps(record["test"]))
