"""From settings to a module that can be trained."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from pretrain.objective.auxiliary import AUXILIARIES
from pretrain.objective.freezing import FreezeBook
from pretrain.objective.masked import Objective
from pretrain.selectors import Schedule, SelectorOptions, build_selector
from pretrain.settings import ADAMW, PretrainSettings
from pretrain.training.initialisation import Initialisation, preset_config
from pretrain.training.module import PretrainModule
from symbolic.backbone import build_backbone
from symbolic.heads import FieldHeads
from symbolic.masking.corruption import build_corruption


def build_module(
    settings: PretrainSettings,
    sizes: Sequence[int],
    book: FreezeBook,
    steps: int,
    start: Initialisation | None = None,
) -> PretrainModule:
    """A module initialised by the settings' seed, or with the weights that it begins from.

    Args:
        settings: Of the run.
        sizes: Ids of each field.
        book: Freeze state of the training tokens.
        steps: Length of the run.
        start: Where it begins; by default from random initialisation.

    Raises:
        ConfigError: If a selector cannot work as asked.
    """
    torch.manual_seed(settings.seed)
    start = start or Initialisation(preset_config(settings))
    config = start.config
    schedule = Schedule(settings.mask_low, settings.mask_high, settings.mask_cap)
    options = SelectorOptions(
        settings.unit, settings.network, settings.network_layers, settings.exploration, settings.ramp
    )
    backbone = build_backbone(config, sizes)
    backbone.recompute = settings.recompute
    # In its modules and not in its shape: the checkpoint keeps the preset's, because what is right for a single pass
    # over a large corpus is too little for fine-tuning on a few labels.
    if settings.dropout is not None:
        for part in backbone.modules():
            if isinstance(part, nn.Dropout):
                part.p = settings.dropout
    heads = FieldHeads(config.dim, sizes)
    start.initialise(backbone, heads)
    selector = build_selector(settings.selector, schedule, sizes, config, options)
    if settings.compile:
        backbone.compile(dynamic=True)  # the tokens of a window differ from batch to batch
    objective = Objective(
        backbone,
        heads,
        selector,
        build_corruption(settings.corruption, sizes, selector.withholds_all),
        [AUXILIARIES[name](config.dim, sizes) for name in settings.auxiliaries],
        identity_weight=settings.identity_weight,
    )
    return PretrainModule(
        objective,
        book,
        seed=settings.seed,
        steps=steps,
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        optimizer=settings.optimizer or ADAMW,
    )
