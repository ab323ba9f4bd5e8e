"""What ends a training from outside or inside: signals, NaN, damaged states, a second process."""

from __future__ import annotations

import math
import os
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from finetune_helpers import PLAN

from data.toolkit.locks import sole_writer
from finetune.cli import main
from finetune.tasks.data import TaskData
from finetune.training.module import TaskModule
from finetune.training.seed import LAST, train_seed
from finetune.training.weights import InitialWeights
from symbolic.errors import CheckpointError, ConfigError

pytestmark = pytest.mark.usefixtures("own_cache")


def test_a_diverged_training_is_refused_and_keeps_its_sound_state(
    notes: TaskData, source: InitialWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = TaskModule.training_step

    def spoilt(self: TaskModule, batch: Any, batch_idx: int) -> torch.Tensor:
        return sound(self, batch, batch_idx) * (math.nan if len(self.history) == 2 else 1.0)

    monkeypatch.setattr(TaskModule, "training_step", spoilt)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))  # states need no such folder
    with pytest.raises(ConfigError, match=r"diverged: at step \d+ .* --lr"):
        train_seed(notes, source, PLAN, 0, tmp_path / "seed", {})
    state = torch.load(tmp_path / "seed" / LAST, weights_only=True)
    assert len(state["counterpoint"]["history"]) == 2
    assert all(weights.isfinite().all() for weights in state["state_dict"].values())


def test_a_damaged_state_of_a_seed_is_refused_by_name(
    notes: TaskData, source: InitialWeights, tmp_path: Path
) -> None:
    (tmp_path / "seed").mkdir()
    (tmp_path / "seed" / LAST).write_bytes(b"half a state")
    with pytest.raises(CheckpointError, match=r"seed/last\.ckpt is damaged"):
        train_seed(notes, source, PLAN, 0, tmp_path / "seed", {})


def test_sigterm_ends_the_command_as_an_interrupt_does(
    folder: Path, source: InitialWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    sound = TaskModule.training_step

    def terminated(self: TaskModule, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.global_step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return sound(self, batch, batch_idx)

    monkeypatch.setattr(TaskModule, "training_step", terminated)
    command = ["note", str(folder), "--tracks", "MELODY,PIANO", "--out", str(tmp_path / "run")]
    command += ["--from", str(folder.parent / "nano"), "--jobs", "0", "--accelerator", "cpu"]
    assert main(command) == 143
    assert "--resume" in capsys.readouterr().err
    with sole_writer(tmp_path / "run", wait=False):
        assert main([*command, "--resume"]) == 2
    assert f"Process {os.getpid()} is at work" in capsys.readouterr().err
