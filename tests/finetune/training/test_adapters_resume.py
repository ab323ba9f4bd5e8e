"""Every method on every backbone: training under Lightning, killed and taken up again, ends where it would have."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from data.batches import Batch, endless_loader
from finetune.training.module import TaskModule
from symbolic.adapters import METHODS, attach
from symbolic.backbone import KINDS, BackboneConfig, build_backbone
from symbolic.heads import NoteHead
from symbolic.predict.network import TaskModel

SIZES = (12, 10, 9, 11, 8, 7, 6, 8)
CONFIG = BackboneConfig(dim=16, layers=2, heads=2, ffn=32, window=16, dropout=0.1)
STEPS, KILLED, ROWS = 4, 2, 6
LABELS = np.random.default_rng(0).integers(0, 3, 2 * ROWS).astype(np.int8)


class Killed(Exception):
    """The process ends here."""


class Killer(lightning.Callback):
    """Keeps the state of training after some steps, and ends the process."""

    def __init__(self, state: Path) -> None:
        self.state = state

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step == KILLED:
            trainer.save_checkpoint(self.state)
            raise Killed


class Made(Dataset[Batch]):
    """Batch k is a function of k."""

    def __getitem__(self, step: int) -> Batch:
        random = torch.Generator().manual_seed(step)
        tokens = torch.stack([torch.randint(4, size, (2, ROWS), generator=random) for size in SIZES], dim=-1)
        attention_mask = torch.arange(ROWS) < torch.tensor([[ROWS - 2], [ROWS]])
        return Batch(tokens, attention_mask, torch.tensor([0, ROWS]), torch.tensor([0, 1]), step, True)


def module_of(method: str, kind: str, seed: int) -> TaskModule:
    """One backbone and head, and an adapter that starts by the seed."""
    torch.manual_seed(0)
    backbone, head = build_backbone(replace(CONFIG, kind=kind), SIZES), NoteHead(CONFIG.dim, 3)
    torch.manual_seed(seed)
    attach(backbone, method)
    return TaskModule(TaskModel(backbone, head), LABELS, classes=3, steps=STEPS, lr=0.01)


def train(module: TaskModule, *callbacks: lightning.Callback, state: Path | None = None) -> TaskModule:
    start = int(torch.load(state, weights_only=True)["global_step"]) if state else 0
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_steps=STEPS,
        gradient_clip_val=1.0,
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():
        for text in (".*does not have many workers.*", ".*no `val_dataloader`.*", ".*LeafSpec.*"):
            warnings.filterwarnings("ignore", text)
        loader = endless_loader(Made(), start)
        trainer.fit(module, loader, ckpt_path=str(state) if state else None, weights_only=True)
    return module


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_killed_training_is_taken_up_where_it_was(method: str, kind: str, tmp_path: Path) -> None:
    fresh = {name: tensor.clone() for name, tensor in module_of(method, kind, 1).state_dict().items()}
    whole = train(module_of(method, kind, 1)).state_dict()
    with pytest.raises(Killed):
        train(module_of(method, kind, 1), Killer(tmp_path / "last.ckpt"))
    # Another seed: what the state lacked would stay as it never was.
    resumed = train(module_of(method, kind, 2), state=tmp_path / "last.ckpt").state_dict()
    assert resumed.keys() == whole.keys()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert any(not torch.equal(whole[name], fresh[name]) for name in whole if "backbone" in name)
