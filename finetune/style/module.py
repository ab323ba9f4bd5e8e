"""The training of a style: fields of its pieces are hidden and an adapter learns to recover them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor

from symbolic.adapters import Adapter
from symbolic.dataset import MusicBatch
from symbolic.errors import ConfigError
from symbolic.heads import FieldHeads
from symbolic.masking.losses import recover
from symbolic.masking.passages import passage_ranking
from symbolic.masking.randomness import generator_of
from symbolic.masking.units import FieldUnit
from symbolic.tokens.vocabulary import BAR, FIELDS, MASK, RESERVED

_TRAINING, _HELD_OUT = range(2)
"""Purposes of randomness, the last part of the key of a generator."""


class StyleModule(lightning.LightningModule):
    """Train an adapter on hidden fields, a share u ~ U(0, 1) of each window, with the weight 1 / u.

    Args:
        adapter: Attached to a backbone, which stays frozen.
        heads: Heads for fields, which stay frozen.
        lr: Peak learning rate.
        steps: Length of the run for the schedule.
        seed: Seed of everything random in a step.

    Attributes:
        history: For each validation the negative log-likelihood by field in nats, and "all", their weighted mean.
        best: Tensors of the adapter after the best validation.
    """

    def __init__(self, adapter: Adapter, heads: FieldHeads, lr: float, steps: int, seed: int) -> None:
        super().__init__()
        self.backbone, self.heads, self._adapter = adapter.backbone, heads, adapter
        heads.requires_grad_(False)
        self.unit = FieldUnit(heads.sizes)
        self.lr, self.steps, self.seed = lr, steps, seed
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Tensor] = {}
        self.last_losses: dict[str, Tensor] = {}
        self._sums: list[Tensor] = []

    def losses(self, batch: MusicBatch, *key: int) -> tuple[Tensor, Tensor]:
        """Return (B, L, 8) losses of hidden cells in nats and their weights, 0 where nothing is hidden.

        Args:
            batch: Windows.
            *key: Key of the randomness.
        """
        tokens, there = batch.tokens, batch.attention_mask
        generator = generator_of(tokens.device, self.seed, *key)
        ranking = passage_ranking(tokens, self.heads.sizes[BAR] - RESERVED, generator).flatten(1)
        share = torch.rand(len(tokens), device=tokens.device, generator=generator)
        counts = (share * there.sum(1)).ceil().long().clamp(min=1)
        hidden = self.unit.choose(ranking, tokens, there, counts, tokens.shape[1]).cells
        found = recover(
            self.heads(self.backbone(tokens.masked_fill(hidden, MASK), None if there.all() else there)),
            tokens,
        )
        return found.loss * hidden, hidden * (there.sum(1) / hidden.sum((1, 2)).clamp(min=1))[:, None, None]

    def on_train_batch_start(self, batch: MusicBatch, batch_idx: int) -> None:
        """Seed dropout by the step."""
        torch.manual_seed(int(np.random.SeedSequence([self.seed, self.global_step]).generate_state(1)[0]))

    def training_step(self, batch: MusicBatch, batch_idx: int) -> Tensor:
        """Return the weighted mean loss of the hidden cells."""
        losses, weights = self.losses(batch, self.global_step, _TRAINING)
        loss: Tensor = (losses * weights).sum() / weights.sum()
        self.last_losses = {"loss": loss.detach()}
        return loss

    def validation_step(self, batch: MusicBatch, batch_idx: int) -> None:
        """Collect the losses of held-out pieces. The same cells are hidden in every validation."""
        losses, weights = self.losses(batch, batch_idx, _HELD_OUT)
        self._sums.append(torch.stack([(losses * weights).sum((0, 1)), weights.sum((0, 1))]))

    def on_validation_epoch_end(self) -> None:
        """Add an entry to the history and keep the best adapter.

        Raises:
            ConfigError: If the training has diverged.
        """
        total, weight = torch.stack(self._sums).double().sum(0).cpu()
        self._sums.clear()
        by_field = (total / weight.clamp(min=1e-9)).tolist()
        entry = {"all": float(total.sum() / weight.sum()), **dict(zip(FIELDS, by_field, strict=True))}
        if not math.isfinite(entry["all"]):
            raise ConfigError("The training diverged: its loss is no finite number. Lower --lr.")
        self.last_losses["held_out_loss"] = torch.tensor(entry["all"])
        if entry["all"] <= min((one["all"] for one in self.history), default=math.inf):
            self.best = {name: one.detach().clone() for name, one in self._adapter.named_parameters().items()}
        self.history.append(entry)

    @torch.no_grad()
    def restore_best(self) -> Mapping[str, float]:
        """Give the adapter the values of its best validation and return the entry of that."""
        for name, parameter in self._adapter.named_parameters().items():
            parameter.copy_(self.best[name])
        return min(self.history, key=lambda entry: entry["all"])

    def configure_optimizers(self) -> Any:
        """Return AdamW on the adapter, with a short warm-up and a cosine to zero."""
        optimizer = torch.optim.AdamW(self._adapter.parameters(), self.lr, weight_decay=0.0)
        rise = max(1, self.steps // 20)

        def rate(step: int) -> float:
            return min((step + 1) / rise, 0.5 + 0.5 * math.cos(math.pi * min(1, step / self.steps)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
