"""Hand-made features of notes that a network reads beside the tokens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from finetune_helpers import NANO, PLAN, nano_checkpoint, trained_in_two_goes, tune, write_folder

import symbolic
from data.batches import StepBatches
from data.windows import make_windows
from finetune.cli import main
from finetune.settings import FinetuneSettings
from finetune.tasks.data import TaskData
from finetune.training.model import build_model
from finetune.training.module import TaskModule
from finetune.training.note_features import fitted_note_features
from finetune.training.seed import train_seed
from finetune.training.weights import InitialWeights
from symbolic.checkpoint.format import load_checkpoint
from symbolic.documents import read_json, write_json
from symbolic.errors import CheckpointError, ConfigError
from symbolic.features.notes import note_matrix, note_names
from symbolic.predict.network import TaskModel, load_model
from symbolic.predict.note_codes import EMBEDDED_FEATURES, LEVELS, embedded_features
from symbolic.predict.note_features import NoteFeatureEmbedding
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.transposition import transpose

pytestmark = pytest.mark.usefixtures("own_cache")
EMBEDDED = replace(PLAN, note_features=True)


def test_a_code_is_a_rank_among_training_notes() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(40_000, len(EMBEDDED_FEATURES))).astype(np.float32) * np.arange(
        1, len(EMBEDDED_FEATURES) + 1
    )
    note_features = NoteFeatureEmbedding(8)
    note_features.fit([features.astype(np.float32)])
    codes = note_features.codes(features.astype(np.float32))
    assert codes.dtype == np.uint8
    assert (codes.min(), codes.max()) == (0, LEVELS - 1)
    np.testing.assert_allclose(codes.mean(axis=0), (LEVELS - 1) / 2, rtol=0.03)
    order = np.argsort(features[:, 3])
    assert (np.diff(codes[order, 3].astype(int)) >= 0).all()
    beyond = np.full((1, len(EMBEDDED_FEATURES)), 1e6, dtype=np.float32)
    assert (note_features.codes(beyond) == LEVELS - 1).all()
    assert note_features(torch.from_numpy(codes[None, :5])).shape == (1, 5, 8)


def test_no_feature_depends_on_the_key() -> None:
    tokens = Tokenizer().encode(tune(5)).ids
    assert set(note_names()) - set(EMBEDDED_FEATURES) == {"pitch"}
    np.testing.assert_array_equal(
        embedded_features(note_matrix(tokens)), embedded_features(note_matrix(transpose(tokens, -7)))
    )


def test_training_and_prediction_read_the_same_codes(notes: TaskData, source: InitialWeights) -> None:
    """The codes of the tokens of a window stand beside them, wherever it begins; those of test pieces are not kept."""
    note_features, codes = fitted_note_features(notes, NANO.dim)
    model = build_model(source.backbone(), notes.task, "full", note_features=note_features).eval()
    module = TaskModule(model, notes.labels, classes=2, steps=1, lr=0.1, codes=codes).eval()
    windows = make_windows(notes.shards, notes.splits["valid"], NANO.window)
    batches = StepBatches(notes.shards, windows, 4 * NANO.window, seed=0, shuffle=False)
    compared = 0
    for number in range(batches.per_epoch):
        batch = batches[number]
        logits = module.logits(batch)
        for at in range(len(batch.start)):
            start, length = int(batch.start[at]), int(batch.attention_mask[at].sum())
            tokens = batch.tokens[at, :length]
            expected = model(
                torch.cat([tokens, torch.from_numpy(codes[start : start + length])], dim=1)[None], None
            )
            torch.testing.assert_close(logits[at, :length], expected[0], atol=1e-5, rtol=1e-4)
            compared += length
    assert compared == sum(len(tokens) for tokens, _ in notes.pieces("valid"))
    piece = int(notes.splits["valid"][0])
    own = slice(int(notes.shards.offsets[piece]), int(notes.shards.offsets[piece + 1]))
    np.testing.assert_array_equal(
        codes[own], note_features.codes(embedded_features(note_matrix(notes.tokens(piece))))
    )
    tested = int(notes.splits["test"][0])
    assert not codes[int(notes.shards.offsets[tested]) : int(notes.shards.offsets[tested + 1])].any()


def test_features_change_predictions(notes: TaskData, source: InitialWeights) -> None:
    note_features, _ = fitted_note_features(notes, NANO.dim)
    model = build_model(source.backbone(), notes.task, "full", note_features=note_features)
    tokens = notes.tokens(int(notes.splits["valid"][0]))
    with_features = model.logits(tokens)
    with torch.no_grad():
        note_features.read[0].weight.zero_()
    assert not np.allclose(with_features, model.logits(tokens))


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_seed_learns_is_kept_and_goes_on(
    notes: TaskData, source: InitialWeights, tmp_path: Path, method: str
) -> None:
    plan = replace(EMBEDDED, method=method)
    whole = train_seed(notes, source, plan, 0, tmp_path / "whole", {})
    assert whole.summary["test"]["accuracy"] > 0.9
    resumed = trained_in_two_goes(notes, source, plan, tmp_path / "seed", validations=1)
    assert resumed.summary["history"] == whole.summary["history"]
    checkpoint = tmp_path / "whole" / "checkpoint"
    model, _, _ = load_model(checkpoint)
    assert isinstance(model, TaskModel)
    assert load_checkpoint(checkpoint).describe("note_features")["features"] == EMBEDDED_FEATURES
    assert (notes.evaluate(model.classes, "test") == whole.counts["test"]).all()
    music = tune(41)
    right = symbolic.load(checkpoint)(music).classes == (music.notes["track"] != 0)
    assert right.mean() > 0.9


def test_a_run_uses_them_and_its_export_predicts_the_same(tmp_path: Path) -> None:
    tunes, start = write_folder(tmp_path / "tunes"), nano_checkpoint(tmp_path / "nano")
    command = [
        "note",
        str(tunes),
        "--tracks",
        "MELODY,PIANO",
        "--from",
        str(start),
        "--note_features",
        "--jobs",
        "0",
    ]
    usual = ["--epochs", "1", "--lr", "0.01", "--tokens_per_batch", "256", "--accelerator", "cpu"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert main([*command, *usual]) == 0
    run = tmp_path / "runs" / "finetune" / "note-full-nano-note_features"
    assert "full (note features), from" in (run / "report.html").read_text()
    assert main(["export", str(run), str(tmp_path / "lines"), "--licence", "mine"]) == 0
    music = tune(8)
    ours, theirs = symbolic.load(tmp_path / "lines"), symbolic.load(run)
    np.testing.assert_array_equal(ours(music).classes, theirs(music).classes)
    about = read_json(tmp_path / "lines" / "config.json")
    about["parts"]["note_features"]["features"][0] = "of_another_release"
    write_json(tmp_path / "lines" / "config.json", about)
    with pytest.raises(CheckpointError, match="other hand-made features"):
        symbolic.load(tmp_path / "lines")


@pytest.mark.parametrize("method", ["probe", "lora"])
def test_a_frozen_backbone_never_misses_its_features(tmp_path: Path, capsys: Any, method: str) -> None:
    """Its states without them would be wrong."""
    tunes = write_folder(tmp_path / "tunes")
    command = ["note", str(tunes), "--tracks", "MELODY,PIANO", "--from", "velocity", "--method", method]
    assert main([*command, "--jobs", "0"]) == 2
    assert "which was trained with note features" in capsys.readouterr().err


def test_where_they_have_no_meaning_they_are_refused(tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(ConfigError, match="--note_features: a probe"):
        FinetuneSettings.of(method="probe", note_features=True)
    with pytest.raises(ConfigError, match="--note_features: --method features"):
        FinetuneSettings.of(method="features", note_features=True)
    tunes = write_folder(tmp_path / "tunes")
    assert main(["sequence", str(tunes), "--note_features", "--jobs", "0"]) == 2
    assert "note features are of notes" in capsys.readouterr().err
