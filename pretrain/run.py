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
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities import rank_zero_only
from numpy.typing import NDArray

from data.batches import Batch, StepBatches, endless_loader, one_pass_loader
from data.failures import explained
from data.progress import StepProgress
from data.records import provenance, write_json
from data.runs import RECORD, SETTINGS, begin, find_folder
from data.shards import Shards
from data.windows import make_windows
from pretrain.auxiliary import AUXILIARIES
from pretrain.config import PretrainSettings
from pretrain.corruption import build_corruption
from pretrain.freezing import FreezeBook
from pretrain.module import Pretraining
from pretrain.objective import Objective
from pretrain.report import write_report
from pretrain.retirement import Retirement
from pretrain.selectors import Schedule, SelectorOptions, build_selector
from symbolic.backbone import build_backbone, preset
from symbolic.checkpoint import save_checkpoint
from symbolic.errors import ConfigError, CorpusError
from symbolic.heads import FieldHeads
from symbolic.tokenizer import Tokenizer, rebase_bars
from symbolic.vocabulary import FIELDS

_AGREED = "COUNTERPOINT_RUN_FOLDER"
_HELD_OUT_ROWS = 24_000
"""Rows that an evaluation sees; enough for a standard error of about one per cent."""


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
    if settings.accelerator == "gpu" and not torch.accelerator.is_available():
        raise ConfigError("There is no GPU here. Use --accelerator cpu, or auto.")
    chief = getattr(rank_zero_only, "rank", 0) == 0  # known from the environment before any trainer is
    name, root = ("folder", settings.folder) if settings.folder else (settings.corpus, settings.root)
    out = _folder(settings, Path(root).resolve().name if settings.folder and root else name, chief)
    tokenizer = Tokenizer()
    shards = settings.shards(name, root, tokenizer, progress=chief)
    config = preset(settings.preset)
    train, valid = _sides(shards, config.window)
    if chief:
        _begin(out, shards, settings)

    batches = StepBatches(shards, train, settings.budget, settings.seed, settings.transposition)
    an_epoch = max(1, batches.per_epoch // settings.batches_per_step)
    steps = settings.steps or max(1, round(settings.epochs * an_epoch))
    module = _module(settings, tokenizer, FreezeBook(out / "frozen", len(shards)), steps)
    trainer, state = _trainer(settings, out, module, batches, steps)
    resumed = str(state) if settings.resume and state.exists() else None
    held_out = StepBatches(shards, valid, settings.budget, shuffle=False)
    with explained(state):
        loaders = _Loaders(batches, held_out, module.book, settings, resumed)
        trainer.fit(module, loaders, ckpt_path=resumed, weights_only=True)
        if not len(module.held_out) or module.history[-1]["step"] != trainer.global_step:
            trainer.validate(module, one_pass_loader(held_out), verbose=False)
    if not trainer.is_global_zero:
        return None
    return _finish(settings, out, module, tokenizer, shards, train, valid)


def _folder(settings: PretrainSettings, title: str, chief: bool) -> Path:
    """The run folder, the same in every process of a run.

    Raises:
        ConfigError: If the folder will not do, or processes started from outside could not agree on one.
    """
    if settings.out is None and int(os.environ.get("WORLD_SIZE", 1)) > 1 and _AGREED not in os.environ:
        raise ConfigError("Processes started from outside need one run folder: name it with --out.")
    if not chief:
        return Path(settings.out or os.environ[_AGREED])
    base = Path("runs") / "pretrain" / f"{title}-{settings.preset}-{settings.selector}"
    out = find_folder(base, settings.identity, settings.out, settings.resume)
    os.environ[_AGREED] = str(out)  # for the processes that the trainer starts
    return out


def _begin(out: Path, shards: Shards, settings: PretrainSettings) -> None:
    """Mark the folder; a run that goes on must find the corpus it began with.

    On another one it would not only train on other batches: its checkpoint would name the pieces seen since, and
    forget those before, for which `finetune` then could not refuse a test score.

    Raises:
        ConfigError: If the corpus is another.
    """
    if (out / SETTINGS).is_file():
        before = json.loads((out / SETTINGS).read_text(encoding="utf-8"))
        # Runs of the first release did not note their corpus.
        if before.get("shards", shards.fingerprint) != shards.fingerprint:
            raise ConfigError(
                f"The music or its split changed since {out} began. Restore it, or start a new run with --out."
            )
    begin(out, {**settings.identity, "shards": shards.fingerprint})


class _Loaders(lightning.LightningDataModule):
    """Batches from the step on at which the trainer stands, each with the freeze state of its rows."""

    def __init__(
        self,
        batches: StepBatches,
        held_out: StepBatches,
        book: FreezeBook,
        settings: PretrainSettings,
        resumed: str | None,
    ) -> None:
        super().__init__()
        self.batches, self.held_out, self.book, self.settings = batches, held_out, book, settings
        # Loaders are made before the trainer takes up its checkpoint, so the step is read from it here.
        self.start = torch.load(resumed, weights_only=True)["global_step"] if resumed else 0

    def train_dataloader(self) -> Any:
        assert self.trainer is not None  # who asks
        start = self.start * self.settings.accumulate
        rank, world = self.trainer.global_rank, self.trainer.world_size
        return endless_loader(self.batches, start, rank, world, self.settings.workers)

    def val_dataloader(self) -> Any:
        return one_pass_loader(self.held_out)

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Any:
        """Join the freeze state here and not in a worker, which may be batches ahead of a revision."""
        if not (self.trainer and self.trainer.training):
            return batch
        return batch, torch.from_numpy(self.book.frozen(batch.start.numpy(), batch.rows.shape[1]))


def _sides(shards: Shards, window: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Training and held-out windows.

    A small folder, dealt by chance, may have no validation piece; then a tenth of the training pieces is held out,
    copies together.

    Raises:
        CorpusError: If that leaves either side empty.
    """
    train, valid = shards.select("train"), shards.select("valid")
    if len(valid) == 0:
        kinds = np.unique(shards.fingerprints[train])
        held = np.isin(shards.fingerprints[train], kinds[: -(-len(kinds) // 10)])
        train, valid = train[~held], train[held]
    if len(train) == 0 or len(valid) == 0:
        raise CorpusError(
            f"The corpus has {len(shards.pieces)} pieces, and none of them can be trained on while another is held "
            "out. Add files, or name splits in a labels.csv with columns file and split."
        )
    # The same held-out pieces at every evaluation, drawn without regard to their order in the corpus.
    held_out = make_windows(shards, np.random.default_rng(0).permutation(valid), window)
    enough = np.searchsorted(np.cumsum(held_out[:, 1] - held_out[:, 0]), _HELD_OUT_ROWS) + 1
    return make_windows(shards, np.sort(train), window), held_out[:enough]


def _module(settings: PretrainSettings, tokenizer: Tokenizer, book: FreezeBook, steps: int) -> Pretraining:
    torch.manual_seed(settings.seed)
    config, sizes = preset(settings.preset), tokenizer.vocabulary.sizes
    schedule = Schedule(settings.mask_low, settings.mask_high, settings.mask_cap)
    options = SelectorOptions(
        settings.unit, settings.network, settings.network_layers, settings.exploration, settings.ramp
    )
    backbone = build_backbone(config, sizes)
    backbone.recompute = settings.recompute
    heads = FieldHeads(config.dim, sizes)
    selector = build_selector(settings.selector, schedule, sizes, config, options)
    if settings.compile:
        backbone.compile(dynamic=True)  # the rows of a window differ from batch to batch
    objective = Objective(
        backbone,
        heads,
        selector,
        build_corruption(settings.corruption, sizes, selector.withholds_all),
        [AUXILIARIES[name](config.dim, sizes) for name in settings.auxiliaries],
        identity_weight=settings.identity_weight,
    )
    return Pretraining(
        objective,
        book,
        seed=settings.seed,
        steps=steps,
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
    )


def _trainer(
    settings: PretrainSettings, out: Path, module: Pretraining, batches: StepBatches, steps: int
) -> tuple[lightning.Trainer, Path]:
    """The trainer, and where it keeps the state to resume from."""
    every = max(1, -(-steps // settings.evaluations))
    keeper = ModelCheckpoint(out / "state", filename="last", save_top_k=1, enable_version_counter=False)
    callbacks: list[lightning.Callback] = [StepProgress("pretraining", steps), keeper]
    freeze_every = settings.freeze_every
    if freeze_every is None:
        freeze_every = 1.0 if module.objective.selector.retires else 0.0
    if freeze_every:
        period = max(1, round(freeze_every * batches.per_epoch / settings.batches_per_step))
        fixed = StepBatches(batches.shards, batches.windows, settings.budget, shuffle=False)
        callbacks.append(Retirement(fixed, module.book, period, settings.freeze_limit))
    trainer = lightning.Trainer(
        max_steps=steps,
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.nodes,
        # What is counted on the device is summed where it is read; copies of it must not be overwritten before.
        strategy=DDPStrategy(broadcast_buffers=False) if settings.processes > 1 else "auto",
        accumulate_grad_batches=settings.accumulate,
        precision=settings.precision,  # type: ignore[arg-type]
        callbacks=callbacks,
        val_check_interval=every * settings.accumulate,  # Lightning counts batches here, and steps above
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        gradient_clip_val=1.0,
        use_distributed_sampler=False,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=out,
    )
    return trainer, out / "state" / "last.ckpt"


def _finish(
    settings: PretrainSettings,
    out: Path,
    module: Pretraining,
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
        pretrained_on=shards.fingerprints[seen],
    )
    record = {
        **origin,
        "settings": settings.identity,
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
        "floors": majority_floors(shards, train, valid),
        "history": module.history,
        "files": {"checkpoint": "checkpoint", "report": "report.html", "pictures": "pictures"},
    }
    write_json(out / RECORD, record)
    write_report(out, record, module, tokenizer, shards, train, valid)
    return {**record, "folder": str(out)}


def majority_floors(
    shards: Shards, train: NDArray[np.int64], valid: NDArray[np.int64], most: int = 4000
) -> dict[str, float]:
    """Accuracy on held-out rows of always saying each field's most common training id.

    Args:
        shards: Where the rows lie.
        train: (W, 3) windows to count in; beyond `most` of them, an even sample.
        valid: (V, 3) windows to score.
        most: How many training windows are read.
    """

    def rows(windows: NDArray[np.int64]) -> NDArray[np.integer]:
        return np.concatenate([rebase_bars(shards.rows(int(a), int(b))) for a, b, _ in windows])

    sample = train[np.linspace(0, len(train) - 1, min(most, len(train))).astype(int)]
    common = [np.bincount(column).argmax() for column in rows(sample).T]
    return dict(zip(FIELDS, (rows(valid) == common).mean(0).tolist(), strict=True))


def _quiet() -> None:
    """Silence what Lightning says of things that are as we want them."""
    for logger in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(logger).setLevel(logging.WARNING)
    for text in (
        ".*does not have many workers.*",
        ".*`ModelCheckpoint.*",
        ".*Checkpoint directory.*",
        ".*LeafSpec.*",
    ):
        warnings.filterwarnings("ignore", text)
