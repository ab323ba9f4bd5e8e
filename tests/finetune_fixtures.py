"""Fixtures of fine-tuning: tunes, two tasks on them, a backbone and a trained run, one of each a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from finetune_helpers import PLAN, nano_checkpoint, write_folder

from data.preparation.settings import PrepareSettings
from finetune.tasks import note_task, sequence_task
from finetune.tasks.data import TaskData
from finetune.tasks.folds import prepared
from finetune.training.result import SeedResult
from finetune.training.seed import train_seed
from finetune.training.weights import InitialWeights, open_weights


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Use an empty cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERPOINT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tunes of two dances."""
    return write_folder(tmp_path_factory.mktemp("finetune") / "tunes")


@pytest.fixture(scope="module")
def source(folder: Path) -> InitialWeights:
    """A random backbone in the folder `nano` next to the tunes."""
    return open_weights(nano_checkpoint(folder.parent / "nano"), "tiny")


@pytest.fixture(scope="module")
def notes(own_cache: None, folder: Path, source: InitialWeights) -> TaskData:
    """The task to find the melody."""
    task = note_task(folder, ["MELODY", "PIANO"])
    return prepared(task, str(folder), source.tokenizer, PrepareSettings(jobs=0))


@pytest.fixture(scope="module")
def dances(own_cache: None, folder: Path, source: InitialWeights) -> TaskData:
    """The task to name the dance of a tune."""
    return prepared(sequence_task(folder), str(folder), source.tokenizer, PrepareSettings(jobs=0))


@pytest.fixture(scope="module")
def trained(notes: TaskData, source: InitialWeights, folder: Path) -> tuple[SeedResult, Path]:
    """A seed trained to find the melody, and its folder."""
    out = folder.parent / "trained"
    return train_seed(notes, source, PLAN, 0, out, {}), out
