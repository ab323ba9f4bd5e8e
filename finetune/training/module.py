"""The Lightning module that trains a task model."""

from __future__ import annotations

import math
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from data.batches import Batch
from finetune.tasks.metrics import accuracy, macro_f1
from symbolic.errors import ConfigError
from symbolic.predict.network import TaskModel

WARMUP = 0.06
"""Share of the run in which the learning rate rises. Then it falls to zero on a cosine."""
WEIGHT_DECAY = 0.01
_CHECK_EVERY = 20
"""Steps between two looks at the training loss, each of which waits for the device."""


class TaskModule(lightning.LightningModule):
    """Train a task model with any Lightning trainer.

    Args:
        model: What is trained.
        labels: Classes of all tokens, (R,) int8, or of all pieces, (P,) int16. -1 is unlabelled.
        classes: Number of classes.
        steps: Length of the run for the schedule.
        lr: Peak learning rate.
        decay: Weight decay of matrices. 0 for adapters.
        seed: Of everything random in a step.
        codes: Of all tokens, (R, F) uint8, for a model that takes note features.
    """

    def __init__(
        self,
        model: TaskModel,
        labels: NDArray[np.integer],
        *,
        classes: int,
        steps: int,
        lr: float,
        decay: float = 0.0,
        seed: int = 0,
        codes: NDArray[np.uint8] | None = None,
    ) -> None:
        super().__init__()
        self.model, self.classes = model, classes
        self.steps, self.lr, self.decay, self.seed = steps, lr, decay, seed
        self.register_buffer("labels", torch.from_numpy(np.array(labels)), persistent=False)
        self.register_buffer("codes", None if codes is None else torch.from_numpy(codes), persistent=False)
        self.by_note = model.head.kind == "note"
        self.history: list[dict[str, float]] = []
        self.last_losses: dict[str, Tensor] = {}
        self._losses: list[Tensor] = []
        self._outputs: list[tuple[Tensor, Tensor, Tensor]] = []

    def targets(self, batch: Batch) -> Tensor:
        """Return (B, L) int64 classes of tokens or (B,) of windows. -1 where padded or unlabelled."""
        labels = self.get_buffer("labels")
        if not self.by_note:
            return labels[batch.piece].long()
        return labels[_places(batch, len(labels))].long().masked_fill(~batch.attention_mask, -1)

    def logits(self, batch: Batch) -> Tensor:
        """Return logits: (B, L, C) of tokens or (B, C) of windows."""
        tokens = batch.tokens
        if self.model.note_features is not None:
            codes = self.get_buffer("codes")
            tokens = torch.cat([tokens, codes[_places(batch, len(codes))].long()], dim=-1)
        logits: Tensor = self.model(tokens, batch.attend)
        return logits

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed dropout by the step, so that a resumed run equals an uninterrupted one."""
        torch.manual_seed(int(np.random.SeedSequence([self.seed, self.global_step]).generate_state(1)[0]))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Compute the cross-entropy over labelled tokens or over windows."""
        loss = self._loss(self.logits(batch), self.targets(batch))
        self._losses.append(loss.detach())
        self.last_losses = {"loss": loss.detach()}
        if self.global_step % _CHECK_EVERY == 0:
            self._refuse_divergence(loss)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect the logits of windows, or the counts of notes, for the scores."""
        logits, targets = self.logits(batch), self.targets(batch)
        loss = self._loss(logits, targets)
        if self.by_note:
            scored = targets >= 0
            cells = targets[scored] * self.classes + logits.argmax(-1)[scored]
            self._outputs.append((torch.bincount(cells, minlength=self.classes**2), scored.sum(), loss))
        else:
            self._outputs.append((logits.float(), batch.piece, loss))

    def on_validation_epoch_end(self) -> None:
        """Compute the scores of this validation; `valid_accuracy` selects the checkpoint.

        Raises:
            ConfigError: If the training has diverged. Its state is not saved then, so that the last sound one remains.
        """
        if self.by_note:
            counts, sizes, losses = (torch.stack(part) for part in zip(*self._outputs, strict=True))
            confusion = counts.sum(0).view(self.classes, self.classes)
            loss = (losses * sizes).sum() / sizes.sum().clamp(min=1)
        else:
            logits, pieces = (torch.cat([o[i] for o in self._outputs]) for i in (0, 1))
            confusion, loss = self._piece_confusion(logits, pieces)
        self._outputs.clear()
        self._refuse_divergence(loss, *self._losses)
        matrix = confusion.cpu().numpy()
        entry = {
            "step": self.global_step,
            **({"train_loss": float(torch.stack(self._losses).mean())} if self._losses else {}),
            "valid_loss": float(loss),
            "valid_accuracy": float(accuracy(matrix)),
            "valid_macro_f1": float(macro_f1(matrix)),
        }
        self._losses.clear()
        self.history.append(entry)
        self.log("valid_accuracy", entry["valid_accuracy"], rank_zero_only=True)

    def _refuse_divergence(self, *losses: Tensor) -> None:
        if not torch.stack(losses).isfinite().all():
            raise ConfigError(
                f"The training diverged: at step {self.global_step} its loss is no finite number. The state of its "
                "last validation is kept. Start a new run with a lower --lr, or with --precision 32-true."
            )

    def _piece_confusion(self, logits: Tensor, pieces: Tensor) -> tuple[Tensor, Tensor]:
        """Return (C, C) counts of pieces by the mean logits of their windows and the mean loss of windows."""
        labels = self.get_buffer("labels").long()
        known, place, windows = torch.unique(pieces, return_inverse=True, return_counts=True)
        sums = logits.new_zeros(len(known), self.classes).index_add_(0, place, logits)
        predicted = (sums / windows[:, None]).argmax(-1)
        cells = labels[known] * self.classes + predicted
        confusion = torch.bincount(cells, minlength=self.classes**2).view(self.classes, self.classes)
        return confusion, F.cross_entropy(logits, labels[pieces])

    def _loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        flat, wanted = logits.reshape(-1, self.classes).float(), targets.reshape(-1)
        # A sum over a count of at least one: a batch without a label gives 0, not NaN.
        return F.cross_entropy(flat, wanted, ignore_index=-1, reduction="sum") / (wanted >= 0).sum().clamp(
            min=1
        )

    def configure_optimizers(self) -> Any:
        """Build AdamW with warm-up and cosine. Without decay it is the Adam of arXiv 2411.19371."""
        parameters = self.model.trained()
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": self.decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.lr)
        rise = max(1, round(WARMUP * self.steps))

        def rate(step: int) -> float:
            done = min(1.0, max(0.0, (step - rise) / max(1, self.steps - rise)))
            return min((step + 1) / rise, 0.5 + 0.5 * math.cos(math.pi * done))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the curves with the weights."""
        checkpoint["counterpoint"] = {"history": self.history}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the curves."""
        self.history = checkpoint["counterpoint"]["history"]


def _places(batch: Batch, tokens: int) -> Tensor:
    """Return the (B, L) index in the shards of each token. Arbitrary where padded."""
    return (
        batch.start[:, None] + torch.arange(batch.attention_mask.shape[1], device=batch.attention_mask.device)
    ).clamp(max=tokens - 1)


def best_entry(history: list[dict[str, float]]) -> dict[str, float]:
    """Return the validation with the highest accuracy and among equals with the lowest loss."""
    return max(history, key=lambda entry: (entry["valid_accuracy"], -entry["valid_loss"]))


def count_parameters(parameters: list[nn.Parameter]) -> int:
    """Count the numbers in parameters."""
    return sum(parameter.numel() for parameter in parameters)
