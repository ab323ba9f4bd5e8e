"""Read the states of windows that a probe is fitted to. What folds share is read once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from data.batches import Batch, StepBatches
from data.windows import make_windows
from finetune.tasks.data import TaskData
from symbolic.predict.network import TaskModel
from symbolic.tokens.transposition import in_keys

COPIES = 3
"""Readings of a training window: once as it stands, then transposed at random."""
NOTES = 40_000
"""Most notes to fit to, and to choose by."""


class Examples(NamedTuple):
    """Examples that a classifier is fitted to or chosen by.

    Attributes:
        features: (E, W) float32, of notes or of windows.
        labels: (E,) int64 classes.
        pieces: (E,) int64 index of each example's piece.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    pieces: NDArray[np.int64]


class Readings:
    """Frozen states of the pieces of all folds.

    Windows of whole pieces are kept, since each is asked for by several folds. Notes are read by each fold anew.

    Args:
        folds: The task's data, of every fold that will ask.
        seed: Of transpositions, and of the notes that are chosen where there are many.
    """

    def __init__(self, folds: Sequence[TaskData], seed: int) -> None:
        self._folds, self._seed = folds, seed
        self._kept: dict[int, Examples] = {}

    def examples(self, model: TaskModel, data: TaskData, split: str, tokens_per_batch: int) -> Examples:
        """Return the examples of one side. Those of training pieces are transposed too where the task allows it.

        Args:
            model: The probe. Its backbone is that of every other call.
            data: One of the folds.
            split: The side.
            tokens_per_batch: Tokens that the backbone reads at a time.
        """
        if data.task.level == "note":
            return self._notes(model, data, split, tokens_per_batch)
        # In several keys a window is transposed as it stands.
        copies = COPIES if split == "train" and data.task.transposition and model.keys == 1 else 1
        found = []
        for copy in range(copies):
            if copy not in self._kept:
                self._kept[copy] = self._windows(model, data, copy, tokens_per_batch)
            every = self._kept[copy]
            mine = np.isin(every.pieces, data.splits[split])
            pieces = every.pieces[mine]
            found.append(Examples(every.features[mine], data.labels[pieces].astype(np.int64), pieces))
        return _joined(found)

    def _windows(self, model: TaskModel, data: TaskData, copy: int, tokens_per_batch: int) -> Examples:
        """Read the windows of all pieces that a fold learns from or chooses by. Copies are for learning alone."""
        sides = ("train",) if copy else ("train", "valid")
        pieces = np.unique(np.concatenate([fold.splits[side] for fold in self._folds for side in sides]))
        windows = make_windows(data.shards, pieces, model.backbone.config.window)
        shift = data.task.transposition if copy else 0
        batches = StepBatches(data.shards, windows, tokens_per_batch, self._seed + copy, shift, shuffle=False)
        found = []
        with _progress(batches, f"{data.task.name}, states, reading {copy + 1}") as bar:
            for step in range(batches.per_epoch):
                batch = batches[step]
                owners = batch.piece.numpy()
                found.append(Examples(_features(model, batch), owners, owners))
                bar.update()
        return _joined(found)

    def _notes(self, model: TaskModel, data: TaskData, split: str, tokens_per_batch: int) -> Examples:
        """Read the notes of some windows. Few notes of many windows: what is next to one another is alike."""
        windows = make_windows(data.shards, data.splits[split], model.backbone.config.window)
        random = np.random.default_rng([self._seed, len(windows)])
        notes = np.cumsum((windows[:, 1] - windows[:, 0])[order := random.permutation(len(windows))])
        windows = windows[order[: int(np.searchsorted(notes, 4 * NOTES)) + 1]]
        share = NOTES / min(notes[-1], 4 * NOTES)
        shift = data.task.transposition if split == "train" else 0
        batches = StepBatches(data.shards, windows, tokens_per_batch, self._seed, shift, shuffle=False)
        found = []
        with _progress(batches, f"{data.name}, states of {split} windows") as bar:
            for step in range(batches.per_epoch):
                batch = batches[step]
                features = _features(model, batch)
                places = batch.start[:, None] + torch.arange(features.shape[1])
                known = data.labels[places.clamp(max=len(data.labels) - 1).numpy()]
                labels = np.where(batch.attention_mask.numpy(), known, -1).astype(np.int64)
                taken = (labels >= 0) & (random.random(labels.shape) < share)
                pieces = np.broadcast_to(batch.piece.numpy()[:, None], labels.shape)
                found.append(Examples(features[taken], labels[taken], pieces[taken]))
                bar.update()
        return _joined(found)


@torch.inference_mode()
def _features(model: TaskModel, batch: Batch) -> NDArray[np.float32]:
    """Return what the probe reads of a batch: (B, W), or (B, L, W) of notes: the mean over its keys."""
    model.eval()
    device = next(model.parameters()).device
    attend = None if batch.attend is None else batch.attend.to(device)
    by_key = zip(*(in_keys(window, model.keys) for window in batch.tokens.numpy()), strict=True)
    found = [
        model.layer_features(torch.from_numpy(np.stack(one_key)).to(device), attend) for one_key in by_key
    ]
    return np.asarray(torch.stack(found).mean(0).float().cpu().numpy())


def _joined(parts: Sequence[Examples]) -> Examples:
    return Examples(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _progress(batches: StepBatches, title: str) -> Any:
    return tqdm(total=batches.per_epoch, desc=title, unit=" batches", disable=None, leave=False)
