"""The Lightning module that trains a style."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor, nn

from finetune.style.commas import Commas, hide_commas
from finetune.style.objective import field_losses, hidden_cells, states_of
from symbolic.backbone import Backbone
from symbolic.dataset import MusicBatch
from symbolic.errors import ConfigError
from symbolic.heads import FieldHeads
from symbolic.masking.randomness import generator_of

_TRAINING, _HELD_OUT = range(2)
"""Purposes of randomness, the last part of the key of a generator."""
_WARMUP = 0.05
"""Share of the run in which the learning rate rises. Then it falls to zero on a cosine."""


class StyleModule(lightning.LightningModule):
    """Train parameters on hidden fields, a share u ~ U(0, 1) of each window, with the weight 1 / u.

    Args:
        backbone: Reads the windows.
        heads: Its heads for fields.
        trained: The parameters to train by name. All others stay as they are.
        lr: Peak learning rate.
        steps: Length of the run for the schedule.
        seed: Seed of everything random in a step.
        commas: The field of commas with those of the training pieces, and with those of the held-out ones. Its numbers
            are among the trained ones.

    Attributes:
        history: For each validation its step and the negative log-likelihood of held-out pieces in nats.
        best: The trained tensors after the best validation.
    """

    def __init__(
        self,
        backbone: Backbone,
        heads: FieldHeads,
        trained: Mapping[str, nn.Parameter],
        *,
        lr: float,
        steps: int,
        seed: int,
        commas: tuple[Commas, Commas] | None = None,
    ) -> None:
        super().__init__()
        self.backbone, self.heads, self._trained = backbone, heads, dict(trained)
        self.lr, self.steps, self.seed = lr, steps, seed
        self.comma_field = None if commas is None else commas[_TRAINING].field
        self._commas = commas
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Tensor] = {}
        self.last_losses: dict[str, Tensor] = {}
        self._sums: list[Tensor] = []

    def on_train_batch_start(self, batch: MusicBatch, batch_idx: int) -> None:
        """Seed dropout by the step, so that a resumed run equals an uninterrupted one."""
        torch.manual_seed(int(np.random.SeedSequence([self.seed, self.global_step]).generate_state(1)[0]))

    def training_step(self, batch: MusicBatch, batch_idx: int) -> Tensor:
        """Return the weighted mean loss of the hidden cells, and with it that of hidden commas."""
        sums, weights = self._loss(batch, self.global_step, _TRAINING)
        loss: Tensor = (sums / weights.clamp(min=1)).sum()
        self.last_losses = {"loss": loss.detach()}
        return loss

    def validation_step(self, batch: MusicBatch, batch_idx: int) -> None:
        """Collect the losses of held-out pieces. The same cells are hidden in every validation."""
        self._sums.append(torch.stack(self._loss(batch, batch_idx, _HELD_OUT)))

    def on_validation_epoch_end(self) -> None:
        """Add an entry to the history and keep the best tensors.

        Raises:
            ConfigError: If the training has diverged.
        """
        total, weight = torch.stack(self._sums).double().sum(0)
        self._sums.clear()
        loss = float((total / weight.clamp(min=1)).sum())
        if not math.isfinite(loss):
            raise ConfigError("The training diverged: its loss is no finite number. Lower --lr.")
        self.last_losses["held_out_loss"] = torch.tensor(loss)
        if loss <= min((entry["loss"] for entry in self.history), default=math.inf):
            self.best = {name: one.detach().clone() for name, one in self._trained.items()}
        self.history.append({"step": self.global_step, "loss": loss})

    @torch.no_grad()
    def restore_best(self) -> None:
        """Give the trained parameters the values of the best validation."""
        for name, parameter in self._trained.items():
            parameter.copy_(self.best[name])

    def configure_optimizers(self) -> Any:
        """Return AdamW without decay, with a short warm-up and a cosine to zero."""
        optimizer = torch.optim.AdamW(self._trained.values(), self.lr, weight_decay=0.0)
        rise = max(1, round(_WARMUP * self.steps))

        def rate(step: int) -> float:
            return min((step + 1) / rise, 0.5 + 0.5 * math.cos(math.pi * min(1, step / self.steps)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the curve and the best tensors with the state."""
        checkpoint["counterpoint"] = {"history": self.history, "best": self.best}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the curve and the best tensors."""
        self.history, self.best = (checkpoint["counterpoint"][name] for name in ("history", "best"))

    def _loss(self, batch: MusicBatch, step: int, purpose: int) -> tuple[Tensor, Tensor]:
        """Return (2,) weighted sums of the losses of what a key hides, fields and commas, and (2,) their weights."""
        generator = generator_of(batch.tokens.device, self.seed, step, purpose)
        hidden, weights = hidden_cells(batch, self.heads.sizes, generator)
        if self._commas is None:
            states, of_commas = states_of(self.backbone, batch, hidden), weights.new_zeros(0)
        else:
            commas = self._commas[purpose]
            ids = commas.of(batch)
            shown, scored = hide_commas(ids, batch, hidden, generator)
            states = states_of(self.backbone, batch, hidden, commas.field(shown))
            of_commas = commas.losses(states, batch, ids, scored)
        losses = field_losses(self.heads, states, batch, hidden)
        sums = torch.stack([(losses * weights).sum(), of_commas.sum()])
        return sums, torch.stack([weights.sum(), weights.new_tensor(len(of_commas))])
