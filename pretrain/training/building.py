"""Build the module of a run from its settings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from pretrain.objective.auxiliary import AUXILIARIES
from pretrain.objective.contrastive import Contrastive
from pretrain.objective.masked import Objective
from pretrain.objective.retirement import Retirement
from pretrain.objective.targets import Reference, Targets
from pretrain.selectors import Schedule, SelectorOptions, build_selector
from pretrain.settings import PretrainSettings
from pretrain.training.datamodule import PretrainDataModule
from pretrain.training.initialisation import Initialisation, preset_config
from pretrain.training.module import PretrainModule
from symbolic.backbone import build_backbone
from symbolic.checkpoint.format import load_checkpoint
from symbolic.errors import ConfigError
from symbolic.heads import FieldHeads
from symbolic.masking.corruption import build_corruption
from symbolic.tokens.tokenizer import Tokenizer


def build_objective(
    settings: PretrainSettings, sizes: Sequence[int], start: Initialisation | None = None
) -> Objective:
    """Build backbone, heads, selector and corruption, initialised by the seed or with the weights of a checkpoint.

    Args:
        settings: Settings of the run.
        sizes: Number of ids of each field.
        start: Initial weights. Random by default.

    Raises:
        ConfigError: If the selector does not support the settings.
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
    # Set in the modules, not in the shape. The checkpoint keeps the preset's dropout: what is right for one pass over
    # a large corpus is too little for fine-tuning on a few labels.
    for part in backbone.modules():
        if isinstance(part, nn.Dropout):
            part.p = training.dropout
    heads = FieldHeads(config.dim, sizes)
    start.initialise(backbone, heads)
    selector = build_selector(masking.selector, schedule, sizes, config, options)
    if training.compile:
        backbone.compile(dynamic=True)  # the length of windows differs from batch to batch
    return Objective(
        backbone,
        heads,
        selector,
        build_corruption(masking.corruption, sizes, selector.withholds_all),
        [
            *(AUXILIARIES[name](config.dim, sizes) for name in masking.auxiliaries),
            *([Contrastive(config.dim, sizes)] if masking.contrastive else []),
        ],
        identity_weight=masking.identity_weight,
        targets=_targets(settings),
    )


def _targets(settings: PretrainSettings) -> Targets:
    """Build the choice of targets, with the model that it compares with."""
    masking = settings.masking
    reference = load_reference(masking.reference, Tokenizer()) if masking.targets == "excess" else None
    share = masking.target_share if masking.targets != "all" else 1.0
    return Targets(masking.targets, share, masking.target_tokens, masking.ramp, reference)


def load_reference(name: str, tokenizer: Tokenizer) -> Reference:
    """Load a pretrained model that is compared with.

    Args:
        name: A checkpoint's folder or the name of a bundled model.
        tokenizer: Tokenizer of the run.

    Raises:
        CheckpointError: If there is no such checkpoint.
        TokenizerMismatch: If it has another tokenizer.
        ConfigError: If it cannot fill masked fields.
    """
    found = load_checkpoint(name, tokenizer)
    heads = found.build_heads().get("fields")
    if not isinstance(heads, FieldHeads):
        raise ConfigError(f"--reference {name}: it cannot fill masked fields. Name a pretrained model.")
    return Reference(found.build_backbone(), heads)


def build_module(settings: PretrainSettings, data: PretrainDataModule) -> PretrainModule:
    """Build the module that trains on a data module.

    Args:
        settings: Settings of the run.
        data: Its music and its initial weights.

    Raises:
        ConfigError: If the selector does not support the settings.
    """
    masking, training = settings.masking, settings.training
    objective = build_objective(settings, data.tokenizer.vocabulary.sizes, data.start)
    freeze_every = masking.freeze_every
    if freeze_every is None:
        freeze_every = 1.0 if objective.selector.retires else 0.0
    callbacks = []
    if freeze_every and masking.contrastive:
        raise ConfigError(
            f"--contrastive: its windows are augmented, so that no token can be retired as '{masking.selector}' does. "
            "Add --freeze_every 0, or use --selector uniform."
        )
    if freeze_every:
        period = max(1, round(freeze_every * data.batches.per_epoch / training.batches_per_step))
        callbacks.append(Retirement(data.in_order, data.book, period, masking.freeze_limit))
    return PretrainModule(
        objective,
        data.book,
        seed=training.seed,
        steps=data.steps,
        lr=settings.learning_rate,
        weight_decay=training.weight_decay,
        callbacks=callbacks,
    )
