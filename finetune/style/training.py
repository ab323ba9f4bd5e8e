"""Train the adapter of a style and save it with its base."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader

from data.corpora.folder import FolderCorpus
from data.fingerprint import note_fingerprint
from data.toolkit.precision import usual_precision
from data.toolkit.progress import StepProgress
from data.toolkit.records import write_json
from finetune.settings import share_of
from finetune.style.command import StyleSettings
from finetune.style.module import StyleModule
from symbolic.adapters import attach
from symbolic.adapters.budget import options_for
from symbolic.checkpoint.bundled import model_name, shipped_models
from symbolic.checkpoint.format import load_checkpoint, save_checkpoint
from symbolic.checkpoint.licence import FINE_TUNING, Source, Stage
from symbolic.dataset import MusicDataset, collate
from symbolic.errors import ConfigError, MusicFileError
from symbolic.heads import FieldHeads
from symbolic.music.files import music_files, read_music
from symbolic.music.notes import Music

_HELD_OUT = 5
"""One piece of so many is held out, one at least."""
_VALIDATIONS = 10


@dataclass(frozen=True)
class StyleResult:
    """Result of a training of a style.

    Attributes:
        before: Negative log-likelihood of held-out pieces by field, and "all", without the adapter's training.
        after: The same with the adapter.
        trained: Number of pieces that it was trained on.
        held_out: Number of held-out pieces.
        parameters: Number of trained parameters.
        skipped: Sentences on pieces that could not be read.
    """

    before: Mapping[str, float]
    after: Mapping[str, float]
    trained: int
    held_out: int
    parameters: int
    skipped: tuple[str, ...]


def train_style(settings: StyleSettings, folder: Path) -> StyleResult:
    """Train an adapter on the pieces of a folder and write it to the folder of a run as `checkpoint`.

    Args:
        settings: Settings of the run.
        folder: Folder of the run.

    Raises:
        ConfigError: If fewer than two pieces can be read, or the model has no heads for fields or has an adapter.
    """
    base = load_checkpoint(settings.checkpoint)
    backbone, heads = base.build_backbone(), base.build_heads().get("fields")
    if not isinstance(heads, FieldHeads):
        raise ConfigError(
            f"--from {settings.checkpoint}: it has no heads for fields. Use a model as `pretrain` wrote it."
        )
    if backbone.adapter is not None:
        raise ConfigError(
            f"--from {settings.checkpoint}: it has an adapter already. Name the model below it."
        )
    pieces, skipped = _read(settings.folder)
    if len(pieces) < 2:
        raise ConfigError([f"{settings.folder}: fewer than two pieces could be read.", *skipped])
    torch.manual_seed(settings.seed)
    order = np.random.default_rng(settings.seed).permutation(len(pieces))
    count = max(1, len(pieces) // _HELD_OUT)
    held_out, trained = ([pieces[index] for index in part] for part in (order[:count], order[count:]))
    window = base.config.window
    windows = MusicDataset(trained, base.tokenizer, window, window // 2, settings.transposition)
    loader = DataLoader(
        windows,
        settings.batch,
        shuffle=True,
        collate_fn=collate,
        generator=torch.Generator().manual_seed(settings.seed),
    )
    held = DataLoader(MusicDataset(held_out, base.tokenizer, window), settings.batch, collate_fn=collate)
    options = {} if settings.layers is None else {"layers": settings.layers}
    options = options_for(backbone, settings.method, share_of(settings.share), **options)
    adapter = attach(backbone, settings.method, **options)
    steps = settings.epochs * len(loader)
    module = StyleModule(adapter, heads, settings.lr, steps, settings.seed)
    trainer = _trainer(settings, steps)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*(does not have many workers|LeafSpec).*")
        trainer.validate(module, held, verbose=False)
        trainer.fit(module, loader, held)
    after = module.cpu().restore_best()
    seen = np.array([note_fingerprint(music) for music in trained], dtype=np.int64)
    notes = sum(map(len, trained))
    own = FolderCorpus
    source = Source(own.name, own.title, own.licence, "", own.citation, own.homepage, len(trained), notes)
    known = base.pretrained_on
    provenance = {
        "command": "finetune style",
        "settings": settings.flat(),
        "held_out": {"before": module.history[0], "after": dict(after)},
    }
    name = model_name(settings.checkpoint)
    save_checkpoint(
        folder / "checkpoint",
        backbone,
        base.tokenizer,
        heads={"fields": heads},
        provenance=provenance,
        pretrained_on=None if known is None else np.concatenate([known, seen]),
        base=name if settings.checkpoint in shipped_models() else "",
        chain=(*base.chain, Stage(folder.name, FINE_TUNING, (source,))) if base.chain else (),
    )
    write_json(folder / "curve.json", {"history": module.history})
    return StyleResult(module.history[0], after, len(trained), len(held_out), adapter.count(), tuple(skipped))


def _read(folder: str) -> tuple[list[Music], list[str]]:
    """Return the pieces of a folder that can be read, and sentences on the others."""
    pieces, skipped = [], []
    for name in sorted(music_files(folder)):
        try:
            music = read_music(Path(folder) / name)
            if not len(music):
                raise MusicFileError(Path(folder) / name, "it holds no notes")
        except MusicFileError as error:
            skipped.append(f"skipped {error}")
        else:
            pieces.append(music)
    return pieces, skipped


def _trainer(settings: StyleSettings, steps: int) -> lightning.Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    precision: Any = usual_precision(settings.accelerator)
    return lightning.Trainer(
        accelerator=settings.accelerator,
        devices=1,
        precision=precision,
        max_steps=steps,
        val_check_interval=max(1, steps // _VALIDATIONS),
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        gradient_clip_val=1.0,
        callbacks=[StepProgress("style", steps)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
