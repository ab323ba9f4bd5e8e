"""Made-up records of runs, for tests of tables and charts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from finetune.report.tables import Record
from finetune.tasks.metrics import accuracy, bootstrap_interval, macro_f1, pack_counts

CLASSES = ("waltz", "reel", "jig")
GROUPS = 20


def counts_of(right: float, seeds: int = 2) -> Any:
    """(S, G, C, C) counts of 12 items of each class in each of 20 groups, this share of which are right, and ever more
    in later groups and seeds."""
    found = np.zeros((seeds, GROUPS, 3, 3), dtype=np.int64)
    for seed in range(seeds):
        for group in range(GROUPS):
            hits = min(12, round(12 * right) + (group % 3) + seed)
            for one in range(3):
                found[seed, group, one, one] = hits
                found[seed, group, one, (one + 1) % 3] = 12 - hits
    return found


def _scores(counts: Any) -> dict[str, Any]:
    found = {}
    for name, metric in (("accuracy", accuracy), ("macro_f1", macro_f1)):
        values = metric(counts.sum(axis=1))
        low, high = bootstrap_interval(counts, metric, samples=50)
        found[name] = {"mean": float(values.mean()), "sd": float(values.std()), "interval": [low, high]}
    return found


def _baseline(name: str, right: float) -> dict[str, Any]:
    counts = counts_of(right, 1)
    side = {"scores": _scores(counts), "confusion": counts.sum(axis=(0, 1)).tolist()}
    return {"name": name, "title": name, "valid": side, "test": side, "test_counts": pack_counts(counts[0])}


def record(
    right: float = 0.6,
    method: str = "full",
    path: str = "",
    budget: float = 1.0,
    parameters: int = 1000,
    **more: Any,
) -> dict[str, Any]:
    """A record as `finetune` writes it.

    Args:
        right: Share of the test items that are right.
        method: What was trained.
        path: Of the checkpoint; "" is random initialisation.
        budget: Share of the labels.
        parameters: How many were trained.
        **more: Entries in the place of the usual ones.
    """
    counts = counts_of(right)
    cost = {"trained_parameters": parameters, "parameters": 5000, "seconds": 10.0, "saved_bytes": 100}
    step = {"step": 5, "train_loss": 1.0, "valid_loss": 1.1, "valid_accuracy": right}
    backbone: dict[str, Any] = {"source": "random initialisation", "config": {"dim": 32}}
    if path:
        backbone |= {"source": "checkpoint", "path": path}
    return {
        "format": 2,
        "command": f"finetune genre --method {method} {path}".strip(),
        "time": "2026-01-01T00:00:00+00:00",
        "versions": {"torch": "2"},
        "machine": {"system": "Linux", "processor": "x86_64", "cores": 2},
        "task": {
            "name": "genre",
            "title": "Dances" if budget == 1 else f"Dances, {budget:.0%} of the labels",
            "label": "dance",
            "level": "sequence",
            "classes": list(CLASSES),
            "metrics": {"accuracy": "accuracy", "macro_f1": "macro F1"},
        },
        "protocol": "tunes",
        "budget": budget,
        "published": [
            {"system": "Others", "scores": {"accuracy": 99.9}, "protocol": "by | clip", "leaky": True},
            {"system": "More", "scores": {"macro_f1": 55.5}, "protocol": "by song", "leaky": False},
        ],
        "corpus": {
            **{
                "name": "tunes",
                "title": "Tunes",
                "licence": "CC0",
                "citation": "Someone",
                "homepage": "none",
            },
            "shards": "feed",
        },
        "split": {"source": "by tune", "train": 40, "valid": 10, "test": 20},
        "method": method,
        "backbone": backbone,
        "leaks": {"leaky": False, "pieces": []},
        "settings": {},
        "baselines": [_baseline("majority class", 0.2), _baseline("look-up", 0.4)],
        "valid": _scores(counts),
        "test": _scores(counts),
        "checkpoint": "seed-0/checkpoint",
        "seeds": [{"seed": seed, "cost": cost, "history": [step]} for seed in range(2)],
        "test_counts": pack_counts(counts),
        **more,
    }


def write_records(folder: Path, **records: Record) -> Path:
    """A folder of runs, by name."""
    for name, one in records.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "record.json").write_text(json.dumps(one), encoding="utf-8")
    return folder
