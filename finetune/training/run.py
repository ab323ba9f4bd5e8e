"""One fine-tuning run: from a task and settings to checkpoints, a record and a report."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.preparation.summary import skipped_lines
from data.toolkit.locks import sole_writer
from data.toolkit.options import read_options
from data.toolkit.records import provenance, write_json
from data.toolkit.runs import SETTINGS, begin, find_folder, read_settings
from data.toolkit.settings import flatten, nested, spelling
from finetune.baselines.baselines import cached_baselines
from finetune.report.page import write_report
from finetune.report.tables import WHOLE, variant_of
from finetune.settings import (
    AT_ONCE,
    FEATURES,
    LEARNING_RATES,
    SCRATCH_RATE,
    FinetuneSettings,
    share_of,
)
from finetune.tasks import Protocol, Task
from finetune.tasks.accounts import piece_uses
from finetune.tasks.checks import side_warnings
from finetune.tasks.data import TaskData
from finetune.tasks.folds import prepared_folds, task_of
from finetune.tasks.metrics import pack_counts
from finetune.training.handmade import PAIRS, fit_whole
from finetune.training.predictions import FILE, numbered, write_rows
from finetune.training.readings import Readings
from finetune.training.record import FORMAT, fingerprint, save_record, scores, what
from finetune.training.result import CHECKPOINT, SCORED, SeedResult, pool_folds, processor
from finetune.training.seed import Plan, train_seed
from finetune.training.weights import (
    InitialWeights,
    check_pretraining,
    merged_leaks,
    weights_of,
)
from symbolic.adapters import METHODS as ADAPTERS
from symbolic.adapters import build_method
from symbolic.backbone.config import PRESETS
from symbolic.checkpoint.bundled import RECORD
from symbolic.errors import ConfigError
from symbolic.tokens.tokenizer import Tokenizer

PIECES = "pieces.csv"


@dataclass(frozen=True, eq=False)
class Run:
    """A run whose settings, data and folder are in order.

    Attributes:
        task: What is learnt.
        name: What is usual goes unsaid in it.
        settings: How it is learnt.
        source: Where the backbone comes from.
        out: Its folder.
        folds: The task's data, of every fold.
        leaks: What `check_pretraining` found.
        plan: Of every seed.
        origin: Versions, machine, time and command.
    """

    task: Task
    name: str
    settings: FinetuneSettings
    source: InitialWeights
    out: Path
    folds: list[TaskData]
    leaks: dict[str, Any]
    plan: Plan
    origin: dict[str, Any]

    def train(self, splits: Sequence[str] = SCORED) -> dict[tuple[int, int], SeedResult]:
        """Train every seed and fold that is not done, and return all results."""
        first, budget = self.settings.training.seed, self.settings.data.budget
        about = {**self.origin, "backbone": self.source.description, "method": self.settings.adapter.method}
        results = {}
        for seed in range(first, first + self.settings.training.seeds):
            folds = [data.thinned(budget, seed) for data in self.folds]
            readings = Readings(folds, seed)
            for data in folds:
                folder = self.out / _place(data, seed)
                results[seed, data.fold] = train_seed(
                    data, self.source, self.plan, seed, folder, about, splits, readings
                )
        return results

    def pooled(self, results: Mapping[tuple[int, int], SeedResult]) -> list[SeedResult]:
        """Return the results of each seed over all folds."""
        first = self.settings.training.seed
        seeds = range(first, first + self.settings.training.seeds)
        return [pool_folds(self.task, [results[seed, data.fold] for data in self.folds]) for seed in seeds]


def open_run(
    settings: FinetuneSettings, task: Task | None = None, command: Sequence[str] | None = None
) -> Run:
    """Prepare a run and refuse everything that can be refused before training.

    Args:
        settings: What to learn and how.
        task: The task. By default the one that the settings name.
        command: Words of the command that records name. By default those of this process.

    Raises:
        CounterpointError: If data, settings, checkpoint or the run to be resumed do not fit. The message says why.
    """
    task = task or task_of(settings.data)
    chosen = task.protocol(settings.data.protocol)
    settings = settings.having(task=task.name, protocol=chosen.name)
    if settings.adapter.note_features and task.level != "note":
        raise ConfigError(
            f"{settings.adapter.note_feature_flag}: note features are of notes, and '{task.name}' asks of pieces. "
            "Leave it out."
        )
    if settings.adapter.method == FEATURES and settings.training.seeds > 1 and settings.data.budget == 1:
        raise ConfigError(
            f"--seeds {settings.training.seeds}: what is fitted to the same labels is the same. Leave it out, or "
            "draw labels by --budget."
        )
    options = method_options(settings)
    source = weights_of(settings)
    if source.reads_note_features and settings.adapter.method != "full":
        raise ConfigError(
            f"--method {settings.adapter.method} freezes the backbone of '{source.name}', which was trained with note "
            "features. Without them its states are wrong. Use --method full, or a pretrained model such as tiny."
        )
    name = run_name(task, chosen, settings, source)
    if settings.adapter.note_features and source.tokenizer.fingerprint != Tokenizer().fingerprint:
        raise ConfigError(
            f"{settings.adapter.note_feature_flag}: note features are made of our own tokens, and '{source.name}' "
            "reads others. Leave it out."
        )
    base = Path("runs") / "finetune" / name
    run = settings.run
    out = find_folder(base, settings.identity, run.out, run.resume, **spelling(FinetuneSettings))
    folds = prepared_folds(task, settings.data.place, source.tokenizer, settings.data, chosen)
    leaks = merged_leaks([check_pretraining(data, source, run.allow_leaks) for data in folds])
    _begin(out, folds, source, settings)
    plan = Plan(
        settings.adapter.method,
        learning_rate(settings, source),
        settings.training.epochs,
        settings.training.tokens_per_batch,
        settings.training.patience,
        settings.training.accelerator,
        options,
        share_of(settings.adapter.share) if settings.adapter.share else None,
        settings.training.precision,
        settings.adapter.note_features,
        settings.adapter.ensemble,
        settings.adapter.probe_first,
        run.logger,
    )
    origin = provenance(command)
    origin["machine"]["processor_name"] = processor()
    return Run(task, name, settings, source, out, folds, leaks, plan, origin)


def finetune(
    settings: FinetuneSettings, task: Task | None = None, command: Sequence[str] | None = None
) -> dict[str, Any]:
    """Run or resume a run.

    Args:
        settings: What to learn and how.
        task: The task. By default the one that the settings name.
        command: Words of the command that records name. By default those of this process.

    Returns:
        The record, as written to `record.json`, with "folder" and the lines of "skipped" files added.

    Raises:
        CounterpointError: As `open_run`, or if another process uses the run folder.
    """
    run = open_run(settings, task, command)
    with sole_writer(run.out, wait=False):
        return _finetune(run)


def _finetune(run: Run) -> dict[str, Any]:
    """Train and score in a folder that no other run uses."""
    task, settings, folds, out = run.task, run.settings, run.folds, run.out
    used = [data.thinned(settings.data.budget, settings.training.seed) for data in folds]
    baselines = cached_baselines(*used)
    results = run.train()
    # The test score has no say in which checkpoint is named.
    seed, fold = max(results, key=lambda which: results[which].summary["valid"]["accuracy"])
    seeds = run.pooled(results)
    whole = {}
    if (
        len(folds) > 1
        and settings.adapter.method == FEATURES
        and task.level == "sequence"
        and not used[0].thin
    ):
        with_pairs = [bool(one.summary[PAIRS]) for one in results.values()]
        # As in most folds: what was tested is what is saved.
        pairs = sum(with_pairs) > len(with_pairs) / 2
        whole = {WHOLE: fit_whole(folds[0], run.source, out / CHECKPOINT, run.origin, pairs)}
    record = {
        "format": FORMAT,
        **run.origin,
        **what(folds, settings.data.budget, settings.training.seed),
        "method": settings.adapter.method,
        "backbone": run.source.description,
        "settings": settings.having(lr=run.plan.lr or None).identity,
        "leaks": run.leaks,
        "warnings": [*task.warnings, *side_warnings(used)],
        "baselines": baselines,
        **scores(task, seeds, list(results.values()) if len(folds) > 1 else []),
        "checkpoint": CHECKPOINT if whole else f"{_place(folds[fold], seed)}/{CHECKPOINT}",
        **whole,
        "seeds": [result.summary for result in seeds],
        # Those of the validation side too: by them runs are chosen among.
        **{
            f"{side}_counts": pack_counts(np.stack([result.counts[side] for result in seeds]))
            for side in SCORED
        },
    }
    write_json(out / RECORD, record)
    _write_pieces(out, used, seeds)
    if settings.run.results:
        save_record(settings.run.results, run.name, record)
    write_report(out, record, folds[0], seeds)
    return {**record, "folder": str(out), "skipped": skipped_lines(folds[0].shards)}


def _write_pieces(out: Path, folds: Sequence[TaskData], seeds: Sequence[SeedResult]) -> None:
    """Write what each piece of the corpus was used for, and the predictions for test pieces."""
    write_rows(out / PIECES, [one._asdict() for one in piece_uses(folds)])
    rows = [row for one in seeds for row in numbered(one.predictions, "seed", one.summary["seed"])]
    if rows:
        write_rows(out / FILE, rows)


def run_name(task: Task, protocol: Protocol, settings: FinetuneSettings, source: InitialWeights) -> str:
    """Return the name of the run folder; defaults are left out of it."""
    parts = [
        task.name,
        "" if protocol is task.protocols[0] else protocol.name,
        settings.adapter.method,
        source.name,
    ]
    parts += [name + value for name, value in variant_of(settings.flat()).items()]
    parts.append("" if settings.data.budget == 1 else f"budget{settings.data.budget:g}")
    return re.sub(r"[^\w.=+-]+", "_", "-".join(filter(None, parts)).replace("%", "pct"))


def _place(data: TaskData, seed: int) -> str:
    """Return the folder of one training inside the run folder."""
    return f"fold-{data.fold}/seed-{seed}" if data.protocol.folds > 1 else f"seed-{seed}"


def _begin(out: Path, folds: Sequence[TaskData], source: InitialWeights, settings: FinetuneSettings) -> None:
    """Write the settings into the folder. A resumed run needs the corpus and the weights of its start."""
    shards, weights = fingerprint(folds), source.description.get("weights")
    if (out / SETTINGS).is_file():
        before = read_settings(out)
        if before.get("weights") != weights:
            raise ConfigError(
                f"{source.name} holds other weights than when {out} began. Restore them, or start a new run."
            )
        if before.get("shards") != shards:
            raise ConfigError(
                f"The music, the labels or the split changed since {out} began. Restore them, or start a new run."
            )
    # All settings, for --resume reads them; those without a meaning for the method as the identity has them.
    asked = {**settings.flat(), "out": None, "resume": False, **flatten(settings.identity)}
    about = {"command": "finetune", "settings": nested(FinetuneSettings, asked)}
    begin(out, {**about, "shards": shards, "weights": weights})


def method_options(settings: FinetuneSettings) -> dict[str, Any]:
    """Return the options of the adapter or of the probe.

    Raises:
        ConfigError: If the method has no such option, or none that sets its size.
    """
    adapter = settings.adapter
    if adapter.method == "probe":
        keys = {"keys": adapter.keys} if adapter.keys > 1 else {}
        return {"layers": adapter.probe or "all", **keys}
    if adapter.method in ("full", FEATURES):
        return {}
    options = read_options(adapter.options or "")
    if adapter.layers is not None:
        options["layers"] = adapter.layers
    if adapter.size is not None:
        name = ADAPTERS[adapter.method].size
        if not name:
            raise ConfigError(f"--size {adapter.size}: adapter '{adapter.method}' has one size only.")
        options[name] = adapter.size
    build_method(adapter.method, **options)  # refuses what it does not know before any music is read
    return options


def learning_rate(settings: FinetuneSettings, source: InitialWeights) -> float:
    """Return the learning rate: the given one or the default of method and width; 0 without gradient descent."""
    if settings.training.lr is not None:
        return settings.training.lr
    if settings.adapter.method in AT_ONCE:
        return 0.0
    if settings.adapter.method == "full" and settings.model.checkpoint is None:
        return SCRATCH_RATE
    size = min(PRESETS, key=lambda name: abs(PRESETS[name].dim - source.config.dim))
    return LEARNING_RATES[settings.adapter.method][size]
