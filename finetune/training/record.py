"""What a record says: task, corpus and split, scores over seeds and folds; and a copy fit to be committed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from data.toolkit.records import portable_command, portable_provenance, portable_value, provenance, write_json
from finetune.tasks import Task
from finetune.tasks.data import TaskData, summarise
from finetune.tasks.metrics import mean_sd
from finetune.training.outcome import SeedResult, processor
from symbolic.checkpoint.bundled import RECORD

FORMAT = 2
"""Raised when a record's layout changes."""


def fingerprint(folds: Sequence[TaskData]) -> str:
    """Of the prepared corpus; of several folds' together."""
    marks = [data.shards.fingerprint for data in folds]
    return marks[0] if len(marks) == 1 else hashlib.sha256(" ".join(marks).encode()).hexdigest()[:16]


def what(folds: Sequence[TaskData], budget: float = 1.0, seed: int = 0) -> dict[str, Any]:
    """Task, corpus and split, as JSON values; of several folds the numbers of pieces are the mean.

    Args:
        folds: The task's data, of every fold.
        budget: Share of the labels.
        seed: Of the choice of labels.
    """
    data = folds[0]
    task, protocol, shards = data.task, data.protocol, data.shards
    title = task.title if protocol is task.protocols[0] else f"{task.title}, {protocol.name}"
    title += "" if budget == 1 else f", {100 * budget:g}% of the labels"
    sizes = [
        {split: len(pieces) for split, pieces in one.thinned(budget, seed).splits.items()} for one in folds
    ]
    mean = {split: round(float(np.mean([one[split] for one in sizes]))) for split in sizes[0]}
    several = {"folds": sizes} if len(folds) > 1 else {}
    return {
        "task": {**task.describe(), "title": title, "metrics": task.metric_titles()},
        "protocol": protocol.name,
        "budget": budget,
        "published": [asdict(published) for published in task.published],
        "corpus": {
            **shards.manifest["corpus"],
            "shards": fingerprint(folds),
            "tokenizer": shards.tokenizer_fingerprint,
            "totals": shards.manifest["totals"],
        },
        "split": {"source": protocol.split, **mean, **several},
    }


def keep_baselines(
    folder: str | Path, folds: Sequence[TaskData], baselines: list[dict[str, Any]], budget: float, seed: int
) -> Path:
    """Write a record of baselines alone, `baselines/TASK.json`, with the protocol in its name where it is not the first.

    Args:
        folder: Of the records that tables are made of.
        folds: What they were measured on.
        baselines: From `kept_floors`.
        budget: Share of the labels.
        seed: Of the choice of labels.
    """
    task, protocol = folds[0].task, folds[0].protocol
    parts = [task.name, "" if protocol is task.protocols[0] else protocol.name]
    name = "-".join(filter(None, [*parts, "" if budget == 1 else f"budget{budget:g}"]))
    origin = provenance()
    origin["machine"]["processor_name"] = processor()
    about = {**origin, "command": portable_command(origin["command"]), **what(folds, budget, seed)}
    path = Path(folder) / "baselines" / f"{name}.json"
    write_json(path, {"format": FORMAT, **about, "baselines": baselines})
    return path


def keep_record(folder: str | Path, name: str, record: dict[str, Any]) -> Path:
    """Write a portable copy of a record, `NAME/record.json`.

    It takes the place of one that was made by the same settings on the same music from the same weights, and of no
    other: where the name is that of another run, it gets a number.

    Args:
        folder: Of the records that tables are made of.
        name: What is usual goes unsaid in it, so that runs may share it.
        record: Of a run or of a transfer.
    """
    kept, number = portable(record), 1
    while True:
        path = Path(folder) / (name if number == 1 else f"{name}-{number}") / RECORD
        if not path.is_file() or _same_run(json.loads(path.read_text(encoding="utf-8")), kept):
            write_json(path, kept)
            return path
        number += 1


def _same_run(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether records are of one run, made again. What a release did not note yet may be anything."""
    ours, theirs = _marks(one), _marks(other)
    return all(mark == theirs[name] or None in (mark, theirs[name]) for name, mark in ours.items())


def _marks(record: dict[str, Any]) -> dict[str, Any]:
    """What runs have in common if they are the same; None where it was not noted."""
    return {
        "settings": {name: value for name, value in record["settings"].items() if value is not None},
        "title": record["task"]["title"],
        "music": record["corpus"]["shards"],
        "weights": record["backbone"].get("weights"),
        "learnt": record.get("transfer", {}).get("shards"),
    }


def scores(task: Task, seeds: Sequence[SeedResult], folds: Sequence[SeedResult]) -> dict[str, Any]:
    """Mean, deviation and interval of each metric over seeds, as JSON values.

    Args:
        task: Says which metrics.
        seeds: Outcome of each seed.
        folds: Of each fold and seed, where there are folds.
    """
    found: dict[str, Any] = {}
    for split in ("valid", "test"):
        parts = [result.counts[split].sum(axis=0) for result in folds]
        found[split] = summarise(task, np.stack([result.counts[split] for result in seeds]), parts)
        if "window_accuracy" in seeds[0].summary[split]:
            mean, sd = mean_sd([result.summary[split]["window_accuracy"] for result in seeds])
            found[split]["window_accuracy"] = {"mean": mean, "sd": sd}
    return found


def portable(record: dict[str, Any]) -> dict[str, Any]:
    """A record without this machine's paths, to be committed: absolute ones are cut to their last part."""
    backbone = dict(record["backbone"])
    if "path" in backbone:
        backbone["path"] = portable_value(backbone["path"])
    if "provenance" in backbone:
        backbone["provenance"] = portable_provenance(backbone["provenance"])
    return {
        **record,
        "command": portable_command(record["command"]),
        "backbone": backbone,
        "settings": {name: portable_value(value) for name, value in record["settings"].items()},
    }
