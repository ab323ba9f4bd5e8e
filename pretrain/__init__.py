"""Pretrain backbones: a selector chooses what is hidden, and the backbone predicts it.

    import pretrain

    settings = pretrain.PretrainSettings.of(folder="my_midi", selector="adversarial", steps=1000)
    record = pretrain.run(settings)

Names are imported when first used, so settings cost no import of torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pretrain.settings import (
        CorpusSettings,
        MaskingSettings,
        ModelSettings,
        PretrainSettings,
        RunSettings,
        TrainingSettings,
    )
    from pretrain.training.datamodule import PretrainDataModule
    from pretrain.training.module import PretrainModule
    from pretrain.training.run import pretrain as run

_HOMES = {
    "run": ("training.run", "pretrain"),
    "PretrainSettings": ("settings", "PretrainSettings"),
    "CorpusSettings": ("settings", "CorpusSettings"),
    "ModelSettings": ("settings", "ModelSettings"),
    "MaskingSettings": ("settings", "MaskingSettings"),
    "TrainingSettings": ("settings", "TrainingSettings"),
    "RunSettings": ("settings", "RunSettings"),
    "PretrainModule": ("training.module", "PretrainModule"),
    "PretrainDataModule": ("training.datamodule", "PretrainDataModule"),
}

__all__ = [  # noqa: RUF022 - by use
    "run",
    "PretrainSettings",
    "CorpusSettings",
    "ModelSettings",
    "MaskingSettings",
    "TrainingSettings",
    "RunSettings",
    "PretrainModule",
    "PretrainDataModule",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pretrain' has no attribute {name!r}")
    home, original = _HOMES[name]
    return getattr(import_module(f"pretrain.{home}"), original)


def __dir__() -> list[str]:
    return sorted(__all__)
