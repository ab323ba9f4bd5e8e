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
    from finetune.baselines.baselines import measure_baselines
    from finetune.compare.run import compare as run_study
    from finetune.compare.settings import CompareSettings, CurveSettings
    from finetune.predict.pages import write_page
    from finetune.report.export import export
    from finetune.report.results_page import results_page
    from finetune.settings import (
        AdapterSettings,
        FinetuneSettings,
        ModelSettings,
        RunSettings,
        TaskSettings,
        TrainingSettings,
        TransferSettings,
    )
    from finetune.tasks import TASKS, note_task, sequence_task
    from finetune.tasks.folds import prepared
    from finetune.training.datamodule import TaskDataModule
    from finetune.training.model import build_model
    from finetune.training.module import TaskModule
    from finetune.training.run import finetune as run
    from finetune.training.transfer import transfer
    from finetune.training.weights import open_weights

_SETTINGS = (
    "AdapterSettings",
    "FinetuneSettings",
    "ModelSettings",
    "RunSettings",
    "TaskSettings",
    "TrainingSettings",
    "TransferSettings",
)
_HOMES = {
    **dict.fromkeys(_SETTINGS, "settings"),
    "CompareSettings": "compare.settings",
    "CurveSettings": "compare.settings",
    "TASKS": "tasks",
    "TaskDataModule": "training.datamodule",
    "TaskModule": "training.module",
    "build_model": "training.model",
    "export": "report.export",
    "measure_baselines": "baselines.baselines",
    "note_task": "tasks",
    "open_weights": "training.weights",
    "prepared": "tasks.folds",
    "results_page": "report.results_page",
    "run": "training.run:finetune",
    "run_study": "compare.run:compare",
    "sequence_task": "tasks",
    "transfer": "training.transfer",
    "write_page": "predict.pages",
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
    "export",
    "transfer",
    "TransferSettings",
    "run_study",
    "CompareSettings",
    "CurveSettings",
    "measure_baselines",
    "results_page",
    "write_page",
]

__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
