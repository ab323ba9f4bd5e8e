"""Pretrain a backbone: a selector chooses the notes to mask and the backbone predicts them.

    import pretrain

    settings = pretrain.PretrainSettings.of(folder="my_midi", selector="adversarial", steps=1000)
    record = pretrain.run(settings)  # what the command does

With a trainer of your own:

    import lightning

    data = pretrain.PretrainDataModule(settings)
    module = pretrain.build_module(settings, data)  # a PretrainModule
    trainer = lightning.Trainer(max_steps=data.steps, val_check_interval=100, check_val_every_n_epoch=None)
    trainer.fit(module, data)
    module.objective.backbone, module.history

Names are imported when first used. So settings cost no import of torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbolic.registry import lazy_names

if TYPE_CHECKING:
    from pretrain.report.export import export
    from pretrain.settings import (
        CorpusSettings,
        MaskingSettings,
        ModelSettings,
        PretrainSettings,
        RunSettings,
        TrainingSettings,
    )
    from pretrain.training.building import build_module
    from pretrain.training.datamodule import PretrainDataModule
    from pretrain.training.module import PretrainModule
    from pretrain.training.run import run

_SETTINGS = (
    "CorpusSettings", "MaskingSettings", "ModelSettings", "PretrainSettings", "RunSettings", "TrainingSettings",
)  # fmt: skip

__all__ = [
    "CorpusSettings",
    "MaskingSettings",
    "ModelSettings",
    "PretrainDataModule",
    "PretrainModule",
    "PretrainSettings",
    "RunSettings",
    "TrainingSettings",
    "build_module",
    "export",
    "run",
]

__getattr__ = lazy_names(
    __name__,
    dict.fromkeys(_SETTINGS, "settings")
    | {
        "PretrainDataModule": "training.datamodule",
        "PretrainModule": "training.module",
        "build_module": "training.building",
        "export": "report.export",
        "run": "training.run",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
