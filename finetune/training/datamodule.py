"""Batches of a task for Lightning."""

from __future__ import annotations

import lightning
from torch.utils.data import DataLoader

from data.batches import StepBatches, endless_loader, one_pass_loader
from data.windows import make_windows
from finetune.tasks.data import TaskData


class TaskDataModule(lightning.LightningDataModule):
    """Load the training and validation windows of a task.

    The training batches never end. So a trainer needs `max_steps`; `per_epoch` batches are one pass. Training windows
    alone are shuffled, transposed and moved along their pieces.

    Args:
        data: The task's pieces from `finetune.prepared`.
        window: Most notes in a window (`backbone.config.window`).
        tokens_per_batch: Tokens in a batch, padding included.
        seed: Of order, transposition and place.
        start: Step to go on from.
    """

    def __init__(
        self, data: TaskData, *, window: int, tokens_per_batch: int = 4096, seed: int = 0, start: int = 0
    ) -> None:
        super().__init__()
        shards, train, valid = data.shards, data.splits["train"], data.splits["valid"]
        self.start = start
        self.train = StepBatches(
            shards,
            make_windows(shards, train, window),
            tokens_per_batch,
            seed,
            data.task.transposition,
            roam=window // 2,
        )
        self.valid = StepBatches(
            shards, make_windows(shards, valid, window), tokens_per_batch, seed, shuffle=False
        )

    @property
    def per_epoch(self) -> int:
        """Batches in one pass over the training windows."""
        return self.train.per_epoch

    def train_dataloader(self) -> DataLoader:
        """Return endless training batches."""
        return endless_loader(self.train, self.start)

    def val_dataloader(self) -> DataLoader:
        """Return every validation window once."""
        return one_pass_loader(self.valid)
