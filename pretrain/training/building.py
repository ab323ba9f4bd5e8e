"""From settings to a module that can be trained."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from pretrain.objective.auxiliary import AUXILIARIES
from pretrain.objective.freezing import FreezeBook
from pretrain.objective.masked import Objective
from pretrain.selectors import Schedule, SelectorOptions, build_selector
from pretrain.settings import PretrainSettings
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
    masking, training = settings.masking, settings.training
    torch.manual_seed(training.seed)
    start = start or Initialisation(preset_config(settings))
    config = start.config
    schedule = Schedule(masking.mask_low, masking.mask_high, masking.mask_cap)
    options = SelectorOptions(
        masking.unit, masking.network, masking.network_layers, masking.exploration, masking.ramp
    )
    backbone = build_backbone(config, sizes)
    backbone.recompute = training.recompute
    # In its modules and not in its shape: the checkpoint keeps the preset's, because what is right for a single pass
    # over a large corpus is too little for fine-tuning on a few labels.
    for part in backbone.modules():
        if isinstance(part, nn.Dropout):
            part.p = training.dropout
    heads = FieldHeads(config.dim, sizes)
    start.initialise(backbone, heads)
    selector = build_selector(masking.selector, schedule, sizes, config, options)
    if training.compile:
        backbone.compile(dynamic=True)  # the tokens of a window differ from batch to batch
    objective = Objective(
        backbone,
        heads,
        selector,
        build_corruption(masking.corruption, sizes, selector.withholds_all),
        [AUXILIARIES[name](config.dim, sizes) for name in masking.auxiliaries],
        identity_weight=masking.identity_weight,
    )
    return PretrainModule(
        objective,
        book,
        seed=training.seed,
        steps=steps,
        lr=settings.learning_rate,
        weight_decay=training.weight_decay,
        optimizer=training.optimizer,
    )
