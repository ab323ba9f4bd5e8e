"""What one seed came to: scores of the checkpoint that was kept, and what it cost."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data.batches import StepBatches, one_pass_loader
from data.records import write_json
from data.windows import make_windows
from finetune.metrics import Counts
from finetune.model import TaskModel, device_of, load_model
from finetune.module import TaskModule, best_entry, count_parameters
from finetune.taskdata import TaskData

RESULT, COUNTS, CHECKPOINT = "result.json", "counts.npz", "checkpoint"


@dataclass(frozen=True, eq=False)
class SeedResult:
    """One seed's outcome.

    Attributes:
        summary: Scores, curves and cost, as JSON values.
        counts: (G, C, C) confusion matrices by song group, for "valid" and "test".
    """

    summary: dict[str, Any]
    counts: Mapping[str, Counts]

    def save(self, folder: Path) -> None:
        """Write it; the JSON last, whose presence says that the seed is done."""
        np.savez_compressed(folder / COUNTS, valid=self.counts["valid"], test=self.counts["test"])
        write_json(folder / RESULT, self.summary)

    @classmethod
    def load(cls, folder: Path) -> SeedResult | None:
        """What `save` wrote, or None if the seed is not done."""
        if not (folder / RESULT).is_file():
            return None
        summary = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        with np.load(folder / COUNTS, allow_pickle=False) as counts:
            return cls(summary, {split: counts[split] for split in ("valid", "test")})


def score_seed(
    data: TaskData, folder: Path, module: TaskModule, cost: dict[str, Any], accelerator: str
) -> SeedResult:
    """Scores of the checkpoint that was kept, read back from disk, on validation and test pieces.

    Args:
        data: The task's pieces.
        folder: Of the seed; holds the checkpoint.
        module: As training left it; only its curves are used.
        cost: From `cost_of`.
        accelerator: Where to score.
    """
    model, _, _ = load_model(folder / CHECKPOINT, device_of(accelerator))
    counts = {split: data.evaluate(model.classes, split) for split in ("valid", "test")}
    scores = {
        split: {name: float(metric(matrix.sum(axis=0))) for name, metric in data.task.metrics.items()}
        for split, matrix in counts.items()
    }
    if data.task.level == "sequence":
        for split in scores:
            scores[split]["window_accuracy"] = window_accuracy(model, data, split)
    summary = {
        "seed": module.seed,
        "best_step": best_entry(module.history)["step"],
        **scores,
        "cost": cost,
        "history": module.history,
    }
    return SeedResult(summary, counts)


@torch.inference_mode()
def window_accuracy(model: TaskModel, data: TaskData, split: str) -> float:
    """Share of windows, each judged alone, that get their piece's label: what papers quote."""
    windows = make_windows(data.shards, data.splits[split], model.backbone.config.window)
    device = next(model.parameters()).device
    right = 0
    for batch in one_pass_loader(StepBatches(data.shards, windows, 8192, shuffle=False)):
        attend = None if batch.attend is None else batch.attend.to(device)
        predicted = model(batch.rows.to(device), attend).argmax(-1).cpu().numpy()
        right += int((predicted == data.labels[batch.piece.numpy()]).sum())
    return right / len(windows)


def cost_of(
    module: TaskModule, folder: Path, per_epoch: int, seconds: float, resumed: bool
) -> dict[str, Any]:
    """What a seed cost, as JSON values.

    Args:
        module: As training left it.
        folder: Of the seed.
        per_epoch: Batches in a pass over the training windows.
        seconds: That training took, validations included; of a resumed run, since it was resumed.
        resumed: Whether it was.
    """
    checkpoint = folder / CHECKPOINT
    adapter = checkpoint / "adapter.safetensors"
    steps = module.history[-1]["step"]
    return {
        "seconds": round(seconds, 1),
        "seconds_per_epoch": None if resumed else round(seconds * per_epoch / steps, 1),
        "resumed": resumed,
        "steps": steps,
        "trained_parameters": count_parameters(module.model.trained()),
        "parameters": count_parameters(list(module.model.parameters())),
        "saved_bytes": (adapter if adapter.is_file() else checkpoint / "model.safetensors").stat().st_size,
        "peak_memory_bytes": peak_memory(),
    }


def peak_memory() -> int | None:
    """Bytes at most held: on the accelerator if there is one, else by this process; None where unknown."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
