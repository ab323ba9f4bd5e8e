"""Results of one seed: scores of its checkpoint, curves and cost."""

from __future__ import annotations

import io
import platform
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data.batches import StepBatches, one_pass_loader
from data.toolkit.records import write_json
from data.toolkit.safewrite import write
from data.windows import make_windows
from finetune.baselines.memory import remembered_notes
from finetune.tasks.base import Task
from finetune.tasks.data import TaskData, task_metrics
from finetune.tasks.metrics import Counts
from finetune.training.module import best_entry, count_parameters
from finetune.training.predictions import FILE, Row, numbered, predicted, read_rows, write_rows
from symbolic.documents import read_json
from symbolic.errors import ConfigError
from symbolic.predict.network import TaskModel, device_of, load_model

RESULT, COUNTS, CHECKPOINT = "result.json", "counts.npz", "checkpoint"
SCORED = ("valid", "test")
AGAIN = "Delete its folder: --resume trains this seed anew."


@dataclass(frozen=True, eq=False)
class SeedResult:
    """Results of one seed.

    Attributes:
        summary: Scores, curves and cost, as JSON values.
        counts: (G, C, C) confusion matrices by song group, for "valid" and, once they were asked, "test".
        predictions: A row for each test piece, from `predicted`.
    """

    summary: dict[str, Any]
    counts: Mapping[str, Counts]
    predictions: Sequence[Row] = ()

    def save(self, folder: Path) -> None:
        """Write the results, each file atomically. The JSON comes last: it marks the seed as done."""
        buffer, counts = io.BytesIO(), dict[str, Any](self.counts)
        np.savez_compressed(buffer, **counts)
        write(folder / COUNTS, buffer.getvalue())
        if self.predictions:
            write_rows(folder / FILE, self.predictions)
        write_json(folder / RESULT, self.summary)

    @classmethod
    def load(cls, folder: Path) -> SeedResult | None:
        """Load what `save` wrote; None if the seed is not done.

        Raises:
            ConfigError: If one of the files is damaged.
        """
        if not (folder / RESULT).is_file():
            return None
        summary = read_json(folder / RESULT, ConfigError, AGAIN)
        try:
            with np.load(folder / COUNTS, allow_pickle=False) as counts:
                found = {split: counts[split] for split in counts.files}
            return cls(summary, found, read_rows(folder / FILE))
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise ConfigError(f"{folder / COUNTS} is damaged ({error}). {AGAIN}") from error


def score_seed(
    data: TaskData,
    folder: Path,
    seed: int,
    history: list[dict[str, float]],
    cost: dict[str, Any],
    accelerator: str,
    splits: Sequence[str] = SCORED,
) -> SeedResult:
    """Score the saved checkpoint as loaded from disk.

    Args:
        data: The task's pieces.
        folder: Of the seed. Holds the checkpoint.
        seed: Which.
        history: Curves of its training.
        cost: From `cost_of`.
        accelerator: Where to score.
        splits: On the pieces of which sides: a run that is only tried does not meet the test pieces.
    """
    device = device_of(accelerator)
    model, _, _ = load_model(folder / CHECKPOINT, device)
    assert isinstance(model, TaskModel)
    found = {
        split: predicted(
            data, split, (model.logits(tokens, remembered_notes) for tokens, _ in data.pieces(split))
        )
        for split in splits
    }
    counts = {split: matrix for split, (matrix, _) in found.items()}
    scores = {
        split: {name: float(metric(matrix.sum(axis=0))) for name, metric in task_metrics(data.task).items()}
        for split, matrix in counts.items()
    }
    if data.task.level == "sequence":
        for split in scores:
            scores[split]["window_accuracy"] = window_accuracy(model, data, split)
    summary = {
        "seed": seed,
        "best_step": best_entry(history)["step"],
        **scores,
        "cost": cost,
        "history": history,
    }
    return SeedResult(summary, counts, found["test"][1] if "test" in found else ())


@torch.inference_mode()
def window_accuracy(model: TaskModel, data: TaskData, split: str) -> float:
    """Return the share of windows that get their piece's label, each window predicted alone. Papers quote it."""
    windows = make_windows(data.shards, data.splits[split], model.backbone.config.window)
    device = next(model.parameters()).device
    right = 0
    for batch in one_pass_loader(StepBatches(data.shards, windows, 8192, shuffle=False)):
        attend = None if batch.attend is None else batch.attend.to(device)
        predicted = model(batch.tokens.to(device), attend).argmax(-1).cpu().numpy()
        right += int((predicted == data.labels[batch.piece.numpy()]).sum())
    return right / len(windows)


def pool_folds(task: Task, folds: Sequence[SeedResult]) -> SeedResult:
    """Pool the results of one seed over all folds: every piece counts once in the fold that tests it.

    Scores are those of the counts together, but for the share of windows, which is the mean over folds; cost is the
    sum; the curves are the first fold's. What each fold came to stands under "folds".

    Args:
        task: Says which metrics.
        folds: Outcomes of one seed in the order of folds. A single one is returned as it is.
    """
    first = folds[0]
    if len(folds) == 1:
        return first
    counts = {split: np.concatenate([one.counts[split] for one in folds]) for split in first.counts}
    summary: dict[str, Any] = {"seed": first.summary["seed"]}
    for split, matrix in counts.items():
        summary[split] = {
            name: float(metric(matrix.sum(axis=0))) for name, metric in task_metrics(task).items()
        }
        if "window_accuracy" in first.summary[split]:
            shares = [one.summary[split]["window_accuracy"] for one in folds]
            summary[split]["window_accuracy"] = float(np.mean(shares))
    costs = [one.summary["cost"] for one in folds]
    peaks = [cost["peak_memory_bytes"] for cost in costs if cost["peak_memory_bytes"] is not None]
    summary["cost"] = {
        **costs[0],
        **{name: sum(cost[name] for cost in costs) for name in ("seconds", "steps", "saved_bytes")},
        "seconds_per_epoch": None,
        "resumed": any(cost["resumed"] for cost in costs),
        "peak_memory_bytes": max(peaks, default=None),
    }
    summary["history"] = first.summary["history"]
    summary["folds"] = [one.summary for one in folds]
    rows = [row for number, one in enumerate(folds) for row in numbered(one.predictions, "fold", number)]
    return SeedResult(summary, counts, rows)


def cost_of(
    model: TaskModel, folder: Path, steps: int, per_epoch: int, seconds: float, resumed: bool
) -> dict[str, Any]:
    """Return the cost of a seed as JSON values; with an adapter also the number of parameters that its use needs.

    Args:
        model: As training left it.
        folder: Of the seed.
        steps: That were taken.
        per_epoch: Batches in a pass over the training windows.
        seconds: That training took, validations included. Of a resumed run since it was resumed.
        resumed: Whether it was.
    """
    checkpoint = folder / CHECKPOINT
    adapter = checkpoint / "adapter.safetensors"
    beside = [] if model.note_features is None else model.note_features.state_dict().values()
    trained = count_parameters(model.trained())
    attached = model.backbone.adapter
    # The head is counted in both, so that they differ only where the adapter can be used without all it was trained by.
    kept = {"kept_parameters": trained - attached.count() + attached.saved_count()} if attached else {}
    return {
        "seconds": round(seconds, 1),
        "seconds_per_epoch": None if resumed else round(seconds * per_epoch / steps, 1),
        "resumed": resumed,
        "steps": steps,
        "trained_parameters": trained,
        **kept,
        "parameters": count_parameters(list(model.parameters())),
        "saved_bytes": adapter.stat().st_size + sum(tensor.nbytes for tensor in beside)
        if adapter.is_file()
        else (checkpoint / "model.safetensors").stat().st_size,
        "peak_memory_bytes": peak_memory(),
    }


def peak_memory() -> int | None:
    """Return the peak memory in bytes, of the accelerator or else of this process; None if unknown."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def processor() -> str | None:
    """Return the name of the processor; None if the system does not give it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return platform.processor() or None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)
