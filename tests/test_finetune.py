"""Training and scoring: learns, repeats itself, goes on where it stopped, and never scores what it may not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from finetune_helpers import NANO, nano_checkpoint, tune, write_folder

from data.batches import StepBatches
from data.corpora import CORPORA, Piece
from data.corpora.folder import FolderCorpus
from data.settings import PrepareSettings
from data.windows import make_windows
from finetune import run, training
from finetune.config import METHODS, TrainSettings
from finetune.metrics import unpack_counts
from finetune.model import build_model, load_model
from finetune.module import TaskModule
from finetune.outcome import SeedResult
from finetune.run import finetune, guard, prepared
from finetune.source import Source, open_source
from finetune.taskdata import TaskData
from finetune.tasks import Protocol, Task, note_task, sequence_task
from finetune.training import Plan, schedule, train_seed
from symbolic.adapters import METHODS as ADAPTERS
from symbolic.adapters import weights_fingerprint
from symbolic.errors import CheckpointError, ConfigError, LeakError
from symbolic.files import write_midi
from symbolic.tokenizer import Tokenizer

PLAN = Plan("full", lr=1e-2, epochs=3, rows_per_batch=1024, patience=9, accelerator="cpu")


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERPOINT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("finetune") / "tunes")


@pytest.fixture(scope="module")
def source(folder: Path) -> Source:
    return open_source(nano_checkpoint(folder.parent / "nano"), "tiny")


@pytest.fixture(scope="module")
def notes(folder: Path, source: Source) -> TaskData:
    return prepared(
        note_task(folder, ["MELODY", "PIANO"]), str(folder), source.tokenizer, PrepareSettings(jobs=0)
    )


@pytest.fixture(scope="module")
def dances(folder: Path, source: Source) -> TaskData:
    return prepared(sequence_task(folder), str(folder), source.tokenizer, PrepareSettings(jobs=0))


@pytest.fixture(scope="module")
def trained(notes: TaskData, source: Source, folder: Path) -> tuple[SeedResult, Path]:
    out = folder.parent / "trained"
    return train_seed(notes, source, PLAN, 0, out, {}), out


def _module(data: TaskData, source: Source, method: str = "full") -> TaskModule:
    torch.manual_seed(0)
    model = build_model(source.backbone(), data.task, method)
    return TaskModule(model, data.labels, classes=2, steps=10, lr=1e-2)


def _batch(data: TaskData, split: str = "train") -> Any:
    windows = make_windows(data.shards, data.splits[split], NANO.window)
    return StepBatches(data.shards, windows, 1024, seed=1)[0]


def test_every_method_but_full_and_probe_is_a_registered_adapter() -> None:
    assert set(METHODS) - {"full", "probe"} <= set(ADAPTERS)


def test_it_learns_which_notes_are_melody(trained: tuple[SeedResult, Path]) -> None:
    assert trained[0].summary["test"]["accuracy"] > 0.9


def test_it_learns_dances_piece_by_piece(dances: TaskData, source: Source, tmp_path: Path) -> None:
    result = train_seed(dances, source, replace(PLAN, epochs=6), 0, tmp_path / "seed", {})
    assert result.summary["valid"]["accuracy"] == 1.0
    assert result.counts["test"].sum() == len(dances.splits["test"])
    assert 0 <= result.summary["test"]["window_accuracy"] <= 1


def test_shuffled_labels_teach_nothing(notes: TaskData, source: Source, tmp_path: Path) -> None:
    labels = np.random.default_rng(0).permutation(notes.labels)
    result = train_seed(replace(notes, labels=labels), source, PLAN, 0, tmp_path / "seed", {})
    assert abs(result.summary["test"]["accuracy"] - 0.5) < 0.1


def test_scoring_twice_gives_the_same_digits(notes: TaskData, trained: tuple[SeedResult, Path]) -> None:
    model, _, _ = load_model(trained[1] / "checkpoint")
    first, second = (notes.evaluate(model.classes, "test") for _ in range(2))
    assert (first == second).all()
    assert (first == trained[0].counts["test"]).all()


def test_the_kept_checkpoint_is_the_best_on_validation(trained: tuple[SeedResult, Path]) -> None:
    history = trained[0].summary["history"]
    highest = [e for e in history if e["valid_accuracy"] == max(e["valid_accuracy"] for e in history)]
    best = min(highest, key=lambda entry: entry["valid_loss"])
    assert trained[0].summary["best_step"] == best["step"]


def test_a_done_seed_is_not_trained_again(
    notes: TaskData, source: Source, trained: tuple[SeedResult, Path]
) -> None:
    again = train_seed(notes, source, replace(PLAN, lr=1.0), 0, trained[1], {})
    assert again.summary == json.loads(json.dumps(trained[0].summary))


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is an accelerator")
def test_an_absent_gpu_is_refused_in_words(notes: TaskData, source: Source, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no GPU"):
        train_seed(notes, source, replace(PLAN, accelerator="gpu"), 0, tmp_path / "seed", {})


def test_an_interrupted_run_has_no_more_patience_than_another(
    notes: TaskData, source: Source, tmp_path: Path, monkeypatch: Any
) -> None:
    stuck = replace(PLAN, lr=1e-12, patience=1)
    whole = train_seed(notes, source, stuck, 0, tmp_path / "whole", {})
    save: Callable[..., None] = training._Keeper.on_validation_end
    with monkeypatch.context() as patch:

        def killed(self: Any, trainer: Any, module: Any) -> None:
            save(self, trainer, module)
            raise InterruptedError

        patch.setattr(training._Keeper, "on_validation_end", killed)
        with pytest.raises(InterruptedError):
            train_seed(notes, source, stuck, 0, tmp_path / "seed", {})
    resumed = train_seed(notes, source, stuck, 0, tmp_path / "seed", {})
    assert resumed.summary["history"] == whole.summary["history"]


def test_an_interrupted_run_ends_as_if_never_interrupted(
    notes: TaskData, source: Source, trained: tuple[SeedResult, Path], tmp_path: Path, monkeypatch: Any
) -> None:
    save: Callable[..., None] = training._Keeper.on_validation_end
    with monkeypatch.context() as patch:

        def killed(self: Any, trainer: Any, module: Any) -> None:
            save(self, trainer, module)
            if len(module.history) == 2:
                raise InterruptedError

        patch.setattr(training._Keeper, "on_validation_end", killed)
        with pytest.raises(InterruptedError):
            train_seed(notes, source, PLAN, 0, tmp_path / "seed", {})
    resumed = train_seed(notes, source, PLAN, 0, tmp_path / "seed", {})
    assert resumed.summary["history"] == trained[0].summary["history"]
    before, _, _ = load_model(trained[1] / "checkpoint")
    after, _, _ = load_model(tmp_path / "seed" / "checkpoint")
    pairs = zip(before.parameters(), after.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("level", ["notes", "dances"])
def test_what_stands_in_padding_changes_no_score(level: str, source: Source, request: Any) -> None:
    data: TaskData = request.getfixturevalue(level)
    module = _module(data, source).eval()
    batch = _batch(data)
    rows = torch.cat([batch.rows, torch.zeros_like(batch.rows[:, :5])], dim=1)
    noise = torch.randint(4, 20, rows[:, -5:].shape)
    real = torch.cat([batch.real, torch.zeros_like(batch.real[:, :5])], dim=1)
    changed = torch.cat([rows[:, :-5], noise], dim=1)
    plain, noisy = (batch._replace(rows=r, real=real, padded=True) for r in (rows, changed))
    assert (module.targets(plain) == module.targets(noisy)).all()
    with torch.no_grad():
        assert torch.equal(module.training_step(plain, 0), module.training_step(noisy, 0))
        ours, theirs = (module.model(b.rows, b.attend) for b in (plain, batch))
    assert torch.allclose(ours[:, : theirs.shape[1]] if level == "notes" else ours, theirs, atol=1e-5)


def test_targets_are_the_labels_of_the_rows(notes: TaskData, source: Source) -> None:
    module, batch = _module(notes, source), _batch(notes)
    targets = module.targets(batch)
    for window, (start, real) in enumerate(zip(batch.start.tolist(), batch.real, strict=True)):
        length = int(real.sum())
        assert targets[window, :length].tolist() == notes.labels[start : start + length].tolist()
        assert (targets[window, length:] == -1).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_method_trains_its_own_parameters_and_is_loaded_as_it_was(
    method: str, notes: TaskData, source: Source, tmp_path: Path
) -> None:
    before = weights_fingerprint(source.backbone())
    result = train_seed(notes, source, replace(PLAN, method=method, epochs=1), 0, tmp_path / "seed", {})
    model, _, task = load_model(tmp_path / "seed" / "checkpoint")
    assert (weights_fingerprint(model.backbone) == before) == (method != "full")
    assert task["classes"] == ["MELODY", "PIANO"]
    cost = result.summary["cost"]
    assert 0 < cost["trained_parameters"] <= cost["parameters"]
    if method in ("lora", "adapter"):
        assert cost["saved_bytes"] < (tmp_path / "seed" / "checkpoint" / "model.safetensors").stat().st_size


def test_a_probe_is_not_mistaken_for_a_head_on_the_last_layer(
    notes: TaskData, source: Source, tmp_path: Path
) -> None:
    from symbolic import load

    train_seed(notes, source, replace(PLAN, method="probe", epochs=1), 0, tmp_path / "seed", {})
    with pytest.raises(ConfigError, match="none"):
        load(tmp_path / "seed" / "checkpoint").note_logits(notes.rows(0))


def test_a_checkpoint_without_a_task_predicts_nothing(source: Source, folder: Path) -> None:
    with pytest.raises(CheckpointError, match="not fine-tuned"):
        load_model(folder.parent / "nano")


def test_a_run_ends_with_a_validation_and_small_corpora_are_passed_more_often() -> None:
    assert schedule(per_epoch=100, epochs=3, usual=9) == (300, 100)
    assert schedule(per_epoch=100, epochs=None, usual=9) == (900, 100)
    assert schedule(per_epoch=1, epochs=None, usual=9) == (300, 10)
    steps, interval = schedule(per_epoch=7, epochs=0.5, usual=9)
    assert steps % interval == 0


def _settings(folder: Path, checkpoint: Path, **changes: Any) -> TrainSettings:
    values: dict[str, Any] = {
        "checkpoint": str(checkpoint),
        "epochs": 0.5,
        "rows_per_batch": 1024,
        "jobs": 0,
        "accelerator": "cpu",
        "out": str(folder),
    }
    return TrainSettings(**{**values, **changes})


@pytest.fixture(scope="module")
def task(folder: Path) -> Task:
    return note_task(folder, ["MELODY", "PIANO"])


def test_a_test_piece_seen_in_pretraining_is_refused_or_marked(
    task: Task, notes: TaskData, folder: Path, tmp_path: Path
) -> None:
    test = notes.splits["test"]
    seen = nano_checkpoint(tmp_path / "seen", notes.shards.fingerprints[test[:1]])
    with pytest.raises(LeakError, match=notes.shards.pieces[test[0]].key):
        finetune(task, str(folder), _settings(tmp_path / "run", seen))
    assert not (tmp_path / "run").exists()
    record = finetune(task, str(folder), _settings(tmp_path / "run", seen, allow_leaks=True))
    assert record["leaks"]["leaky"] is True
    assert json.loads((tmp_path / "run" / "record.json").read_text())["leaks"]["pieces"]


def test_a_run_passes_on_what_its_weights_have_seen(
    notes: TaskData, trained: tuple[SeedResult, Path]
) -> None:
    tuned = open_source(trained[1] / "checkpoint", "tiny")
    assert set(notes.shards.fingerprints[notes.splits["train"]]) == set(tuned.pretrained_on)
    assert guard(notes, tuned, allow=False)["leaky"] is False


def test_a_checkpoint_that_hides_what_it_saw_is_refused(notes: TaskData, source: Source) -> None:
    silent = replace(source, recorded=False)
    with pytest.raises(LeakError, match="does not record"):
        guard(notes, silent, allow=False)
    assert guard(notes, silent, allow=True)["leaky"] is None


def test_a_record_tells_everything_and_resuming_adds_seeds(
    task: Task, folder: Path, source: Source, tmp_path: Path
) -> None:
    nano = folder.parent / "nano"
    first = finetune(task, str(folder), _settings(tmp_path / "run", nano))
    with pytest.raises(ConfigError, match="--resume"):
        finetune(task, str(folder), _settings(tmp_path / "run", nano))
    with pytest.raises(ConfigError, match=r"--epochs was 0\.5"):
        finetune(task, str(folder), _settings(tmp_path / "run", nano, resume=True, epochs=2))
    record = finetune(task, str(folder), _settings(tmp_path / "run", nano, resume=True, seeds=2))
    assert record["seeds"][0] == json.loads(json.dumps(first["seeds"][0]))
    assert [seed["seed"] for seed in record["seeds"]] == [0, 1]
    assert record["leaks"]["leaky"] is False
    assert record["split"]["test"] == 2
    assert {floor["name"] for floor in record["floors"]} == {"majority", "note_table"}
    assert set(record["test"]) == set(task.metrics)
    assert {"command", "versions", "machine", "time"} <= set(record)
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.count("data:image/png;base64") == 1
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "").split("<body>")[1]


def test_a_run_goes_on_only_with_its_own_task_and_music(
    task: Task, folder: Path, source: Source, tmp_path: Path
) -> None:
    nano, tunes = folder.parent / "nano", write_folder(tmp_path / "tunes")
    finetune(task, str(tunes), _settings(tmp_path / "run", nano))
    again = _settings(tmp_path / "run", nano, resume=True)
    with pytest.raises(ConfigError, match="--task was 'note'"):
        finetune(sequence_task(tunes), str(tunes), again)
    write_midi(tune(99), tunes / "tune00.mid")
    with pytest.raises(ConfigError, match="changed since"):
        finetune(task, str(tunes), again)


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
    floors=("majority", "look_up"),
)


@pytest.fixture
def fifths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CORPORA, "fifths", Fifths)


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
            finetune(FOLDED, str(folder), settings, "folds")
    assert begun[:2] == ["dances, fold 1 of 5", "dances, fold 2 of 5"]
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("fold-*/seed-*/result.json")}
    assert len(done) == 7
    again = replace(settings, resume=True)
    with pytest.raises(ConfigError, match="--protocol was 'folds'"):
        finetune(FOLDED, str(folder), again, "once")
    record = finetune(FOLDED, str(folder), again, "folds")
    assert all(path.stat().st_mtime_ns == before for path, before in done.items())
    counts = unpack_counts(record["test_counts"])
    assert counts.shape == (2, 20, 2, 2)
    assert (counts.sum(axis=(2, 3)) == 1).all()
    assert (unpack_counts(record["floors"][0]["test_counts"]).sum(axis=(1, 2)) == 1).all()
    assert record["protocol"] == "folds"
    assert record["task"]["title"] == "Dances, folds"
    assert record["split"] | {"folds": None} == {
        "source": "made in fifths",
        "train": 12,
        "valid": 4,
        "test": 4,
        "folds": None,
    }
    assert [len(seed["folds"]) for seed in record["seeds"]] == [5, 5]
    scores = [fold["test"]["accuracy"] for seed in record["seeds"] for fold in seed["folds"]]
    assert record["test"]["accuracy"]["mean"] == pytest.approx(np.mean(scores))
    assert record["test"]["accuracy"]["fold_sd"] == pytest.approx(np.std(scores, ddof=1))
    assert (tmp_path / "run" / record["checkpoint"] / "config.json").is_file()


def test_the_guard_looks_into_every_fold(fifths: None, folder: Path, tmp_path: Path) -> None:
    data = prepared(FOLDED, str(folder), Tokenizer(), PrepareSettings(jobs=0), FOLDED.protocols[1], 3)
    seen = nano_checkpoint(tmp_path / "seen", data.shards.fingerprints[data.splits["test"][:1]])
    with pytest.raises(LeakError, match=data.shards.pieces[data.splits["test"][0]].key):
        finetune(FOLDED, str(folder), _settings(tmp_path / "run", seen), "folds")


def test_a_budget_trains_on_fewer_labels_and_a_kept_record_names_no_folder_of_this_machine(
    folder: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    nano, out = folder.parent / "nano", tmp_path / "results"
    monkeypatch.setattr("sys.argv", ["finetune", "sequence", str(folder), f"--from={nano}"])
    record = finetune(
        sequence_task(folder),
        str(folder),
        _settings(tmp_path / "run", nano, epochs=0.3, budget=0.2, results=str(out)),
    )
    assert record["split"]["train"] == 4
    assert record["budget"] == 0.2
    assert record["task"]["title"].endswith("20% of the labels")
    assert "processor_name" in record["machine"]
    kept = json.loads((out / "sequence-full-nano-budget0.2" / "record.json").read_text())
    assert str(tmp_path) not in json.dumps(kept)
    assert str(folder.parent) not in json.dumps(kept)
    assert kept["command"] == "finetune sequence tunes --from=nano"
    assert kept["test"] == json.loads(json.dumps(record["test"]))
