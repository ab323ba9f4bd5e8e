"""A full disk ends every command with one sentence and status 2, and what was there before goes on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from finetune_helpers import write_folder

from data.cli import main as corpora
from data.shards import Shards
from finetune.cli import main as finetune
from finetune.training import seed as training
from finetune.training.seed import LAST
from pretrain.cli import main as pretrain

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 5 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", str(place)]
    if not hasattr(os, "geteuid") or os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this user may not mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path, left: int) -> Path:
    """Leave so many bytes free."""
    free = os.statvfs(disk)
    filler = disk / "filler"
    with filler.open("wb") as file:
        file.write(bytes(max(0, free.f_bavail * free.f_frsize - left)))
    return filler


def refused(command: Callable[[list[str]], int], arguments: list[str], capsys: Any) -> None:
    capsys.readouterr()
    assert command(arguments) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(error) == 1
    assert "disk is full" in error[0] or "No space left" in error[0]


def test_preparation_goes_on_after_room_was_made(folder: Path, disk: Path, capsys: Any) -> None:
    arguments = ["prepare", str(folder), "--out", str(disk / "shards"), "--jobs", "0"]
    filler = fill(disk, 20_000)
    refused(corpora, arguments, capsys)
    filler.unlink()
    assert corpora(arguments) == 0
    shards = Shards(disk / "shards")
    fill(disk, 0)
    refused(corpora, ["pack", str(shards.path), str(disk / "one.pack")], capsys)
    assert corpora(arguments) == 0


def test_pretraining_needs_room_and_tells_so(folder: Path, disk: Path, capsys: Any) -> None:
    flags = ["--selector", "uniform", "--steps", "4", "--evaluations", "2", "--tokens_per_batch", "256"]
    refused(pretrain, [str(folder), "--out", str(disk / "run"), *flags, "--jobs", "0"], capsys)
    assert not (disk / "run" / "record.json").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("source")
def test_fine_tuning_keeps_its_state_and_goes_on(
    folder: Path, disk: Path, capsys: Any, monkeypatch: Any
) -> None:
    arguments = ["note", str(folder), "--tracks", "MELODY,PIANO", "--from", str(folder.parent / "nano")]
    arguments += ["--jobs", "0", "--accelerator", "cpu", "--epochs", "2", "--out", str(disk / "run")]
    keep, saved = training._Keeper.on_validation_end, []

    def filling(self: Any, trainer: Any, module: Any) -> None:
        if saved:
            fill(disk, 20_000)
        saved.append(trainer.global_step)
        keep(self, trainer, module)

    with monkeypatch.context() as patch:
        patch.setattr(training._Keeper, "on_validation_end", filling)
        refused(finetune, arguments, capsys)
    state = disk / "run" / "seed-0" / LAST
    assert state.is_file()
    assert not list(state.parent.glob(".*.partial"))
    refused(finetune, [*arguments, "--resume"], capsys)
    (disk / "filler").unlink()
    assert finetune([*arguments, "--resume"]) == 0
    assert (disk / "run" / "report.html").is_file()
    song = write_folder(disk / "songs", 2)
    fill(disk, 0)
    predicting = ["predict", str(disk / "run"), str(song), "--out", str(disk / "out")]
    refused(finetune, predicting, capsys)
    refused(finetune, [*predicting[:-1], str(disk.parent / "out"), "--json", str(disk / "all.json")], capsys)
    refused(finetune, ["export", str(disk / "run"), str(disk / "model")], capsys)
    assert not (disk / "model").exists()
    assert finetune([*predicting[:-1], str(disk.parent / "out")]) == 0
