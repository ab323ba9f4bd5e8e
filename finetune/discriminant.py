"""One seed of hand-made features: fitted at once, its checkpoint kept, its curves a single point."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from finetune.features.classifier import FeatureClassifier
from finetune.features.memory import remembered
from finetune.features.stats import Floats
from finetune.metrics import accuracy, grouped_confusions, macro_f1
from finetune.model import save_model
from finetune.outcome import CHECKPOINT, peak_memory
from finetune.source import Source
from finetune.taskdata import TaskData
from symbolic.checkpoint import WEIGHTS


def fit_features(
    data: TaskData, source: Source, folder: Path, provenance: dict[str, Any]
) -> tuple[list[dict[str, float]], dict[str, Any]]:
    """Fit on the training pieces and save.

    Validation pieces choose nothing, for there is nothing to be chosen; their scores are told all the same.

    Args:
        data: The task's pieces.
        source: From `finetune.source.no_backbone`.
        folder: Of the seed; receives the checkpoint.
        provenance: Goes into it.

    Returns:
        The curves that a trained seed has, of one step, and its cost as from `finetune.outcome.cost_of`.
    """
    began = time.perf_counter()
    train, train_truth = _side(data, "train")
    model = FeatureClassifier.fit(train, train_truth, len(data.task.classes))
    seconds = time.perf_counter() - began
    valid, valid_truth = _side(data, "valid")
    said = model.of_features(valid)
    counts = grouped_confusions(
        valid_truth, said.argmax(axis=1), np.zeros_like(valid_truth), len(data.task.classes)
    )
    entry = {
        "step": 1,
        "train_loss": _loss(model.of_features(train), train_truth),
        "valid_loss": _loss(said, valid_truth),
        "valid_accuracy": float(accuracy(counts[0])),
        "valid_macro_f1": float(macro_f1(counts[0])),
    }
    seen = data.shards.fingerprints[data.splits["train"]]
    checkpoint = save_model(
        folder / CHECKPOINT, model, source.tokenizer, data.task.describe(), provenance, seen
    )
    numbers = sum(tensor.numel() for tensor in model.parameters())
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
    return [entry], cost


def _side(data: TaskData, split: str) -> tuple[Floats, NDArray[np.int64]]:
    """Features and classes of a side's pieces."""
    title = f"{data.name}, features of {split} pieces"
    pieces = tqdm(
        data.pieces(split), title, total=len(data.splits[split]), leave=False, disable=None, unit=" pieces"
    )
    found = [(remembered([rows])[0], int(truth)) for rows, truth in pieces]
    features, classes = zip(*found, strict=True)
    return np.stack(features), np.array(classes, dtype=np.int64)


def _loss(logits: Floats, truth: NDArray[np.int64]) -> float:
    """Mean cross-entropy in nats; of a class that training did not show, as if it had a millionth."""
    right = torch.from_numpy(logits).softmax(dim=1).numpy()[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(right, 1e-6)).mean())
