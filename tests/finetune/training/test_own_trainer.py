"""The task module and its batches with a trainer of one's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import lightning
import pytest

import finetune
from finetune.tasks.data import TaskData
from finetune.training.weights import InitialWeights

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_task_is_learnt_with_a_trainer_of_ones_own(
    method: str, notes: TaskData, source: InitialWeights, tmp_path: Path
) -> None:
    model = finetune.build_model(source.backbone(), notes.task, method)
    batches = finetune.TaskDataModule(notes, window=source.config.window, tokens_per_batch=1024)
    module = finetune.TaskModule(model, notes.labels, classes=len(notes.task.classes), steps=30, lr=1e-2)
    trainer = lightning.Trainer(
        max_steps=30,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        default_root_dir=tmp_path,
        val_check_interval=10,
        check_val_every_n_epoch=None,
    )
    trainer.fit(module, batches)
    assert float(trainer.callback_metrics["valid_accuracy"]) > 0.9
    counts = notes.evaluate(model.classes, "test").sum(axis=0)
    assert counts.trace() / counts.sum() > 0.9


def test_public_names_are_listed_and_import_no_torch() -> None:
    script = "import sys, finetune; print(*dir(finetune)); assert 'torch' not in sys.modules"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.split() == sorted(finetune.__all__)
    assert all(getattr(finetune, name) for name in finetune.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        finetune.nothing  # noqa: B018
