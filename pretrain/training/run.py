"""A pretraining run, from music files to a checkpoint, a record and a report."""

from __future__ import annotations

import logging
import os
import re
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_only

from data.batches import one_pass_loader
from data.preparation.summary import skipped_lines
from data.sources import pretraining_sources
from data.toolkit.failures import explained
from data.toolkit.locks import sole_writer
from data.toolkit.loggers import build_loggers
from data.toolkit.precision import usual_precision
from data.toolkit.progress import StepProgress
from data.toolkit.records import provenance, write_json
from data.toolkit.runs import SETTINGS, begin, find_folder, read_settings
from data.toolkit.settings import spelling
from data.toolkit.states import StateFiles, read_state
from pretrain.report.page import write_report
from pretrain.settings import PretrainSettings
from pretrain.training.building import build_module
from pretrain.training.datamodule import PretrainDataModule, majority_baselines
from pretrain.training.initialisation import load_initialisation
from pretrain.training.module import PretrainModule
from pretrain.training.parallel import full_state, parallel_strategy
from symbolic.checkpoint.bundled import RECORD
from symbolic.checkpoint.format import save_checkpoint
from symbolic.checkpoint.licence import PRETRAINING, Stage
from symbolic.errors import ConfigError
from symbolic.tokens.tokenizer import Tokenizer

_AGREED = "COUNTERPOINT_RUN_FOLDER"


def run(settings: PretrainSettings) -> dict[str, Any] | None:
    """Pretrain a backbone or resume a run.

    Args:
        settings: Settings of the run.

    Returns:
        The record, as written to `record.json` in the run folder, with "folder" and "skipped" files. Its "files" are
        relative to that folder. None in the other processes of a run on several devices.

    Raises:
        CounterpointError: If music, settings or run folder cannot be used or memory or disk ran out.
            Also if another process uses the run folder.
    """
    _quiet()
    if settings.training.accelerator == "gpu" and not torch.accelerator.is_available():
        raise ConfigError("There is no GPU here. Use --accelerator cpu, or auto.")
    chief = getattr(rank_zero_only, "rank", 0) == 0  # known from the environment before there is a trainer
    name, root = settings.data.source
    out = _folder(settings, Path(root).resolve().name if settings.data.folder and root else name, chief)
    with sole_writer(out, wait=False) if chief else nullcontext():
        return _run(settings, out, chief)


def _run(settings: PretrainSettings, out: Path, chief: bool) -> dict[str, Any] | None:
    """Pretrain in a folder that no other run uses."""
    start = load_initialisation(settings, Tokenizer())
    data = PretrainDataModule(settings, out / "frozen", start, progress=chief)
    module = build_module(settings, data)
    if chief:
        _mark(out, settings, data)  # nothing is left to refuse
    trainer, state = _trainer(settings, out, data.steps), out / "state" / "last.ckpt"
    resumed = settings.run.resume and state.exists()
    if resumed:
        read_state(state)  # refuses a damaged one
    with explained(state, " (and a higher --accumulate to make up for it), or with --recompute"):
        trainer.fit(module, data, ckpt_path=str(state) if resumed else None, weights_only=True)
        if not len(module.held_out) or module.history[-1]["step"] != trainer.global_step:
            trainer.validate(module, one_pass_loader(data.held_out), verbose=False)
        state_dict = full_state(trainer)
    if not trainer.is_global_zero:
        return None
    if state_dict is not None:
        module = build_module(settings, data).take_over(module, state_dict)
    return _finish(settings, out, module, data, trainer.precision)


def _folder(settings: PretrainSettings, title: str, chief: bool) -> Path:
    """Return the run folder, the same in every process of a run.

    Raises:
        ConfigError: If the folder cannot be used, or processes started from outside have none in common.
    """
    if settings.run.out is None and int(os.environ.get("WORLD_SIZE", 1)) > 1 and _AGREED not in os.environ:
        raise ConfigError("Processes started from outside need one run folder: name it with --out.")
    if not chief:
        return Path(settings.run.out or os.environ[_AGREED])
    title = re.sub(r"[^\w.=+ -]+", "_", title)
    base = Path("runs") / "pretrain" / f"{title}-{settings.model.preset}-{settings.masking.selector}"
    out = find_folder(
        base, settings.identity, settings.run.out, settings.run.resume, **spelling(PretrainSettings)
    )
    os.environ[_AGREED] = str(out)  # for the processes that the trainer starts
    return out


def _mark(out: Path, settings: PretrainSettings, data: PretrainDataModule) -> None:
    """Write the settings into the run folder. A resumed run must have the same music and the same initial weights.

    Its checkpoint names the pieces of this music alone. With other music before, it would hide pieces that it was
    trained on, and `finetune` could not refuse a test score on them.

    Raises:
        ConfigError: If music or initial weights differ.
    """
    weights = data.start.weights
    if (out / SETTINGS).is_file():
        before = read_settings(out)
        if before.get("shards") != data.shards.fingerprint:
            raise ConfigError(
                f"The music, its labels.csv or its split changed since {out} began. Restore it, or give another --out."
            )
        if before.get("weights") != weights:
            raise ConfigError(
                f"{settings.model.checkpoint} holds other weights than when {out} began. Restore them, or start a new "
                "run."
            )
    saved = settings.having(out=None, resume=False).to_dict()
    marks = {"shards": data.shards.fingerprint, "weights": weights}
    begin(out, {"command": "pretrain", "settings": saved, **marks})


def _trainer(settings: PretrainSettings, out: Path, steps: int) -> lightning.Trainer:
    """Build the trainer. Its state is saved at every evaluation."""
    training = settings.training
    every = max(1, -(-steps // training.evaluations))
    saver = ModelCheckpoint(out / "state", filename="last", save_top_k=1, enable_version_counter=False)
    return lightning.Trainer(
        max_steps=steps,
        accelerator=training.accelerator,
        devices=training.devices,
        num_nodes=training.nodes,
        strategy=parallel_strategy(settings),
        accumulate_grad_batches=training.accumulate,
        precision=training.precision or usual_precision(training.accelerator),  # type: ignore[arg-type]
        callbacks=[StepProgress("pretraining", steps), saver],
        val_check_interval=every * training.accumulate,  # Lightning counts batches here, and steps above
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        gradient_clip_val=1.0,
        use_distributed_sampler=False,
        logger=build_loggers(out, settings.run.logger),
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=out,
        plugins=[StateFiles()],
    )


def _finish(
    settings: PretrainSettings, out: Path, module: PretrainModule, data: PretrainDataModule, precision: str
) -> dict[str, Any]:
    """Write checkpoint, record and report."""
    shards, start, objective = data.shards, data.start, module.objective
    used, origin = np.unique(data.train[:, 2]), provenance()
    save_checkpoint(
        out / "checkpoint",
        objective.backbone,
        data.tokenizer,
        heads={"fields": objective.heads},
        parts={"selector": objective.selector} if objective.selector.learns else {},
        provenance={**origin, "settings": settings.identity, "corpus": shards.manifest["corpus"]},
        pretrained_on=start.trained_on(shards.fingerprints[used]),
        chain=(*start.chain, Stage(out.name, PRETRAINING, pretraining_sources(shards))),
    )
    record = {
        **origin,
        "settings": settings.identity,
        "from": start.describe(shards.fingerprints[np.unique(data.valid[:, 2])]),
        "corpus": {
            "name": shards.manifest["corpus"]["name"],
            "shards": shards.fingerprint,
            "pieces": len(shards.pieces),
            "notes": len(shards),
            "training_pieces": len(used),
            "held_out_windows": len(data.valid),
        },
        "parameters": {
            part: sum(p.numel() for p in getattr(objective, part).parameters())
            for part in ("backbone", "heads", "selector", "auxiliary")
        },
        "precision": precision,
        "relations": list(objective.backbone.config.relations),
        "baselines": majority_baselines(shards, data.train, data.valid),
        "history": module.history,
        "files": {"checkpoint": "checkpoint", "report": "report.html", "pictures": "pictures"},
    }
    write_json(out / RECORD, record)
    write_report(out, record, module, data.tokenizer, shards, data.train, data.valid)
    return {**record, "folder": str(out), "skipped": skipped_lines(shards)}


def _quiet() -> None:
    """Silence warnings of Lightning about settings that are intended."""
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
