"""One seed of hand-made features: fitted at once, its checkpoint kept, its curves a single point."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from finetune.features.classifier import FeatureClassifier
from finetune.features.memory import remembered_stretches
from finetune.features.stats import Floats
from finetune.metrics import Counts
from finetune.model import load_model, save_model
from finetune.outcome import CHECKPOINT, SCORED, SeedResult, peak_memory
from finetune.source import Source
from finetune.taskdata import TaskData
from symbolic.checkpoint import WEIGHTS

LEARNT_FROM = "learnt_from"
"""In a seed's outcome: the sides that what was tested has learnt from, where they are more than the training side."""
_Side = tuple[list[Floats], NDArray[np.int64]]
"""Features of the stretches of each piece of a side, and the classes of the pieces."""


def train_features(
    data: TaskData,
    source: Source,
    seed: int,
    folder: Path,
    provenance: dict[str, Any],
    splits: Sequence[str] = SCORED,
) -> SeedResult:
    """Fit to the training pieces and score the validation pieces; then fit to both, and score the test pieces.

    Validation pieces choose nothing, for there is nothing to be chosen, so that what is kept may learn from them.

    Args:
        data: The task's pieces.
        source: From `finetune.source.no_backbone`.
        seed: Which; it has no say.
        folder: Of the seed; receives the checkpoint.
        provenance: Goes into it.
        splits: What to score: a run that is only tried does not meet the test pieces.
    """
    began = time.perf_counter()
    classes = len(data.task.classes)
    train, valid = _side(data, "train"), _side(data, "valid")
    scout = FeatureClassifier.fit(*train, classes)
    model = FeatureClassifier.fit([*train[0], *valid[0]], np.concatenate([train[1], valid[1]]), classes)
    seconds = time.perf_counter() - began

    sides = np.concatenate([data.splits["train"], data.splits["valid"]])
    checkpoint = folder / CHECKPOINT
    task, seen = data.task.describe(), data.shards.fingerprints[sides]
    save_model(checkpoint, model, source.tokenizer, task, provenance, seen)
    counts = {"valid": _counts(data, "valid", scout, valid)}
    if "test" in splits:
        kept, _, _ = load_model(checkpoint)
        assert isinstance(kept, FeatureClassifier)
        counts["test"] = _counts(data, "test", kept, _side(data, "test"))
    scores = {
        split: {name: float(metric(matrix.sum(axis=0))) for name, metric in data.task.metrics.items()}
        for split, matrix in counts.items()
    }
    entry = {
        "step": 1,
        "train_loss": _loss(scout, train),
        "valid_loss": _loss(scout, valid),
        "valid_accuracy": scores["valid"]["accuracy"],
        "valid_macro_f1": scores["valid"]["macro_f1"],
    }
    linear, forest = model.discriminants.linear, model.forest
    numbers = sum(part.numel() for part in (linear.weight, linear.bias, forest.threshold, forest.leaf))
    cost = {
        "seconds": round(seconds, 1),
        "seconds_per_epoch": round(seconds, 1),
        "resumed": False,
        "steps": 1,
        "trained_parameters": numbers,
        "parameters": numbers,
        "saved_bytes": (checkpoint / WEIGHTS).stat().st_size,
        "peak_memory_bytes": peak_memory(),
    }
    summary = {"seed": seed, "best_step": 1, **scores, "cost": cost, "history": [entry]}
    return SeedResult({**summary, LEARNT_FROM: ["train", "valid"]}, counts)


def _side(data: TaskData, split: str) -> _Side:
    title = f"{data.name}, features of {split} pieces"
    pieces = tqdm(
        data.pieces(split), title, total=len(data.splits[split]), leave=False, disable=None, unit=" pieces"
    )
    found = [(remembered_stretches([rows])[0], int(truth)) for rows, truth in pieces]
    features, classes = zip(*found, strict=True)
    return list(features), np.array(classes, dtype=np.int64)


def _counts(data: TaskData, split: str, model: FeatureClassifier, side: _Side) -> Counts:
    """(G, C, C) confusion matrices by song group."""
    return data.counts(split, list(model.of_stretches(side[0]).argmax(axis=1)))


def _loss(model: FeatureClassifier, side: _Side) -> float:
    """Mean cross-entropy in nats; of a class that training did not show, as if it had a millionth."""
    shares = torch.from_numpy(model.of_stretches(side[0])).softmax(dim=1).numpy()
    right = shares[np.arange(len(side[1])), side[1]]
    return float(-np.log(np.maximum(right, 1e-6)).mean())
