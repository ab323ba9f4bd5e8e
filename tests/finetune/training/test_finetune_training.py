"""One seed: it learns, repeats itself, goes on where it stopped, and is saved and loaded as it was."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from finetune_helpers import NANO, PLAN, trained_in_two_goes, tune

from data.batches import StepBatches
from data.toolkit.precision import usual_precision
from data.windows import make_windows
from finetune.settings import METHODS, FinetuneSettings
from finetune.tasks.data import TaskData
from finetune.training.model import build_model
from finetune.training.module import TaskModule
from finetune.training.result import SeedResult
from finetune.training.seed import schedule, train_seed
from finetune.training.weights import InitialWeights
from symbolic.adapters import METHODS as ADAPTERS
from symbolic.adapters import weights_fingerprint
from symbolic.errors import CheckpointError, ConfigError
from symbolic.music.piano import as_one_piano
from symbolic.predict.network import load_model

pytestmark = pytest.mark.usefixtures("own_cache")


def _module(data: TaskData, source: InitialWeights, method: str = "full") -> TaskModule:
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


def test_it_learns_dances_piece_by_piece(dances: TaskData, source: InitialWeights, tmp_path: Path) -> None:
    result = train_seed(dances, source, replace(PLAN, epochs=6), 0, tmp_path / "seed", {})
    assert result.summary["valid"]["accuracy"] == 1.0
    assert result.counts["test"].sum() == len(dances.splits["test"])
    assert 0 <= result.summary["test"]["window_accuracy"] <= 1


def test_shuffled_labels_teach_nothing(notes: TaskData, source: InitialWeights, tmp_path: Path) -> None:
    labels = np.random.default_rng(0).permutation(notes.labels)
    result = train_seed(replace(notes, labels=labels), source, PLAN, 0, tmp_path / "seed", {})
    assert abs(result.summary["test"]["accuracy"] - 0.5) < 0.1


def test_scoring_twice_gives_the_same_digits(notes: TaskData, trained: tuple[SeedResult, Path]) -> None:
    model, _, _ = load_model(trained[1] / "checkpoint")
    first, second = (notes.evaluate(model.classes, "test") for _ in range(2))
    assert (first == second).all()
    assert (first == trained[0].counts["test"]).all()


def test_a_run_that_is_only_tried_meets_the_test_pieces_when_it_is_chosen(
    dances: TaskData, source: InitialWeights, tmp_path: Path
) -> None:
    whole = train_seed(dances, source, PLAN, 0, tmp_path / "whole", {})
    tried = train_seed(dances, source, PLAN, 0, tmp_path / "tried", {}, ["valid"])
    assert set(tried.counts) == {"valid"}
    assert "test" not in tried.summary
    assert train_seed(dances, source, PLAN, 0, tmp_path / "tried", {}, ["valid"]).summary == tried.summary
    chosen = train_seed(dances, source, PLAN, 0, tmp_path / "tried", {})
    assert chosen.summary == {**whole.summary, "cost": tried.summary["cost"]}
    assert all((chosen.counts[split] == whole.counts[split]).all() for split in ("valid", "test"))


def test_a_tried_run_is_scored_or_trained_again_wherever_it_was_left(
    dances: TaskData, source: InitialWeights, tmp_path: Path
) -> None:
    plan = replace(PLAN, epochs=1)
    whole = train_seed(dances, source, plan, 0, tmp_path / "whole", {})
    tried = train_seed(dances, source, plan, 0, tmp_path / "tried", {}, ["valid"])
    # Killed between the two files, counts know the test pieces and the summary does not.
    replace(tried, counts=whole.counts).save(tmp_path / "tried")
    chosen = train_seed(dances, source, plan, 0, tmp_path / "tried", {})
    assert chosen.summary["test"] == whole.summary["test"]
    # Tried in vain, it has no checkpoint any more.
    tried.save(tmp_path / "tried")
    shutil.rmtree(tmp_path / "tried" / "checkpoint")
    again = train_seed(dances, source, plan, 0, tmp_path / "tried", {})
    assert again.summary["test"] == whole.summary["test"]
    assert (tmp_path / "tried" / "checkpoint").is_dir()


def test_the_kept_checkpoint_is_the_best_on_validation(trained: tuple[SeedResult, Path]) -> None:
    history = trained[0].summary["history"]
    highest = [e for e in history if e["valid_accuracy"] == max(e["valid_accuracy"] for e in history)]
    best = min(highest, key=lambda entry: entry["valid_loss"])
    assert trained[0].summary["best_step"] == best["step"]


def test_a_done_seed_is_not_trained_again(
    notes: TaskData, source: InitialWeights, trained: tuple[SeedResult, Path]
) -> None:
    again = train_seed(notes, source, replace(PLAN, lr=1.0), 0, trained[1], {})
    assert again.summary == json.loads(json.dumps(trained[0].summary))


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is an accelerator")
def test_an_absent_gpu_is_refused_in_words(notes: TaskData, source: InitialWeights, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no GPU"):
        train_seed(notes, source, replace(PLAN, accelerator="gpu"), 0, tmp_path / "seed", {})


def test_an_interrupted_run_has_no_more_patience_than_another(
    notes: TaskData, source: InitialWeights, tmp_path: Path
) -> None:
    stuck = replace(PLAN, lr=1e-12, patience=1)
    whole = train_seed(notes, source, stuck, 0, tmp_path / "whole", {})
    resumed = trained_in_two_goes(notes, source, stuck, tmp_path / "seed", validations=1)
    assert resumed.summary["history"] == whole.summary["history"]


def test_a_run_that_is_cut_off_while_it_is_scored_trains_no_longer_than_another(
    notes: TaskData, source: InitialWeights, tmp_path: Path, monkeypatch: Any
) -> None:
    """It stopped for want of patience, of which what it has kept knows nothing."""
    stuck = replace(PLAN, lr=1e-12, patience=1)
    whole = train_seed(notes, source, stuck, 0, tmp_path / "whole", {})
    assert len(whole.summary["history"]) < PLAN.epochs

    def cut(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("finetune.training.seed.score_seed", cut)
        with pytest.raises(KeyboardInterrupt):
            train_seed(notes, source, stuck, 0, tmp_path / "seed", {})
    resumed = train_seed(notes, source, stuck, 0, tmp_path / "seed", {})
    assert resumed.summary["history"] == whole.summary["history"]
    assert {path.name for path in (tmp_path / "seed").iterdir()} == {
        path.name for path in (tmp_path / "whole").iterdir()
    }


def test_an_interrupted_run_ends_as_if_never_interrupted(
    notes: TaskData, source: InitialWeights, trained: tuple[SeedResult, Path], tmp_path: Path
) -> None:
    resumed = trained_in_two_goes(notes, source, PLAN, tmp_path / "seed", validations=2)
    assert resumed.summary["history"] == trained[0].summary["history"]
    before, _, _ = load_model(trained[1] / "checkpoint")
    after, _, _ = load_model(tmp_path / "seed" / "checkpoint")
    pairs = zip(before.parameters(), after.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("level", ["notes", "dances"])
def test_what_stands_in_padding_changes_no_score(level: str, source: InitialWeights, request: Any) -> None:
    data: TaskData = request.getfixturevalue(level)
    module = _module(data, source).eval()
    batch = _batch(data)
    tokens = torch.cat([batch.tokens, torch.zeros_like(batch.tokens[:, :5])], dim=1)
    noise = torch.randint(4, 20, tokens[:, -5:].shape)
    attention_mask = torch.cat([batch.attention_mask, torch.zeros_like(batch.attention_mask[:, :5])], dim=1)
    changed = torch.cat([tokens[:, :-5], noise], dim=1)
    plain, noisy = (
        batch._replace(tokens=r, attention_mask=attention_mask, padded=True) for r in (tokens, changed)
    )
    assert (module.targets(plain) == module.targets(noisy)).all()
    with torch.no_grad():
        assert torch.equal(module.training_step(plain, 0), module.training_step(noisy, 0))
        ours, theirs = (module.model(b.tokens, b.attend) for b in (plain, batch))
    assert torch.allclose(ours[:, : theirs.shape[1]] if level == "notes" else ours, theirs, atol=1e-5)


def test_targets_are_the_labels_of_the_rows(notes: TaskData, source: InitialWeights) -> None:
    module, batch = _module(notes, source), _batch(notes)
    targets = module.targets(batch)
    for window, (start, attention_mask) in enumerate(
        zip(batch.start.tolist(), batch.attention_mask, strict=True)
    ):
        length = int(attention_mask.sum())
        assert targets[window, :length].tolist() == notes.labels[start : start + length].tolist()
        assert (targets[window, length:] == -1).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_method_trains_its_own_parameters_and_is_loaded_as_it_was(
    method: str, notes: TaskData, source: InitialWeights, tmp_path: Path
) -> None:
    before = weights_fingerprint(source.backbone())
    result = train_seed(notes, source, replace(PLAN, method=method, epochs=1), 0, tmp_path / "seed", {})
    model, _, task = load_model(tmp_path / "seed" / "checkpoint")
    assert (weights_fingerprint(model.backbone) == before) == (method != "full")
    assert task["classes"] == ["MELODY", "PIANO"]
    cost = result.summary["cost"]
    assert 0 < cost["trained_parameters"] <= cost["parameters"]
    if adapter := model.backbone.adapter:
        head = sum(p.numel() for name, p in model.named_parameters() if not name.startswith("backbone."))
        assert cost["kept_parameters"] == head + adapter.count()
    assert (cost.get("kept_parameters", cost["trained_parameters"]) < cost["trained_parameters"]) == (
        method == "prefix"
    )
    if method in ("lora", "adapter"):
        assert cost["saved_bytes"] < (tmp_path / "seed" / "checkpoint" / "model.safetensors").stat().st_size


def test_a_probe_is_not_mistaken_for_a_head_on_the_last_layer(
    notes: TaskData, source: InitialWeights, tmp_path: Path
) -> None:
    from symbolic import load

    train_seed(notes, source, replace(PLAN, method="probe", epochs=1), 0, tmp_path / "seed", {})
    checkpoint = tmp_path / "seed" / "checkpoint"
    music = tune(3)
    model, tokenizer, task = load_model(checkpoint)
    found = load(checkpoint)(music)
    tokens = tokenizer.encode(as_one_piano(music), hide=task["hide"])
    assert model.layers is not None
    np.testing.assert_array_equal(found.classes[tokens.note_index], model.classes(tokens.ids))


def test_a_checkpoint_without_a_task_predicts_nothing(source: InitialWeights, folder: Path) -> None:
    with pytest.raises(CheckpointError, match="not fine-tuned"):
        load_model(folder.parent / "nano")


def test_a_run_ends_with_a_validation_and_small_corpora_are_passed_more_often() -> None:
    assert schedule(per_epoch=100, epochs=3, usual=9) == (300, 100)
    assert schedule(per_epoch=100, epochs=None, usual=9) == (900, 100)
    assert schedule(per_epoch=1, epochs=None, usual=9) == (300, 10)
    steps, interval = schedule(per_epoch=7, epochs=0.5, usual=9)
    assert steps % interval == 0


def test_precision_is_as_asked_for_and_told(notes: TaskData, source: InitialWeights, tmp_path: Path) -> None:
    short = replace(PLAN, epochs=0.5)
    usual = train_seed(notes, source, short, 0, tmp_path / "usual", {})
    coarse = train_seed(notes, source, replace(short, precision="bf16-mixed"), 0, tmp_path / "coarse", {})
    assert [run.summary["cost"]["precision"] for run in (usual, coarse)] == [
        usual_precision("cpu"),
        "bf16-mixed",
    ]
    losses = [run.summary["history"][0]["train_loss"] for run in (usual, coarse)]
    assert 0 < abs(losses[0] - losses[1]) < 0.05


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"(?s)--seeds 0.*--precision fp8"):
        FinetuneSettings.of(precision="fp8", seeds=0)
