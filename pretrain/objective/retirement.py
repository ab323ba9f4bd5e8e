"""Retirement of tokens: at fixed intervals all training windows are scored and the freeze book is revised."""

from __future__ import annotations

from typing import Any

import lightning
import numpy as np
import torch
from torch import distributed

from data.batches import StepBatches
from pretrain.objective.freezing import FreezeBook, retire


class Retirement(lightning.Callback):
    """Revise the freeze book at every `every`-th step. Several processes divide the work.

    Args:
        batches: All training windows without augmentation and in a fixed order.
        book: The freeze book, revised in place.
        every: Steps between revisions.
        limit: Largest proportion of a window's tokens that may be frozen.
    """

    def __init__(self, batches: StepBatches, book: FreezeBook, every: int, limit: float) -> None:
        self.batches, self.book, self.every, self.limit = batches, book, every, limit

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Revise if it is time. When a batch starts it would be too late: it has its freeze state already."""
        step = trainer.global_step
        if step == 0 or step % self.every or step == trainer.max_steps or self.book.version >= step:
            return
        starts, states = [], []
        training = pl_module.training
        pl_module.eval()
        with torch.no_grad():
            for first in range(0, self.batches.per_epoch, trainer.world_size):
                # With sharded weights all processes must score equally often, so at the end some do so in vain.
                k = first + trainer.global_rank
                windows = self.batches[min(k, self.batches.per_epoch - 1)]
                frozen = torch.from_numpy(self.book.frozen(windows.start.numpy(), windows.tokens.shape[1]))
                windows = trainer.strategy.batch_to_device(windows)
                scores, generator = pl_module.freeze_scores(windows)
                if k >= self.batches.per_epoch:
                    continue
                state = retire(
                    scores, windows.attention_mask, frozen.to(scores.device), generator, self.limit
                )
                lengths = windows.attention_mask.sum(1).tolist()
                starts.append(windows.start.cpu().numpy())
                states += [s[:n].cpu().numpy() for s, n in zip(state, lengths, strict=True)]
        pl_module.train(training)
        found = [(np.concatenate(starts) if starts else np.empty(0, dtype=np.int64), states)]
        if trainer.world_size > 1:
            found *= trainer.world_size
            distributed.all_gather_object(found, found[trainer.global_rank])
        if trainer.is_global_zero:
            every_start = np.concatenate([start for start, _ in found])
            self.book.revise(step, every_start, [state for _, some in found for state in some])
        trainer.strategy.barrier()
        self.book.use(step)
