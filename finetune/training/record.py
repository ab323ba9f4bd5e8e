"""Records of runs: task, corpus, split, scores over seeds and folds; and the copy among results."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from data.toolkit.records import portable_command, portable_settings, portable_value, provenance
from data.toolkit.results import (
    BASELINES,
    RUN_LINE,
    RUNS,
    SHARED,
    TASK_LINE,
    pack,
    task_key,
    without_shared,
    write_results,
)
from data.toolkit.settings import flatten
from finetune.budgets import budget_title
from finetune.tasks import Task, baselines_command
from finetune.tasks.accounts import left_out, piece_uses
from finetune.tasks.data import TaskData, summarise
from finetune.tasks.metrics import mean_sd
from finetune.training.result import SeedResult, processor

FORMAT = 2
"""Raised when a record's layout changes."""


def fingerprint(folds: Sequence[TaskData]) -> str:
    """Return the fingerprint of the prepared corpus, or of all folds together."""
    marks = [data.shards.fingerprint for data in folds]
    return marks[0] if len(marks) == 1 else hashlib.sha256(" ".join(marks).encode()).hexdigest()[:16]


def what(folds: Sequence[TaskData], budget: float = 1.0, seed: int = 0) -> dict[str, Any]:
    """Return task, corpus and split as JSON values. Sizes of sides are means over folds.

    Args:
        folds: The task's data, of every fold.
        budget: As of `TaskData.thinned`.
        seed: Seed of the choice of labels.
    """
    data = folds[0]
    task, protocol, shards = data.task, data.protocol, data.shards
    title = task.title if protocol is task.protocols[0] else f"{task.title}, {protocol.name}"
    title += "" if budget == 1 else f", {budget_title(budget)}"
    used = [one.thinned(budget, seed) for one in folds]
    sizes = [{split: len(pieces) for split, pieces in one.splits.items()} for one in used]
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
        "split": {"source": protocol.split, **mean, **several, "left_out": left_out(piece_uses(used))},
    }


def save_baselines(
    folder: str | Path, folds: Sequence[TaskData], baselines: list[dict[str, Any]], budget: float, seed: int
) -> Path:
    """Write the baselines of a task as a line of `baselines.jsonl` in the place of an older one.

    Args:
        folder: Folder of results.
        folds: Data that they were measured on.
        baselines: Baselines from `cached_baselines`.
        budget: Share of the labels.
        seed: Seed of the choice of labels.

    Returns:
        The file.
    """
    origin = provenance()
    origin["machine"]["processor_name"] = processor()
    about = {**origin, "command": portable_command(origin["command"]), **what(folds, budget, seed)}
    path = Path(folder) / BASELINES
    _save_task(path, {"format": FORMAT, **about, "baselines": baselines}, replace=True)
    return path


def save_record(folder: str | Path, name: str, record: dict[str, Any]) -> Path:
    """Write a portable copy of a record as a line of `finetune.jsonl`.

    It replaces the line of the same settings, music and weights. A name that another run has gets a number. The
    task's baselines are added to `baselines.jsonl` unless they are there.

    Args:
        folder: Folder of results.
        name: Name of the run. It leaves out what is usual. So runs may share it.
        record: Record of a run or of a transfer.

    Returns:
        The file.
    """
    saved = portable(record)
    path = Path(folder) / RUNS
    save_task(folder, saved)

    def with_record(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        line = without_shared(saved)
        marks = _marks(line)
        for number, other in enumerate(lines):
            if _same_run(_marks(other), marks):
                return [*lines[:number], {"name": other["name"], **line}, *lines[number + 1 :]]
        taken = {other["name"] for other in lines}
        numbered = (name if number == 1 else f"{name}-{number}" for number in count(1))
        return [*lines, {"name": next(one for one in numbered if one not in taken), **line}]

    write_results(path, with_record, RUN_LINE)
    return path


def save_task(folder: str | Path, record: Mapping[str, Any], study: str = "") -> None:
    """Add what a record shares with others of its task to `baselines.jsonl` unless it is there.

    Args:
        folder: Folder of results.
        record: Record of a run.
        study: Name of the study that it belongs to. A task of studies alone gets no table of its own.
    """
    origin = {name: record[name] for name in ("format", "time", "versions", "machine")}
    shared = {name: record[name] for name in SHARED}
    mark = {"study": study} if study else {}
    about = {**origin, **mark, "command": baselines_command(record), **shared}
    _save_task(Path(folder) / BASELINES, about, replace=False)


def _save_task(path: Path, about: dict[str, Any], replace: bool) -> None:
    key = task_key(about)
    sides = ("valid", "test")
    scores = [
        {**one, **{side: {"scores": one[side]["scores"]} for side in sides}} for one in about["baselines"]
    ]
    line = pack({**about, "baselines": scores})

    def with_task(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        keys = [task_key(line) for line in lines]
        if key not in keys:
            return [*lines, line]
        return [line if replace and one == key else other for one, other in zip(keys, lines, strict=True)]

    write_results(path, with_task, TASK_LINE)


def _same_run(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether records are of one run, made twice. A mark that one of them lacks may be anything."""
    return all(mark == other[name] or None in (mark, other[name]) for name, mark in one.items())


def _marks(line: dict[str, Any]) -> dict[str, Any]:
    """Return what runs have in common if they are the same."""
    return {
        "of": line["of"],
        "settings": {name: value for name, value in flatten(line["settings"]).items() if value is not None},
        "weights": line["backbone"].get("weights"),
        "transfer": line.get("transfer", {}).get("shards"),
        "scored": "transfer" in line,
    }


def scores(task: Task, seeds: Sequence[SeedResult], folds: Sequence[SeedResult]) -> dict[str, Any]:
    """Return mean, deviation and interval of each metric over seeds, as JSON values.

    Args:
        task: Task with its metrics.
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
    """Return a record to be committed: absolute paths are cut to their last part.

    Two things that no table shows are left out: training curves, and the provenance of the backbone, which its
    weights' fingerprint names.
    """
    backbone = {
        name: portable_value(value) for name, value in record["backbone"].items() if name != "provenance"
    }
    return {
        **record,
        "command": portable_command(record["command"]),
        "seeds": [_without_curves(seed) for seed in record["seeds"]],
        "backbone": backbone,
        "settings": portable_settings(record["settings"]),
    }


def _without_curves(seed: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in seed.items() if name != "history"}
    return found | ({"folds": [_without_curves(fold) for fold in seed["folds"]]} if "folds" in seed else {})
