"""Pretraining with a trainer of one's own."""

import lightning
import numpy as np
import pytest
import torch
from made import write_tunes

import pretrain
from symbolic.backbone import Backbone
from symbolic.tokens.vocabulary import VELOCITY


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTERPOINT_CACHE", str(tmp_path / "cache"))
    return pretrain.PretrainSettings.of(
        folder=str(write_tunes(tmp_path / "music", 12)),
        selector="adversarial",
        steps=3,
        tokens_per_batch=256,
        jobs=1,
    )


def fit(settings, folder, steps, resume=None):
    data = pretrain.PretrainDataModule(settings, folder / "frozen", progress=False)
    module = pretrain.build_module(settings, data)
    trainer = lightning.Trainer(
        max_steps=steps, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, val_check_interval=3, check_val_every_n_epoch=None, num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(module, data, ckpt_path=resume, weights_only=True if resume else None)
    return trainer, module, data


def test_a_trainer_of_ones_own_trains_and_evaluates(settings, tmp_path):
    trainer, module, data = fit(settings, tmp_path, 3)
    assert isinstance(module, pretrain.PretrainModule)
    assert isinstance(module.objective.backbone, Backbone)
    assert data.steps == trainer.global_step == 3
    assert [entry["step"] for entry in module.history] == [3]
    assert module.history[0]["held_out"]["accuracy"]["pitch"] >= 0


def test_a_resumed_trainer_gets_the_next_batches(settings, tmp_path):
    settings = settings.having(
        selector="uniform"
    )  # tokens are not frozen at the last step, and here 2 is one
    trainer, *_ = fit(settings, tmp_path, 2)
    trainer.save_checkpoint(tmp_path / "state.ckpt")
    _, resumed, _ = fit(settings, tmp_path, 3, tmp_path / "state.ckpt")
    _, whole, _ = fit(settings, tmp_path, 3)
    assert resumed.history[-1]["held_out"] == whole.history[-1]["held_out"]


def test_infilling_trains_on_windows_of_any_loudness(settings, tmp_path):
    plain, own = (
        pretrain.PretrainDataModule(settings.having(selector=name, transposition=0), tmp_path, progress=False)
        for name in ("uniform", "infilling")
    )
    changed = plain.batches[0].tokens != own.batches[0].tokens
    assert changed[..., VELOCITY].any()
    assert not np.delete(changed.numpy(), VELOCITY, axis=-1).any()
    assert torch.equal(plain.held_out[0].tokens, own.held_out[0].tokens)


def test_the_package_lists_its_public_names():
    assert {"run", "PretrainSettings", "PretrainModule", "PretrainDataModule"} <= set(dir(pretrain))
    with pytest.raises(AttributeError, match="nosuch"):
        pretrain.nosuch  # noqa: B018
