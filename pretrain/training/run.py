"""One pretraining run, from music files to a checkpoint, a record and pictures."""

from __future__ import annotations

import json
import logging
import os
import warnings
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_only
from numpy.typing import NDArray

from data.batches import StepBatches, one_pass_loader
from data.preparation.summary import skipped_lines
from data.shards import Shards
from data.toolkit.failures import explained
from data.toolkit.loggers import build_loggers
from data.toolkit.progress import StepProgress
from data.toolkit.records import provenance, write_json
from data.toolkit.runs import SETTINGS, begin, find_folder
from data.toolkit.settings import spelling
from pretrain.objective.freezing import FreezeBook
from pretrain.objective.retirement import Retirement
from pretrain.report.page import write_report
from pretrain.settings import PretrainSettings
from pretrain.training.building import build_module
from pretrain.training.datamodule import PretrainDataModule, majority_baselines, sides
from pretrain.training.initialisation import Initialisation, load_initialisation
from pretrain.training.module import PretrainModule
from pretrain.training.parallel import full_state, parallel_strategy
from symbolic.checkpoint.bundled import RECORD
from symbolic.checkpoint.format import save_checkpoint
from symbolic.errors import ConfigError
from symbolic.tokens.tokenizer import Tokenizer

_AGREED = "COUNTERPOINT_RUN_FOLDER"


def pretrain(settings: PretrainSettings) -> dict[str, Any] | None:
    """Run, or go on with a run.

    Args:
        settings: What to do.

    Returns:
        The record, as written to `record.json` in the run folder; its "files" are relative to that folder. None in
        the helping processes of a run on several devices.

    Raises:
        CounterpointError: If the corpus, the settings or the run to be resumed are unfit, or the run ended for want
            of memory or disk; says why.
    """
    _quiet()
    if settings.training.accelerator == "gpu" and not torch.accelerator.is_available():
        raise ConfigError("There is no GPU here. Use --accelerator cpu, or auto.")
    chief = getattr(rank_zero_only, "rank", 0) == 0  # known from the environment before any trainer is
    name, root = settings.data.source
    out = _folder(settings, Path(root).resolve().name if settings.data.folder and root else name, chief)
    tokenizer = Tokenizer()
    start = load_initialisation(settings, tokenizer)
    shards = settings.data.shards(name, root, tokenizer, progress=chief)
    train, valid = sides(shards, start.config.window)

    batches = StepBatches(
        shards, train, settings.budget, settings.training.seed, settings.training.transposition
    )
    an_epoch = max(1, batches.per_epoch // settings.training.batches_per_step)
    steps = settings.training.steps or max(1, round(settings.training.epochs * an_epoch))
    sizes = tokenizer.vocabulary.sizes
    module = build_module(settings, sizes, FreezeBook(out / "frozen", len(shards)), steps, start)
    if chief:
        _begin(out, shards, settings, start)  # now that nothing is left to refuse
    trainer, state = _trainer(settings, out, module, batches, steps)
    resumed = str(state) if settings.run.resume and state.exists() else None
    held_out = StepBatches(shards, valid, settings.budget, shuffle=False)
    with explained(state):
        loaders = PretrainDataModule(batches, held_out, module.book, settings, resumed)
        trainer.fit(module, loaders, ckpt_path=resumed, weights_only=True)
        if not len(module.held_out) or module.history[-1]["step"] != trainer.global_step:
            trainer.validate(module, one_pass_loader(held_out), verbose=False)
        state_dict = full_state(trainer)
    if not trainer.is_global_zero:
        return None
    if state_dict is not None:
        module = build_module(settings, sizes, module.book, steps, start).take_over(module, state_dict)
    return _finish(settings, start, out, module, tokenizer, shards, train, valid)


def _folder(settings: PretrainSettings, title: str, chief: bool) -> Path:
    """The run folder, the same in every process of a run.

    Raises:
        ConfigError: If the folder will not do, or processes started from outside could not agree on one.
    """
    if settings.run.out is None and int(os.environ.get("WORLD_SIZE", 1)) > 1 and _AGREED not in os.environ:
        raise ConfigError("Processes started from outside need one run folder: name it with --out.")
    if not chief:
        return Path(settings.run.out or os.environ[_AGREED])
    base = Path("runs") / "pretrain" / f"{title}-{settings.model.preset}-{settings.masking.selector}"
    out = find_folder(
        base, settings.identity, settings.run.out, settings.run.resume, **spelling(PretrainSettings)
    )
    os.environ[_AGREED] = str(out)  # for the processes that the trainer starts
    return out


def _begin(out: Path, shards: Shards, settings: PretrainSettings, start: Initialisation) -> None:
    """Mark the folder; a run that goes on must find the corpus, and the checkpoint, that it began with.

    On another one it would not only train on other batches: its checkpoint would name the pieces seen since, and
    forget those before, for which `finetune` then could not refuse a test score.

    Raises:
        ConfigError: If the corpus is another, or the checkpoint.
    """
    if (out / SETTINGS).is_file():
        before = json.loads((out / SETTINGS).read_text(encoding="utf-8"))
        if before["shards"] != shards.fingerprint:
            raise ConfigError(
                f"The music, its labels.csv or its split changed since {out} began. Restore it, or give another --out."
            )
        if before["weights"] != start.weights:
            raise ConfigError(
                f"{settings.model.checkpoint} holds other weights than when {out} began. Restore them, or start a new run."
            )
    marks = {"shards": shards.fingerprint, "weights": start.weights}
    begin(
        out, {"command": "pretrain", "settings": settings.having(out=None, resume=False).to_dict(), **marks}
    )


def _trainer(
    settings: PretrainSettings, out: Path, module: PretrainModule, batches: StepBatches, steps: int
) -> tuple[lightning.Trainer, Path]:
    """The trainer, and where it keeps the state to resume from."""
    every = max(1, -(-steps // settings.training.evaluations))
    keeper = ModelCheckpoint(out / "state", filename="last", save_top_k=1, enable_version_counter=False)
    callbacks: list[lightning.Callback] = [StepProgress("pretraining", steps), keeper]
    freeze_every = settings.masking.freeze_every
    if freeze_every is None:
        freeze_every = 1.0 if module.objective.selector.retires else 0.0
    if freeze_every:
        period = max(1, round(freeze_every * batches.per_epoch / settings.training.batches_per_step))
        fixed = StepBatches(batches.shards, batches.windows, settings.budget, shuffle=False)
        callbacks.append(Retirement(fixed, module.book, period, settings.masking.freeze_limit))
    trainer = lightning.Trainer(
        max_steps=steps,
        accelerator=settings.training.accelerator,
        devices=settings.training.devices,
        num_nodes=settings.training.nodes,
        strategy=parallel_strategy(settings),
        accumulate_grad_batches=settings.training.accumulate,
        precision=settings.training.precision,  # type: ignore[arg-type]
        callbacks=callbacks,
        val_check_interval=every
        * settings.training.accumulate,  # Lightning counts batches here, and steps above
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        gradient_clip_val=1.0,
        use_distributed_sampler=False,
        logger=build_loggers(out, settings.run.logger),
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=out,
    )
    return trainer, out / "state" / "last.ckpt"


def _finish(
    settings: PretrainSettings,
    start: Initialisation,
    out: Path,
    module: PretrainModule,
    tokenizer: Tokenizer,
    shards: Shards,
    train: NDArray[np.int64],
    valid: NDArray[np.int64],
) -> dict[str, Any]:
    """Checkpoint, record, report."""
    seen, objective = np.unique(train[:, 2]), module.objective
    origin = provenance()
    save_checkpoint(
        out / "checkpoint",
        objective.backbone,
        tokenizer,
        heads={"fields": objective.heads},
        parts={"selector": objective.selector} if objective.selector.learns else {},
        provenance={**origin, "settings": settings.identity, "corpus": shards.manifest["corpus"]},
        pretrained_on=start.trained_on(shards.fingerprints[seen]),
    )
    record = {
        **origin,
        "settings": settings.identity,
        "from": start.describe(shards.fingerprints[np.unique(valid[:, 2])]),
        "corpus": {
            "name": shards.manifest["corpus"]["name"],
            "shards": shards.fingerprint,
            "pieces": len(shards.pieces),
            "notes": len(shards),
            "training_pieces": len(seen),
            "held_out_windows": len(valid),
        },
        "parameters": {
            part: sum(p.numel() for p in getattr(objective, part).parameters())
            for part in ("backbone", "heads", "selector", "auxiliary")
        },
        "baselines": majority_baselines(shards, train, valid),
        "history": module.history,
        "files": {"checkpoint": "checkpoint", "report": "report.html", "pictures": "pictures"},
    }
    write_json(out / RECORD, record)
    write_report(out, record, module, tokenizer, shards, train, valid)
    return {**record, "folder": str(out), "skipped": skipped_lines(shards)}


def _quiet() -> None:
    """Silence what Lightning says of things that are as we want them."""
    for logger in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(logger).setLevel(logging.WARNING)
    for text in (
        ".*does not have many workers.*",
        ".*`ModelCheckpoint.*",
        ".*Checkpoint directory.*",
        ".*LeafSpec.*",
        ".*returned a view tensor.*",
    ):
        warnings.filterwarnings("ignore", text)
