"""Pooled states of windows, computed once and kept on disk: what a probe of pieces learns from and is scored by.

A probe leaves the backbone as it is, so what the backbone says of a window is the same in every epoch, seed, fold and
budget. What a window's label needs is the mean and deviation of each layer over its tokens: a few thousand numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from data.shards import Shards
from data.windows import make_windows
from finetune.tasks.data import TaskData
from finetune.training.draws import KeptStates, Place, features_of, mapped
from symbolic.predict.network import TaskModel
from symbolic.predict.windows import overlapping_windows
from symbolic.tokens.vocabulary import BAR, RESERVED

_FORMAT = 2
_READ_TOGETHER = 4096
"""Windows whose statistics are read together."""


class PooledBatch(NamedTuple):
    """Windows side by side, of which only statistics are left.

    Attributes:
        features: (B, S, 2 D) float32, mean and deviation over tokens of every normed layer.
        piece: (B,) int64, index of each window's piece.
        step: Which batch this is.
    """

    features: Tensor
    piece: Tensor
    step: int


class PooledStates(KeptStates):
    """Statistics of windows' layers in a memory-mapped file, float16, filled as they are asked for.

    Args:
        folder: Whose name tells the weights, the music, the windows and the transposition; made if absent.
        shards: Where the tokens lie.
        windows: (W, 3) first token, token past the end, piece.
        layers: How many states a backbone has, the embedding included.
        width: Features of a layer.
        shift: Windows are moved by up to this many semitones in every draw but the first.
    """

    title = "States of windows"

    def __init__(
        self,
        folder: Path,
        shards: Shards,
        windows: NDArray[np.int64],
        layers: int,
        width: int,
        shift: int = 0,
    ) -> None:
        super().__init__(shards, windows, shift)
        folder.mkdir(parents=True, exist_ok=True)
        places = (len(windows), self.draws)
        self._states = mapped(folder / "states.npy", np.float16, (*places, layers, width))
        self._known = mapped(folder / "known.npy", np.bool_, places)

    def of(self, pieces: NDArray[np.integer]) -> NDArray[np.int64]:
        """Numbers of these pieces' windows."""
        return np.flatnonzero(np.isin(self.windows[:, 2], pieces))

    def fill(self, model: TaskModel, windows: NDArray[np.integer], draws: int, device: torch.device) -> None:
        """Compute what is not known yet.

        Args:
            model: The probe, whose backbone speaks; it is moved to the device and back.
            windows: Their numbers.
            draws: How many draws of each.
            device: Where to compute.
        """
        wanted = [(int(w), d) for d in range(draws) for w in windows if not self._known[w, d]]
        self.compute(model, wanted, device)

    def say(self, model: TaskModel, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """(B, S, 2 D) statistics of every layer."""
        return model.pooled(tokens, attention_mask)

    def keep(self, place: Place, said: NDArray[np.float16], model: TaskModel) -> None:
        """Of one window in one draw."""
        self._states[place] = said

    def mark(self, places: Sequence[Place], model: TaskModel) -> None:
        """Flush, then note what is known."""
        self._states.flush()
        for place in places:
            self._known[place] = True

    def get(self, windows: NDArray[np.integer], draws: NDArray[np.integer] | int = 0) -> NDArray[np.float32]:
        """(B, S, 2 D) float32 statistics of windows that `fill` has seen, each as in its draw."""
        return np.asarray(self._states[windows, draws], dtype=np.float32)


class PooledBatches(Dataset[PooledBatch]):
    """Batch k as a function of seed and k, like `data.batches.StepBatches`.

    Args:
        states: Filled for these windows.
        windows: Their numbers.
        size: Windows in a batch.
        seed: Of order and draws.
        training: Shuffle, and take any draw; else every window in order, as it stands.
    """

    def __init__(
        self, states: PooledStates, windows: NDArray[np.integer], size: int, seed: int, training: bool
    ) -> None:
        self.states, self.windows, self.size = states, windows, size
        self.seed, self.training = seed, training

    @property
    def per_epoch(self) -> int:
        """Batches in one pass over all windows."""
        return -(-len(self.windows) // self.size)

    def __len__(self) -> int:
        return self.per_epoch

    def __getitem__(self, step: int) -> PooledBatch:
        epoch, place = divmod(step, self.per_epoch)
        order, draws = self.windows, np.zeros(len(self.windows), dtype=np.int64)
        if self.training:
            order = np.random.default_rng([self.seed, epoch, 0]).permutation(order)
            draws = np.random.default_rng([self.seed, epoch, 1]).integers(self.states.draws, size=len(order))
        part = slice(place * self.size, (place + 1) * self.size)
        features = self.states.get(order[part], draws[part])
        return PooledBatch(
            torch.from_numpy(features), torch.from_numpy(self.states.windows[order[part], 2].copy()), step
        )


class Probed(NamedTuple):
    """What a probe of pieces is trained on and scored by.

    Attributes:
        plain: Windows that cover every token once, as training sees them.
        overlapping: Windows of validation and test pieces as predictions see them, overlapping by half.
    """

    plain: PooledStates
    overlapping: PooledStates

    def batches(self, data: TaskData, split: str, size: int, seed: int) -> PooledBatches:
        """Of one side; only training windows are ever transposed."""
        return PooledBatches(self.plain, self.plain.of(data.splits[split]), size, seed, split == "train")

    def training(self, data: TaskData, layers: list[int]) -> Iterator[Tensor]:
        """(N, S, 2 D) of training windows in all their draws, some layers, a part at a time."""
        windows = self.plain.of(data.splits["train"])
        for draw in range(self.plain.draws):
            for first in range(0, len(windows), _READ_TOGETHER):
                yield torch.from_numpy(
                    self.plain.get(windows[first : first + _READ_TOGETHER], draw)[:, layers]
                )

    def classes(self, model: TaskModel, data: TaskData, split: str) -> list[NDArray[np.int64]]:
        """For each piece of a side its () class, as `TaskModel.classes` would say from its tokens."""
        return [
            np.asarray(
                _logits(model, self.overlapping, self.overlapping.of(np.array([piece]))).mean(0).argmax()
            )
            for piece in data.splits[split]
        ]

    def window_accuracy(self, model: TaskModel, data: TaskData, split: str) -> float:
        """As `finetune.training.outcome.window_accuracy`."""
        windows = self.plain.of(data.splits[split])
        truth = data.labels[self.plain.windows[windows, 2]]
        return float((_logits(model, self.plain, windows).argmax(1) == truth).mean())


@torch.inference_mode()
def _logits(model: TaskModel, states: PooledStates, windows: NDArray[np.integer]) -> NDArray[np.float32]:
    """(B, C) of windows as they stand."""
    device = next(model.parameters()).device
    features = torch.from_numpy(states.get(windows)).to(device)
    return np.asarray(model.of_pooled(features).float().cpu().numpy())


def probed(model: TaskModel, data: TaskData, device: torch.device) -> Probed:
    """The states that a probe of pieces needs, from $COUNTERPOINT_CACHE as far as they are there.

    Args:
        model: The probe.
        data: The task's pieces; its folds and budgets share what they have in common.
        device: Where to compute what is missing.
    """
    shards, backbone = data.shards, model.backbone
    length, shift = backbone.config.window, data.task.transposition
    everything = np.arange(len(shards.pieces))
    base, shape = features_of(shards, backbone), (len(backbone.blocks) + 1, 2 * backbone.config.dim)
    plain = PooledStates(
        Path(f"{base}-v{_FORMAT}-shift{shift}"),
        shards,
        make_windows(shards, everything, length),
        *shape,
        shift,
    )
    overlapping = PooledStates(
        Path(f"{base}-v{_FORMAT}-overlapping"),
        shards,
        _overlapping(shards, length, backbone.sizes[BAR] - RESERVED),
        *shape,
    )
    plain.fill(model, plain.of(data.splits["train"]), plain.draws, device)
    for split in ("valid", "test"):
        plain.fill(model, plain.of(data.splits[split]), 1, device)
        overlapping.fill(model, overlapping.of(data.splits[split]), 1, device)
    return Probed(plain, overlapping)


def _overlapping(shards: Shards, length: int, max_bars: int) -> NDArray[np.int64]:
    """(W, 3) the windows that `TaskModel.logits` looks through."""
    found = []
    for piece in range(len(shards.pieces)):
        start, stop = int(shards.offsets[piece]), int(shards.offsets[piece + 1])
        windows = overlapping_windows(shards.tokens(start, stop), length, length // 2, max_bars)
        found += [(start + low, start + high, piece) for low, high in windows]
    return np.array(found, dtype=np.int64).reshape(-1, 3)
