"""Batches as a function of seed and step, so that a run can stop and resume anywhere.

A shuffled `DataLoader` does not know where it was. Here batch k is the same in every process. Resuming, workers and
ranks need no state but the step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from data.shards import Shards
from symbolic.tokens.transposition import window_of
from symbolic.tokens.vocabulary import BAR, FIELDS, PAD

_BUCKET = 16
"""Windows whose lengths round up to the same multiple of this are batched together."""


class Batch(NamedTuple):
    """Windows of equal length after padding.

    Attributes:
        tokens: (B, L, 8) int64 ids. `PAD` fills the end of shorter windows.
        attention_mask: (B, L) bool. False where padded.
        start: (B,) int64 index of each window's first token in the shards.
        piece: (B,) int64 index of each window's piece.
        step: Number of the batch.
        padded: Whether any token is padding. Asking the mask would wait for the device.
    """

    tokens: Tensor
    attention_mask: Tensor
    start: Tensor
    piece: Tensor
    step: int
    padded: bool

    @property
    def attend(self) -> Tensor | None:
        """The attention mask for a backbone or None where no token is padding."""
        return self.attention_mask if self.padded else None


class StepBatches(Dataset[Batch]):
    """Batch k of an endless sequence. Each epoch is shuffled anew.

    Args:
        shards: The prepared corpus.
        windows: (W, 3) from `make_windows`.
        tokens_per_batch: Largest number of tokens in a batch, padding included. A batch holds at least one window.
        seed: Seed of shuffling and augmentation.
        transposition: Largest random transposition in semitones. 0: none.
        shuffle: False gives every epoch the same order with the longest windows first.
        roam: Largest random shift of a window along its piece, in tokens, so that epochs differ. 0: none.
        change: Changes each window further, at random.
    """

    def __init__(
        self,
        shards: Shards,
        windows: NDArray[np.int64],
        tokens_per_batch: int,
        seed: int = 0,
        transposition: int = 0,
        shuffle: bool = True,
        roam: int = 0,
        change: Callable[[NDArray[Any], np.random.Generator], NDArray[Any]] | None = None,
    ) -> None:
        self.shards, self.windows, self.seed = shards, windows, seed
        self.transposition, self.shuffle, self.roam, self.change = transposition, shuffle, roam, change
        buckets = -(-(windows[:, 1] - windows[:, 0]) // _BUCKET) * _BUCKET
        self._by_length = np.argsort(-buckets, kind="stable")
        self._buckets = buckets
        # Cuts depend on the sorted lengths alone, so every epoch has equally many batches.
        lengths, cuts = buckets[self._by_length], [0]
        while cuts[-1] < len(windows):
            cuts.append(cuts[-1] + max(1, tokens_per_batch // int(lengths[cuts[-1]])))
        self._cuts = np.minimum(cuts, len(windows))
        self._order: tuple[int, NDArray[np.int64], NDArray[np.int64]] | None = None

    @property
    def per_epoch(self) -> int:
        """Number of batches in one pass over all windows."""
        return len(self._cuts) - 1

    def __len__(self) -> int:
        return self.per_epoch

    def __getitem__(self, step: int) -> Batch:
        epoch, place = divmod(step, self.per_epoch)
        windows, batches = self._epoch(epoch)
        cut = batches[place]
        chosen = self.windows[windows[self._cuts[cut] : self._cuts[cut + 1]]]
        random = np.random.default_rng([self.seed, step, 1])
        if self.roam:
            chosen = self._roaming(chosen, random)
        tokens = []
        for start, stop, _ in chosen.tolist():
            window = window_of(self.shards.tokens(start, stop), self.transposition, random.integers)
            tokens.append(window if self.change is None else self.change(window, random))
        return pad(tokens, chosen[:, 0], chosen[:, 2], step)

    def _roaming(self, windows: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
        """Shift each window along its piece. One that would span too many bars stays."""
        starts, stops, pieces = windows.T
        low = np.maximum(self.shards.offsets[pieces] - starts, -self.roam)
        high = np.minimum(self.shards.offsets[pieces + 1] - stops, self.roam)
        moved = windows.copy()
        # Clipped to the piece after drawing, so that its ends are read as often as without shifts.
        shift = random.integers(-self.roam, self.roam + 1, size=len(windows))
        moved[:, :2] += np.clip(shift, low, high)[:, None]
        for one, unmoved in zip(moved, windows, strict=True):
            bars = self.shards.tokens(int(one[0]), int(one[1]))[:, BAR].astype(np.int64)
            if bars[-1] - bars[0] >= self.shards.max_bars:
                one[:] = unmoved
        return moved

    def _epoch(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the order of windows and the order of batches in an epoch."""
        if self._order is None or self._order[0] != epoch:
            windows, batches = self._by_length, np.arange(self.per_epoch)
            if self.shuffle:
                random = np.random.default_rng([self.seed, epoch, 0])
                mixed = random.permutation(len(windows))
                windows = mixed[np.argsort(-self._buckets[mixed], kind="stable")]
                batches = random.permutation(self.per_epoch)
            self._order = epoch, windows, batches
        return self._order[1], self._order[2]


def pad(
    windows: Sequence[NDArray[np.integer]],
    start: NDArray[np.int64],
    piece: NDArray[np.int64],
    step: int = 0,
) -> Batch:
    """Put windows side by side, padded to the longest.

    Args:
        windows: B arrays of (L, 8) ids.
        start: (B,) index of each window's first token in the shards.
        piece: (B,) index of each window's piece.
        step: Number of the batch.
    """
    lengths = np.array([len(window) for window in windows])
    tokens = np.full((len(windows), lengths.max(), len(FIELDS)), PAD, dtype=np.int64)
    for place, window in zip(tokens, windows, strict=True):
        place[: len(window)] = window
    attention_mask = np.arange(tokens.shape[1]) < lengths[:, None]
    return Batch(
        torch.from_numpy(tokens),
        torch.from_numpy(attention_mask),
        torch.from_numpy(start.copy()),
        torch.from_numpy(piece.copy()),
        step,
        bool((~attention_mask).any()),
    )


class Steps(Sampler[int]):
    """Endless numbers of batches. With several ranks each takes its own.

    Args:
        start: First optimiser step.
        rank: Number of this process.
        world: Number of processes that share the work.
    """

    def __init__(self, start: int = 0, rank: int = 0, world: int = 1) -> None:
        self.start, self.rank, self.world = start, rank, world

    def __iter__(self) -> Iterator[int]:
        step = self.start
        while True:
            yield step * self.world + self.rank
            step += 1


def endless_loader(
    batches: Dataset[Any], start: int = 0, rank: int = 0, world: int = 1, workers: int = 0
) -> DataLoader:
    """Load batches from a step on, without end, for training. Item k of the data set is batch k."""
    return DataLoader(batches, batch_size=None, sampler=Steps(start, rank, world), num_workers=workers)


def one_pass_loader(batches: Dataset[Any], workers: int = 0) -> DataLoader:
    """Load every batch of the first epoch once for evaluation."""
    return DataLoader(batches, batch_size=None, shuffle=False, num_workers=workers)
