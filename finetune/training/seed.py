"""Train one seed, save the best checkpoint on validation pieces and score it once on test pieces."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping
from tqdm import tqdm

from data.toolkit.failures import explained
from data.toolkit.loggers import build_loggers
from data.toolkit.precision import usual_precision
from data.toolkit.progress import StepProgress
from data.toolkit.records import write_json
from data.toolkit.states import StateFiles, read_state
from finetune.baselines.memory import remembered_notes
from finetune.baselines.notes import fitted_trees
from finetune.settings import FEATURES
from finetune.tasks.data import TaskData
from finetune.training.datamodule import TaskDataModule
from finetune.training.handmade import LEARNT_FROM, train_features
from finetune.training.model import build_model
from finetune.training.module import WEIGHT_DECAY, TaskModule, best_entry
from finetune.training.note_features import fitted_note_features
from finetune.training.probe import fit_probe
from finetune.training.readings import Readings
from finetune.training.result import AGAIN, CHECKPOINT, SCORED, SeedResult, cost_of, score_seed
from finetune.training.weights import InitialWeights, training_chain
from symbolic.documents import anything, fields, listed, mapped, nullable, number, read_json, require, text
from symbolic.errors import ConfigError
from symbolic.predict.ensemble import Ensemble
from symbolic.predict.network import TaskModel, device_of, load_model, save_model
from symbolic.predict.parts import PROBE

_OBJECT = mapped(text(), anything)
LAST, FIT = "last.ckpt", "fit.json"
FEWEST_STEPS = 300
"""Fewest steps of a run: a small corpus gets more epochs."""
MOST_VALIDATIONS = 30
_FIT = fields(
    {"history": listed(mapped(text(), nullable(number(-1e300, 1e300)))), "cost": _OBJECT, "about": _OBJECT}
)


@dataclass(frozen=True)
class Plan:
    """Settings of one seed.

    Args:
        method: What is trained.
        lr: Peak learning rate.
        epochs: Passes over the training windows. None as the task says.
        tokens_per_batch: Tokens in a batch, padding included.
        patience: Validations without a better one before stopping.
        accelerator: As Lightning names it.
        options: Of the adapter. A probe has `layers`: "all", "last" or the number of one.
        share: Train at most this share of the backbone's parameters.
        precision: As Lightning names it. None for `usual_precision`.
        note_features: Whether the network reads hand-made features of notes too.
        ensemble: Whether boosted trees share in the predictions, once the network is trained.
        probe_first: Whether training starts from a fitted probe of all layers.
        logger: A logger beside CSV by name.
    """

    method: str
    lr: float
    epochs: float | None
    tokens_per_batch: int
    patience: int
    accelerator: str = "auto"
    options: Mapping[str, Any] = field(default_factory=dict)
    share: float | None = None
    precision: str | None = None
    note_features: bool = False
    ensemble: bool = False
    probe_first: bool = False
    logger: str | None = None


@dataclass(frozen=True, eq=False)
class _Fit:
    """Results of one training before test pieces are scored.

    Attributes:
        history: Its curves.
        cost: From `cost_of`.
        about: What else the summary of the seed reports.
    """

    history: list[dict[str, float]]
    cost: dict[str, Any]
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Job:
    """Arguments of `train_seed` that its parts share."""

    data: TaskData
    source: InitialWeights
    plan: Plan
    seed: int
    folder: Path
    provenance: dict[str, Any]

    def keep(self, model: TaskModel) -> None:
        """Save a model with what it was trained on as the checkpoint of the folder."""
        train = self.data.splits["train"]
        seen = np.concatenate([self.source.pretrained_on, self.data.shards.fingerprints[train]])
        save_model(
            self.folder / CHECKPOINT,
            model,
            self.source.tokenizer,
            self.data.described(train),
            self.provenance,
            seen if self.source.recorded else None,  # with a part unknown, the whole is
            chain=training_chain(self.data, self.source, train),
        )


class _Keeper(lightning.Callback):
    """Save the best weights as a checkpoint and the training state for resuming."""

    def __init__(self, job: _Job) -> None:
        self.job = job

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Save after every validation."""
        if best_entry(pl_module.history) is pl_module.history[-1]:
            self.job.keep(pl_module.model)
        if not trainer.sanity_checking:
            trainer.save_checkpoint(self.job.folder / LAST)


def train_seed(
    data: TaskData,
    source: InitialWeights,
    plan: Plan,
    seed: int,
    folder: Path,
    provenance: dict[str, Any],
    splits: Sequence[str] = SCORED,
    readings: Readings | None = None,
) -> SeedResult:
    """Train one seed or resume it from the state in the folder.

    Args:
        data: The task's pieces.
        source: Where the backbone comes from.
        plan: How to train.
        seed: Of initialisation, order, transposition and dropout.
        folder: Receives checkpoint, curves and scores.
        provenance: Goes into the checkpoint.
        splits: What to score. One that was tried on validation pieces alone can meet the test pieces later.
        readings: What folds share of a probe. None: this data has no other folds.
    """
    done = SeedResult.load(folder)
    by_hand = plan.method == FEATURES
    if done is not None and {*splits, *([LEARNT_FROM] if by_hand else [])} <= done.summary.keys():
        return done
    if by_hand:
        result = train_features(data, source, seed, folder, provenance, splits)
        result.save(folder)
        return result
    device_of(plan.accelerator)  # refuses one that is not there, where Lightning's error would be a traceback
    # One that was tried in vain has lost its checkpoint; asked for after all, it is trained again.
    if done is not None and (folder / CHECKPOINT).is_dir():
        about = done.summary
        scored = score_seed(data, folder, seed, about["history"], about["cost"], plan.accelerator, splits)
        result = replace(scored, summary={**about, **scored.summary})
        result.save(folder)
        return result
    job = _Job(data, source, plan, seed, folder, provenance)
    fit = _known_fit(folder)
    if fit is None:
        known = readings or Readings([data], seed)
        fit = _probe(job, known) if plan.method == PROBE else _train(job, known)
    # A run that is cut off while it is scored need not train again, nor longer than one that is not.
    write_json(folder / FIT, asdict(fit))
    if plan.ensemble:
        fit = _join_trees(job, fit)
    result = score_seed(data, folder, seed, fit.history, fit.cost, plan.accelerator, splits)
    result.summary.update(fit.about)
    result.save(folder)
    for name in (LAST, FIT):
        (folder / name).unlink(missing_ok=True)
    return result


def _probe(job: _Job, readings: Readings) -> _Fit:
    """Fit a probe at once. Its curves are a single point."""
    torch.manual_seed(job.seed)
    began, plan = time.perf_counter(), job.plan
    model = build_model(job.source.backbone(), job.data.task, PROBE, plan.options)
    about = fit_probe(model.to(device_of(plan.accelerator)), job.data, readings, plan.tokens_per_batch)
    job.keep(model)
    cost = cost_of(model, job.folder, 1, 1, time.perf_counter() - began, False)
    best = max(about["valid_accuracy"].values(), default=math.nan)
    return _Fit(
        [{"step": 1, "valid_accuracy": best, "valid_loss": about["valid_loss"]}], cost, {PROBE: about}
    )


def _known_fit(folder: Path) -> _Fit | None:
    """Return the results of a training that was done before an interruption. None if there are none."""
    path = folder / FIT
    if not path.is_file():
        return None
    found = read_json(path, ConfigError, AGAIN)
    require(path, found, _FIT, ConfigError, AGAIN)
    return _Fit(**found)


def _train(job: _Job, readings: Readings) -> _Fit:
    """Train one model or resume it. The folder then holds its best checkpoint.

    Where a probe comes first, it is a candidate too (LP-FT: Kumar et al., ICLR 2022).
    """
    data, source, plan, seed, folder = job.data, job.source, job.plan, job.seed, job.folder
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    began = time.perf_counter()
    note_features, codes = (
        fitted_note_features(data, source.config.dim) if plan.note_features else (None, None)
    )
    model = build_model(
        source.backbone(),
        data.task,
        plan.method,
        plan.options,
        plan.share,
        note_features,
        every_layer=plan.probe_first,
    )
    state = folder / LAST
    resumed = state.is_file()
    if plan.probe_first and not resumed:
        fit_probe(model.to(device_of(plan.accelerator)), data, readings, plan.tokens_per_batch)
        model.train()
    start = int(read_state(state)["global_step"]) if resumed else 0
    batches = TaskDataModule(
        data, window=source.config.window, tokens_per_batch=plan.tokens_per_batch, seed=seed, start=start
    )
    steps, interval = schedule(batches.per_epoch, plan.epochs, data.task.epochs)
    module = TaskModule(
        model,
        data.labels,
        classes=len(data.task.classes),
        steps=steps,
        lr=plan.lr,
        decay=WEIGHT_DECAY if plan.method == "full" else 0.0,
        seed=seed,
        codes=codes,
    )
    label = f"{data.name}, {plan.method}, seed {seed}"
    # Patience first: the state that the keeper saves must have counted this validation.
    progress = StepProgress(label, steps)
    trainer = _trainer(
        plan,
        folder,
        steps,
        interval,
        plan.probe_first and not resumed,
        [progress, _patience(plan), _Keeper(job)],
    )
    with explained(state), warnings.catch_warnings():
        # Batches are slices of a memory map: worker processes would only cost. The second is Lightning's own affair.
        for text in (".*does not have many workers.*", ".*LeafSpec.*"):
            warnings.filterwarnings("ignore", text)
        trainer.fit(module, batches, ckpt_path=str(state) if resumed else None, weights_only=True)
    seconds = time.perf_counter() - began
    cost = {
        **cost_of(model, folder, round(module.history[-1]["step"]), batches.per_epoch, seconds, resumed),
        "precision": trainer.precision,
    }
    return _Fit(module.history, cost)


def _join_trees(job: _Job, fit: _Fit) -> _Fit:
    """Fit trees, choose their weight on validation pieces and save them with the network."""
    began, data = time.perf_counter(), job.data
    model, _, _ = load_model(job.folder / CHECKPOINT, device_of(job.plan.accelerator))
    assert isinstance(model, TaskModel)
    model.ensemble = None  # where a run was cut off between here and its scores
    ensemble = Ensemble(fitted_trees(data))
    tokens, truths = zip(*data.pieces("valid"), strict=True)
    shown = tqdm(tokens, f"{data.name}, the vote", leave=False, disable=None, unit=" pieces")
    logits = [model.logits(one, remembered_notes) for one in shown]
    ensemble.weigh(tokens, logits, truths, remembered_notes)
    model.ensemble = ensemble
    job.keep(model)
    numbers = ensemble.trees.numbers
    size = sum(tensor.nbytes for tensor in ensemble.state_dict().values())
    cost = {**fit.cost, "seconds": round(fit.cost["seconds"] + time.perf_counter() - began, 1)}
    cost |= {name: fit.cost[name] + numbers for name in ("trained_parameters", "parameters")}
    return replace(fit, cost={**cost, "saved_bytes": fit.cost["saved_bytes"] + size})


def schedule(per_epoch: int, epochs: float | None, usual: int) -> tuple[int, int]:
    """Return the number of steps of a run and of steps between validations. The last step is followed by one.

    Args:
        per_epoch: Batches in a pass over the training windows.
        epochs: Passes asked for or None.
        usual: Passes of the task, which a small corpus exceeds.
    """
    passes = epochs if epochs is not None else max(usual, FEWEST_STEPS / per_epoch)
    steps = max(1, round(passes * per_epoch))
    validations = min(math.ceil(passes), MOST_VALIDATIONS, steps)
    interval = steps // validations
    return interval * validations, interval


def _patience(plan: Plan) -> EarlyStopping:
    return EarlyStopping("valid_accuracy", mode="max", patience=plan.patience)


def _trainer(
    plan: Plan,
    folder: Path,
    steps: int,
    interval: int,
    validate_first: bool,
    callbacks: list[lightning.Callback],
) -> lightning.Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    precision: Any = plan.precision or usual_precision(plan.accelerator)
    return lightning.Trainer(
        accelerator=plan.accelerator,
        devices=1,
        precision=precision,
        max_steps=steps,
        val_check_interval=interval,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=-1 if validate_first else 0,
        gradient_clip_val=1.0,
        callbacks=callbacks,
        logger=build_loggers(folder, plan.logger),
        enable_checkpointing=False,
        plugins=[StateFiles()],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
