"""One fine-tuning run: from a task and settings to checkpoints, a record and a report."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from data.corpora import CORPORA, open_corpus
from data.corpora.archives import ROOT_VARIABLE, cache_folder
from data.leaks import check_leaks
from data.records import provenance, write_json
from data.runs import RECORD, SETTINGS, begin, find_folder
from data.settings import PrepareSettings
from finetune.config import LEARNING_RATES, SCRATCH_RATE, TrainSettings
from finetune.floors import FLOORS, VERSION, measure_floors
from finetune.metrics import mean_sd, pack_counts
from finetune.outcome import SeedResult
from finetune.report import write_report
from finetune.source import Source, open_source
from finetune.taskdata import TaskData, summarise, task_data
from finetune.tasks import Task
from finetune.training import Plan, train_seed
from symbolic.backbone.config import PRESETS
from symbolic.errors import ConfigError, LeakError
from symbolic.tokenizer import Tokenizer

FORMAT = 1


def finetune(task: Task, root: str | None, settings: TrainSettings) -> dict[str, Any]:
    """Run, or go on with a run.

    Args:
        task: What to learn.
        root: The folder of data sets, or the user's own folder; None for $COUNTERPOINT_DATA.
        settings: How.

    Returns:
        The record, as written to `record.json`, with "folder" added.

    Raises:
        CounterpointError: If data, settings, checkpoint or the run to be resumed are unfit; says why.
    """
    source = open_source(settings.checkpoint, settings.preset)
    out = _folder(task, settings, source)
    data = prepared(task, root, source.tokenizer, settings)
    leaks = guard(data, source, settings.allow_leaks)
    _begin(out, data, settings)
    plan = Plan(
        settings.method,
        learning_rate(settings, source),
        settings.epochs,
        settings.rows_per_batch,
        settings.patience,
        settings.accelerator,
    )
    origin = provenance()
    about = {**origin, "backbone": source.description, "method": settings.method}
    seeds = range(settings.seed, settings.seed + settings.seeds)
    floors = kept_floors(data)
    results = {
        f"seed-{seed}": train_seed(data, source, plan, seed, out / f"seed-{seed}", about) for seed in seeds
    }
    record = {
        "format": FORMAT,
        **origin,
        **_what(data),
        "method": settings.method,
        "backbone": source.description,
        "settings": {**settings.identity, "lr": plan.lr},
        "leaks": leaks,
        "floors": floors,
        **_scores(task, list(results.values())),
        "checkpoint": f"{_best(results)}/checkpoint",
        "seeds": [result.summary for result in results.values()],
        "test_counts": pack_counts(np.stack([result.counts["test"] for result in results.values()])),
    }
    write_json(out / RECORD, record)
    write_report(out, record, data, list(results.values()))
    return {**record, "folder": str(out)}


def _folder(task: Task, settings: TrainSettings, source: Source) -> Path:
    base = Path("runs") / "finetune" / f"{task.name}-{settings.method}-{source.name}"
    identity = {"task": task.name, **settings.identity}
    return find_folder(base, identity, settings.out, settings.resume, {"checkpoint": "from"})


def _begin(out: Path, data: TaskData, settings: TrainSettings) -> None:
    """Mark the folder; a run that goes on must find the corpus that it began with."""
    if (out / SETTINGS).is_file():
        before = json.loads((out / SETTINGS).read_text(encoding="utf-8"))
        if before.get("shards") != data.shards.fingerprint:
            raise ConfigError(
                f"The music, the labels or the split changed since {out} began. Restore them, or start a new run."
            )
    begin(out, {"task": data.task.name, **settings.identity, "shards": data.shards.fingerprint})


def prepared(task: Task, root: str | None, tokenizer: Tokenizer, settings: PrepareSettings) -> TaskData:
    """A task's corpus in the cache, lined up with the task.

    Args:
        task: Whose.
        root: The folder of data sets, or the user's own folder; None for $COUNTERPOINT_DATA.
        tokenizer: Makes the rows.
        settings: What to keep, and how.

    Raises:
        ConfigError: If no folder is named.
        CounterpointError: If the corpus is absent or unfit.
    """
    if root is None and not os.environ.get(ROOT_VARIABLE):
        wanted = CORPORA[task.corpus]
        raise ConfigError(
            f"Task '{task.name}' needs {wanted.title}. Name the folder that holds '{wanted.name}' with --root, "
            f"or set ${ROOT_VARIABLE} to it. The corpus is at {wanted.homepage}."
        )
    corpus = open_corpus(task.corpus, root, **task.options)
    return task_data(task, settings.prepare(corpus, tokenizer, hide=task.hide))


def guard(data: TaskData, source: Source, allow: bool) -> dict[str, Any]:
    """Refuse to score pieces that pretraining has seen (EVALUATION.md, rule 2).

    Returns:
        For the record: whether the score is leaky (None if that cannot be known), and the pieces.

    Raises:
        LeakError: If there are any, or the checkpoint does not say what it has seen, and leaks are not allowed.
    """
    if not source.recorded:
        if not allow:
            raise LeakError(
                f"Checkpoint '{source.name}' does not record which pieces it was pretrained on, so no score can be "
                "trusted. Use a checkpoint that `pretrain` wrote, or go on with --allow_leaks."
            )
        return {"leaky": None, "pieces": []}
    held_out = [
        (data.shards.pieces[piece].key + mark, int(data.shards.fingerprints[piece]))
        for split, mark in (("test", ""), ("valid", " (validation)"))
        for piece in data.splits[split]
    ]
    pieces = check_leaks(source.pretrained_on, held_out, allow)
    return {
        "leaky": bool(pieces),
        "pieces": pieces,
        "checked": len(held_out),
        "seen": len(source.pretrained_on),
    }


def kept_floors(data: TaskData) -> list[dict[str, Any]]:
    """The floors of a task, measured once for each prepared corpus and then kept in the cache."""
    identity = f"{VERSION} {data.shards.fingerprint} {data.task.describe()} {data.task.floors} {len(FLOORS)}"
    key = hashlib.sha256(identity.encode()).hexdigest()[:16]
    path = cache_folder() / "floors" / f"{data.task.name}-{key}.json"
    if not path.is_file():
        write_json(path, measure_floors(data))
    floors: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return floors


def learning_rate(settings: TrainSettings, source: Source) -> float:
    """The rate asked for, or the usual one of the method for a backbone of that width."""
    if settings.lr is not None:
        return settings.lr
    if settings.method == "full" and settings.checkpoint is None:
        return SCRATCH_RATE
    size = min(PRESETS, key=lambda name: abs(PRESETS[name].dim - source.config.dim))
    return LEARNING_RATES[settings.method][size]


def _what(data: TaskData) -> dict[str, Any]:
    """Task, corpus and split, for the record."""
    task, shards = data.task, data.shards
    return {
        "task": {**task.describe(), "metrics": task.metric_titles()},
        "published": [asdict(published) for published in task.published],
        "corpus": {
            **shards.manifest["corpus"],
            "shards": shards.fingerprint,
            "totals": shards.manifest["totals"],
        },
        "split": {"source": task.split, **{split: len(pieces) for split, pieces in data.splits.items()}},
    }


def _scores(task: Task, results: list[SeedResult]) -> dict[str, Any]:
    """Mean, deviation and interval of each metric over seeds, for the record."""
    scores: dict[str, Any] = {}
    for split in ("valid", "test"):
        scores[split] = summarise(task, np.stack([result.counts[split] for result in results]))
        if task.level == "sequence":
            mean, sd = mean_sd([result.summary[split]["window_accuracy"] for result in results])
            scores[split]["window_accuracy"] = {"mean": mean, "sd": sd}
    return scores


def _best(results: dict[str, SeedResult]) -> str:
    """The seed with the highest accuracy on validation pieces; the test score has no say."""
    return max(results, key=lambda name: results[name].summary["valid"]["accuracy"])
