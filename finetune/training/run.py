"""One fine-tuning run: from a task and settings to checkpoints, a record and a report."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from data.preparation.summary import skipped_lines
from data.toolkit.records import provenance, write_json
from data.toolkit.runs import SETTINGS, begin, find_folder
from finetune.baselines.baselines import kept_baselines
from finetune.report.page import write_report
from finetune.report.tables import variant_of
from finetune.settings import (
    FEATURES,
    LEARNING_RATES,
    SCRATCH,
    SCRATCH_RATE,
    TrainSettings,
    share_of,
)
from finetune.tasks import Protocol, Task
from finetune.tasks.data import TaskData
from finetune.tasks.folds import guard, prepared_folds, together
from finetune.tasks.metrics import pack_counts
from finetune.training.options import read_options
from finetune.training.outcome import SCORED, SeedResult, pool_folds, processor
from finetune.training.record import FORMAT, fingerprint, save_record, scores, what
from finetune.training.seed import Plan, train_seed
from finetune.training.source import Source, no_backbone, open_source
from symbolic.adapters import METHODS as ADAPTERS
from symbolic.adapters import build_method
from symbolic.backbone.config import PRESETS
from symbolic.checkpoint.bundled import RECORD
from symbolic.errors import ConfigError
from symbolic.tokens.tokenizer import Tokenizer


@dataclass(frozen=True, eq=False)
class Run:
    """A run whose settings, data and folder are in order.

    Attributes:
        task: What is learnt.
        name: What is usual goes unsaid in it.
        settings: How it is learnt.
        identity: What a resumed run must have in common with it.
        source: Where the backbone comes from.
        out: Its folder.
        folds: The task's data, of every fold.
        leaks: What the guard said.
        plan: Of every seed.
        origin: Versions, machine, time and command.
    """

    task: Task
    name: str
    settings: TrainSettings
    identity: dict[str, Any]
    source: Source
    out: Path
    folds: list[TaskData]
    leaks: dict[str, Any]
    plan: Plan
    origin: dict[str, Any]

    def train(self, splits: Sequence[str] = SCORED) -> dict[tuple[int, int], SeedResult]:
        """What every seed and fold came to on some sides; those that are done are not trained again."""
        first, budget = self.settings.seed, self.settings.budget
        about = {**self.origin, "backbone": self.source.description, "method": self.settings.method}
        return {
            (seed, data.fold): train_seed(
                data.thinned(budget, seed),
                self.source,
                self.plan,
                seed,
                self.out / _place(data, seed),
                about,
                splits,
            )
            for seed in range(first, first + self.settings.seeds)
            for data in self.folds
        }

    def pooled(self, results: Mapping[tuple[int, int], SeedResult]) -> list[SeedResult]:
        """The outcome of each seed, over all folds."""
        seeds = range(self.settings.seed, self.settings.seed + self.settings.seeds)
        return [pool_folds(self.task, [results[seed, data.fold] for data in self.folds]) for seed in seeds]


def open_run(
    task: Task,
    root: str | None,
    settings: TrainSettings,
    protocol: str | None = None,
    command: Sequence[str] | None = None,
) -> Run:
    """Everything that can be refused before any training is.

    Args:
        task: What to learn.
        root: The folder of data sets, or the user's own folder; None for $COUNTERPOINT_DATA.
        settings: How.
        protocol: Name of one of the task's; by default the first.
        command: Words of the command that records name. Default: those of this process.

    Raises:
        CounterpointError: If data, settings, checkpoint or the run to be resumed are unfit; says why.
    """
    chosen = task.protocol(protocol)
    if settings.note_features and task.level != "note":
        raise ConfigError(
            f"{settings.note_feature_flag}: note features are of notes, and '{task.name}' asks of pieces. Leave it out."
        )
    if settings.method == FEATURES and settings.seeds > 1 and settings.budget == 1:
        raise ConfigError(
            f"--seeds {settings.seeds}: what is fitted to the same labels is the same. Leave it out, or draw labels by "
            "--budget."
        )
    options = method_options(settings)
    source = (
        no_backbone()
        if settings.method == FEATURES
        else open_source(settings.checkpoint, settings.preset, settings.backbone)
    )
    name = run_name(task, chosen, settings, source)
    if settings.note_features and source.tokenizer.fingerprint != Tokenizer().fingerprint:
        raise ConfigError(
            f"{settings.note_feature_flag}: note features are made of our own tokens, and '{source.name}' reads others. Leave it out."
        )
    identity = {**settings.identity, "task": task.name, "protocol": chosen.name}
    base = Path("runs") / "finetune" / name
    flags, unset = {"checkpoint": "from"}, {"checkpoint": SCRATCH}
    out = find_folder(base, identity, settings.out, settings.resume, flags, unset)
    folds = prepared_folds(task, root, source.tokenizer, settings, chosen)
    leaks = together([guard(data, source, settings.allow_leaks) for data in folds])
    source = _begin(out, folds, source, identity)
    plan = Plan(
        settings.method,
        learning_rate(settings, source),
        settings.epochs,
        settings.tokens_per_batch,
        settings.patience,
        settings.accelerator,
        options,
        share_of(settings.share) if settings.share else None,
        settings.precision,
        settings.note_features,
        settings.ensemble,
    )
    origin = provenance(command)
    origin["machine"]["processor_name"] = processor()
    return Run(task, name, settings, identity, source, out, folds, leaks, plan, origin)


def finetune(
    task: Task,
    root: str | None,
    settings: TrainSettings,
    protocol: str | None = None,
    command: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Run, or go on with a run.

    Args:
        task: What to learn.
        root: The folder of data sets, or the user's own folder; None for $COUNTERPOINT_DATA.
        settings: How.
        protocol: Name of one of the task's; by default the first.
        command: Words of the command that records name. Default: those of this process.

    Returns:
        The record, as written to `record.json`, with "folder" and the lines of "skipped" files added.

    Raises:
        CounterpointError: As `open_run`.
    """
    run = open_run(task, root, settings, protocol, command)
    folds, out = run.folds, run.out
    baselines = kept_baselines(*(data.thinned(settings.budget, settings.seed) for data in folds))
    results = run.train()
    # The test score has no say in which checkpoint is named.
    seed, fold = max(results, key=lambda which: results[which].summary["valid"]["accuracy"])
    seeds = run.pooled(results)
    record = {
        "format": FORMAT,
        **run.origin,
        **what(folds, settings.budget, settings.seed),
        "method": settings.method,
        "backbone": run.source.description,
        "settings": {**run.identity, "lr": run.plan.lr or None},
        "leaks": run.leaks,
        "baselines": baselines,
        **scores(task, seeds, list(results.values()) if len(folds) > 1 else []),
        "checkpoint": f"{_place(folds[fold], seed)}/checkpoint",
        "seeds": [result.summary for result in seeds],
        # Those of the validation side too: by them runs are chosen among.
        **{
            f"{side}_counts": pack_counts(np.stack([result.counts[side] for result in seeds]))
            for side in SCORED
        },
    }
    write_json(out / RECORD, record)
    if settings.results:
        save_record(settings.results, run.name, record)
    write_report(out, record, folds[0], seeds)
    return {**record, "folder": str(out), "skipped": skipped_lines(folds[0].shards)}


def run_name(task: Task, protocol: Protocol, settings: TrainSettings, source: Source) -> str:
    """Of the run folder: what is usual goes unsaid."""
    parts = [task.name, "" if protocol is task.protocols[0] else protocol.name, settings.method, source.name]
    parts += [name + value for name, value in variant_of(settings.identity).items()]
    parts.append("" if settings.budget == 1 else f"budget{settings.budget:g}")
    return re.sub(r"[^\w.=+-]+", "_", "-".join(filter(None, parts)).replace("%", "pct"))


def _place(data: TaskData, seed: int) -> str:
    """Folder of one training, in that of the run."""
    return f"fold-{data.fold}/seed-{seed}" if data.protocol.folds > 1 else f"seed-{seed}"


def _begin(out: Path, folds: Sequence[TaskData], source: Source, identity: dict[str, Any]) -> Source:
    """Mark the folder; a run that goes on must find the corpus and the weights that it began with.

    Returns:
        The source; of a run begun before weights were noted, without their fingerprint, for they may be others.
    """
    shards, weights = fingerprint(folds), source.description.get("weights")
    if (out / SETTINGS).is_file():
        before = json.loads((out / SETTINGS).read_text(encoding="utf-8"))
        if weights is not None and before.get("weights") is None:
            weights = None
            source = replace(source, description={**source.description, "weights": None})
        elif before.get("weights") != weights:
            raise ConfigError(
                f"{source.name} holds other weights than when {out} began. Restore them, or start a new run."
            )
        if before.get("shards") != shards:
            raise ConfigError(
                f"The music, the labels or the split changed since {out} began. Restore them, or start a new run."
            )
    begin(out, {**identity, "shards": shards, "weights": weights})
    return source


def method_options(settings: TrainSettings) -> dict[str, Any]:
    """Options of the adapter, or of the probe, from the flags.

    Raises:
        ConfigError: If the method has no such option, or none that sets its size.
    """
    if settings.method == "probe":
        return {"layers": settings.probe or "all"}
    if settings.method in ("full", FEATURES):
        return {}
    options = read_options(settings.options or "")
    if settings.layers is not None:
        options["layers"] = settings.layers
    if settings.size is not None:
        name = ADAPTERS[settings.method].size
        if not name:
            raise ConfigError(f"--size {settings.size}: adapter '{settings.method}' has one size only.")
        options[name] = settings.size
    build_method(settings.method, **options)  # refuses what it does not know before any music is read
    return options


def learning_rate(settings: TrainSettings, source: Source) -> float:
    """The rate asked for, or the usual one of the method for a backbone of that width; 0 where nothing is descended."""
    if settings.lr is not None:
        return settings.lr
    if settings.method in (FEATURES, "probe"):
        return 0.0
    if settings.method == "full" and settings.checkpoint is None:
        return SCRATCH_RATE
    size = min(PRESETS, key=lambda name: abs(PRESETS[name].dim - source.config.dim))
    return LEARNING_RATES[settings.method][size]
