"""Fine-tune task models: tasks, baselines, training, scores, reports.

    import finetune, lightning

    weights = finetune.open_weights("tiny")
    data = finetune.prepared(finetune.TASKS["melody"], "DATA", weights.tokenizer)
    model = finetune.build_model(weights.backbone(), data.task, "lora")
    batches = finetune.TaskDataModule(data, window=weights.config.window)
    steps = 3 * batches.per_epoch
    module = finetune.TaskModule(model, data.labels, classes=len(data.task.classes), steps=steps, lr=2e-3)
    lightning.Trainer(max_steps=steps).fit(module, batches)
    data.evaluate(model.classes, "test")

`finetune.run(FinetuneSettings.of(task="melody", root="DATA"))` does what the command does. Names are imported when
first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbolic.registry import lazy_names

if TYPE_CHECKING:
    from finetune.settings import (
        AdapterSettings,
        FinetuneSettings,
        ModelSettings,
        RunSettings,
        TaskSettings,
        TrainingSettings,
    )
    from finetune.tasks import TASKS, note_task, sequence_task
    from finetune.tasks.folds import prepared
    from finetune.training.datamodule import TaskDataModule
    from finetune.training.model import build_model
    from finetune.training.module import TaskModule
    from finetune.training.run import finetune as run
    from finetune.training.weights import open_weights

_SETTINGS = (
    "AdapterSettings",
    "FinetuneSettings",
    "ModelSettings",
    "RunSettings",
    "TaskSettings",
    "TrainingSettings",
)
_HOMES = {
    **dict.fromkeys(_SETTINGS, "settings"),
    "TASKS": "tasks",
    "TaskDataModule": "training.datamodule",
    "TaskModule": "training.module",
    "build_model": "training.model",
    "note_task": "tasks",
    "open_weights": "training.weights",
    "prepared": "tasks.folds",
    "run": "training.run:finetune",
    "sequence_task": "tasks",
}

__all__ = [  # noqa: RUF022 - by use
    "run",
    "FinetuneSettings",
    "TaskSettings",
    "ModelSettings",
    "AdapterSettings",
    "TrainingSettings",
    "RunSettings",
    "TASKS",
    "note_task",
    "sequence_task",
    "prepared",
    "open_weights",
    "build_model",
    "TaskModule",
    "TaskDataModule",
]

__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
