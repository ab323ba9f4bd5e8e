"""Train one seed of a style: an adapter, or all weights as a control."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import nn
from torch.utils.data import DataLoader

from data.batches import endless_loader
from data.toolkit.failures import explained
from data.toolkit.precision import usual_precision
from data.toolkit.progress import StepProgress
from data.toolkit.states import StateFiles, read_state
from finetune.settings import share_of
from finetune.style.batches import StyleBatches, held_out_loader
from finetune.style.commas import Commas, comma_measure, commas_of, losses_beside_commas, tuning_of
from finetune.style.module import StyleModule
from finetune.style.objective import PieceLosses, model_losses, piece_losses
from finetune.style.settings import CONTROLS, NEW, USUAL_SHARE, StyleSettings
from symbolic.adapters import METHODS, attach
from symbolic.adapters.budget import options_for
from symbolic.backbone import Backbone, build_backbone
from symbolic.checkpoint.format import Checkpoint
from symbolic.commas import CommaField
from symbolic.dataset import MusicBatch, MusicDataset
from symbolic.errors import ConfigError
from symbolic.heads import FieldHeads
from symbolic.music.notes import Music
from symbolic.tokens.vocabulary import PITCH

STATE = "last.ckpt"
_VALIDATIONS = 10


@dataclass(frozen=True, eq=False)
class Style:
    """A style that was learnt.

    Attributes:
        backbone: With its adapter if it has one, in eval mode.
        heads: Heads for fields.
        held_out: Losses of the held-out pieces, which also chose among the validations.
        history: Step and loss of each validation.
        comma_field: The field of commas, if it was learnt.
        comma_losses: Nats a held-out comma by `comma_measure`. Empty without the field.
        parameters: Number of trained parameters.
        seconds: Time that it took since it was begun or resumed.
    """

    backbone: Backbone
    heads: FieldHeads
    held_out: PieceLosses
    history: list[dict[str, float]]
    parameters: int
    seconds: float
    comma_field: CommaField | None = None
    comma_losses: Mapping[str, float] = field(default_factory=dict)


def pretrained_parts(base: Checkpoint) -> tuple[Backbone, FieldHeads]:
    """Return the backbone of a checkpoint and its heads for fields.

    Raises:
        ConfigError: If it has no heads for fields, or an adapter already.
    """
    backbone, heads = base.build_backbone(), base.build_heads().get("fields")
    if not isinstance(heads, FieldHeads):
        raise ConfigError(
            f"--from {base.path.name}: it does not recover hidden fields. Name a pretrained model, such as infill."
        )
    if backbone.adapter is not None:
        raise ConfigError(f"--from {base.path}: it has an adapter already. Name the model below it.")
    return backbone, heads


def train_style(
    base: Checkpoint,
    trained: Sequence[Music],
    held_out: Sequence[Music],
    settings: StyleSettings,
    seed: int,
    folder: Path,
    with_commas: bool = False,
) -> Style:
    """Train a style, or go on from the state in a folder. Equal settings and music give equal results.

    Args:
        base: The pretrained model.
        trained: Pieces to learn from.
        held_out: Pieces that choose the best of the validations.
        settings: Method, size and schedule.
        seed: Of initialisation, order, transposition, hidden cells and dropout.
        folder: Receives the state, which is removed at the end.
        with_commas: Learn the commas of the notes too.

    Raises:
        ConfigError: If the method cannot have the size, the model has no heads for fields, or the training diverges.
    """
    began = time.perf_counter()
    torch.manual_seed(seed)
    backbone, heads = pretrained_parts(base)
    parameters = _trained_parameters(backbone, heads, settings)
    window = base.config.window
    most = settings.most_transposition(with_commas)
    windows = MusicDataset(trained, base.tokenizer, window, window // 2, most)
    batches = StyleBatches(windows, settings.batch, seed)
    held = held_out_loader(held_out, base.tokenizer, window, settings.batch)
    commas = _commas(backbone, windows, held) if with_commas else None
    if commas is not None:
        parameters |= {f"commas.{name}": one for name, one in commas[0].field.named_parameters()}
    steps = settings.epochs * batches.per_epoch
    module = StyleModule(backbone, heads, parameters, lr=settings.rate, steps=steps, seed=seed, commas=commas)
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / STATE
    resumed = state.is_file()
    start = int(read_state(state)["global_step"]) if resumed else 0
    trainer = _trainer(settings, steps, folder, seed)
    with explained(state), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*(does not have many workers|LeafSpec).*")
        if not resumed:
            trainer.validate(module, held, verbose=False)
        trainer.fit(
            module,
            endless_loader(batches, start),
            held,
            ckpt_path=str(state) if resumed else None,
            weights_only=True,
        )
    module.cpu().eval().restore_best()
    losses_of = partial(model_losses, backbone, heads)
    if commas is not None:
        losses_of = partial(losses_beside_commas, backbone, heads, commas[1])
    losses = piece_losses(losses_of, heads.sizes, held, len(held_out), settings.seed)
    count = sum(one.numel() for one in parameters.values())
    found = {} if commas is None else comma_measure(backbone, commas[1], held, settings.seed)
    return Style(
        backbone,
        heads,
        losses,
        module.history,
        count,
        time.perf_counter() - began,
        module.comma_field,
        found,
    )


def _commas(backbone: Backbone, windows: MusicDataset, held: DataLoader[MusicBatch]) -> tuple[Commas, Commas]:
    """Return a new field of commas with those of the training pieces, and with those of the held-out ones."""
    pitches = backbone.sizes[PITCH]
    held_out: Any = held.dataset  # a `MusicDataset`, which a loader forgets
    comma_field = CommaField(backbone.config.dim, pitches)
    comma_field.tuning.copy_(tuning_of(windows, pitches))
    return Commas(comma_field, commas_of(windows)), Commas(comma_field, commas_of(held_out))


def _trained_parameters(
    backbone: Backbone, heads: FieldHeads, settings: StyleSettings
) -> dict[str, nn.Parameter]:
    """Attach an adapter, or draw new weights, and return what is trained by name. All else is frozen."""
    if settings.method in CONTROLS:
        if settings.method == NEW:
            backbone.load_state_dict(build_backbone(backbone.config, heads.sizes).state_dict())
            heads.load_state_dict(FieldHeads(backbone.config.dim, heads.sizes).state_dict())
        return dict(nn.ModuleDict({"backbone": backbone, "heads": heads}).named_parameters())
    heads.requires_grad_(False)
    options: dict[str, Any] = {} if settings.layers is None else {"layers": settings.layers}
    if METHODS[settings.method].size or settings.share:
        share = share_of(settings.share or USUAL_SHARE)
        options = options_for(backbone, settings.method, share, **options)
    return attach(backbone, settings.method, **options).named_parameters()


class _Keeper(lightning.Callback):
    """Save the state of the training after every validation."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.state.fn == "fit":
            trainer.save_checkpoint(self._state)


def _trainer(settings: StyleSettings, steps: int, folder: Path, seed: int) -> lightning.Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    precision: Any = usual_precision(settings.accelerator)
    label = f"style, {settings.method}, seed {seed}"
    return lightning.Trainer(
        accelerator=settings.accelerator,
        devices=1,
        precision=precision,
        max_steps=steps,
        val_check_interval=max(1, steps // _VALIDATIONS),
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        gradient_clip_val=1.0,
        callbacks=[StepProgress(label, steps), _Keeper(folder / STATE)],
        plugins=[StateFiles()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
