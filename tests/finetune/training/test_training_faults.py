"""What ends a training from outside or inside: signals, NaN, damaged states, a second process."""

from __future__ import annotations

import math
import os
import re
import shutil
import signal
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from finetune_helpers import PLAN
from variants import variants_of_bytes

from data.toolkit.locks import sole_writer
from finetune.cli import main
from finetune.tasks import TASKS
from finetune.tasks.data import TaskData
from finetune.training.module import TaskModule
from finetune.training.predictions import read_rows, write_rows
from finetune.training.result import SeedResult
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


@pytest.mark.parametrize("file", ["result.json", "counts.npz", "fit.json"])
def test_damaged_results_of_a_seed_are_refused_by_name(
    file: str, notes: TaskData, source: InitialWeights, trained: tuple[SeedResult, Path], tmp_path: Path
) -> None:
    seed = shutil.copytree(trained[1], tmp_path / "seed")
    if file == "fit.json":
        (seed / "result.json").unlink()
    for _, content in variants_of_bytes(b'{"history": [], "cost": {}, "about": {}}'):
        (seed / file).write_bytes(content)
        with pytest.raises(ConfigError, match=re.escape(f"seed/{file}")):
            train_seed(notes, source, PLAN, 0, seed, {})


def test_names_of_pieces_and_classes_are_no_formulas_in_tables(tmp_path: Path) -> None:
    rows = [{"piece": "-1.mid", "true": "=a", "predicted": "'b", "p =a": "0.5"}]
    write_rows(tmp_path / "rows.csv", rows)
    assert "'=a" in (tmp_path / "rows.csv").read_text()
    assert read_rows(tmp_path / "rows.csv") == rows


@pytest.mark.parametrize("name", ["../../x", "/x", "a/b", "", ".."])
def test_a_task_cannot_have_the_name_of_a_path(name: str) -> None:
    with pytest.raises(ConfigError, match="gives its name to files"):
        replace(TASKS["melody"], name=name)


@pytest.mark.slow
def test_names_that_are_no_utf8_cost_no_run_its_report(
    folder: Path, source: InitialWeights, tmp_path: Path, capsys: Any
) -> None:
    odd = tmp_path / os.fsdecode(b"m\xfcsik")
    odd.mkdir()
    for file in folder.glob("*.mid"):
        shutil.copy(file, odd / f"{os.fsdecode(bytes([0xE9]))}{file.name}")
    out = tmp_path / "run"
    command = ["note", str(odd), "--tracks", "MELODY,PIANO", "--out", str(out), "--epochs", "0.3"]
    command += ["--from", str(folder.parent / "nano"), "--jobs", "0", "--accelerator", "cpu"]
    assert main([*command, "--results", str(tmp_path / "results")]) == 0
    assert (out / "report.html").is_file()
    assert "\\udce9" in (out / "predictions.csv").read_text(encoding="utf-8")
    predicting = [
        "predict",
        str(out),
        str(odd),
        "--out",
        str(tmp_path / "out"),
        "--json",
        str(tmp_path / "x.json"),
    ]
    assert main(predicting) == 0
    assert main(["export", str(out), str(tmp_path / "model")]) == 0
    assert main(["report", str(tmp_path / "results")]) == 0
    assert "\\udc" in capsys.readouterr().out
    assert main([*command, "--out", str(tmp_path / os.fsdecode(b"l\xe4uf"))]) == 2
    assert "must be UTF-8" in capsys.readouterr().err


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
