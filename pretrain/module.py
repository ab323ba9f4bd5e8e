"""The training step: choose, corrupt, recover, and teach the selector what was hard."""

from __future__ import annotations

import math
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor

from data.batches import Batch
from pretrain.corruption import chosen_rows, mask_rows
from pretrain.freezing import FreezeBook
from pretrain.losses import FieldWeights, recover
from pretrain.measure import HeldOut, TrainingMeter
from pretrain.selectors import Selector
from pretrain.selectors.base import choose
from symbolic.backbone import Backbone
from symbolic.errors import ConfigError
from symbolic.heads import FieldHeads
from symbolic.vocabulary import MASK

_TRAINING, _EVALUATION, _FREEZING = range(3)


def generator_of(device: torch.device, *key: int) -> torch.Generator:
    """Randomness that is a function of its key: the same whether a run was interrupted or not."""
    state = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(state >> np.uint64(1)))


class Pretraining(lightning.LightningModule):
    """Adversarial masked-language-model pretraining (arXiv 2407.08306, without the faults of its release).

    Backbone and selector have losses, gradients and clipping of their own: the recovery loss never reaches the
    selector, nor its loss the backbone.

    Args:
        backbone: To be trained.
        heads: One classifier a field.
        selector: Chooses rows.
        book: Freeze state of the training rows.
        seed: Of everything random in a step.
        steps: Length of the run, for the learning-rate schedule.
        lr: Peak learning rate.
        warmup: Share of the run in which the rate rises; then it falls on a cosine to a tenth.
        weight_decay: Of matrices; norms and biases are spared.
        identity_weight: Weight of the loss over all real rows (in the released code, padding included), 0 for none.
        evaluation_rate: Share of held-out rows that are masked.
    """

    def __init__(
        self,
        backbone: Backbone,
        heads: FieldHeads,
        selector: Selector,
        book: FreezeBook,
        *,
        seed: int = 0,
        steps: int = 1000,
        lr: float = 1e-3,
        warmup: float = 0.05,
        weight_decay: float = 0.01,
        identity_weight: float = 0.0,
        evaluation_rate: float = 0.15,
    ) -> None:
        super().__init__()
        self.backbone, self.heads, self.selector = backbone, heads, selector
        self.field_weights, self.meter = FieldWeights(), TrainingMeter()
        self.book = book
        self.seed, self.steps, self.lr, self.warmup = seed, steps, lr, warmup
        self.weight_decay, self.identity_weight = weight_decay, identity_weight
        self.evaluation_rate = evaluation_rate
        self.held_out = HeldOut()
        self.history: list[dict[str, Any]] = []
        self.last_losses: dict[str, Tensor] = {}
        self._flushed_at = 0

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Make dropout a function of the step, so that a resumed run draws what an uninterrupted one would."""
        torch.manual_seed(int(np.random.SeedSequence([self.seed, self.global_step]).generate_state(1)[0]))

    def training_step(self, batch: tuple[Batch, Tensor], batch_idx: int) -> Tensor:
        """One step; the returned loss is the sum of the backbone's and the selector's.

        Args:
            batch: Windows and their (B, L) freeze state.
            batch_idx: Not used; the windows know their step.
        """
        windows, frozen = batch
        rows, real, attend = windows.rows, windows.real, windows.attend
        generator = generator_of(rows.device, self.seed, windows.step, _TRAINING)
        scores = self.selector.scores(rows, attend, generator)
        candidates = real & ~frozen if self.selector.spares_frozen else real
        counts = self.selector.counts(real, frozen, generator)
        ranking = self.selector.ranking(scores.detach(), generator)
        choice = choose(ranking, candidates, counts, self.selector.most(rows.shape[1]))
        chosen = chosen_rows(choice, rows.shape[1])

        hidden = self.backbone(mask_rows(rows, chosen, self.heads.sizes, generator), attend)
        recovery = recover(self.heads(_gather(hidden, choice.places)), _gather(rows, choice.places))
        valid = choice.valid
        row_loss = (recovery.loss * self.field_weights()).mean(-1)
        loss = (row_loss * valid).sum() / valid.sum().clamp(min=1)
        if self.identity_weight:
            everything = recover(self.heads(hidden), rows).loss.mean(-1)
            loss = loss + self.identity_weight * (everything * real).sum() / real.sum()

        selector_loss = torch.zeros((), device=rows.device)
        if self.selector.learns:
            hardness = recovery.loss.detach().sum(-1)
            selector_loss = self.selector.loss(scores.gather(1, choice.places), hardness, valid)
        self.field_weights.update(recovery, valid)
        self.meter.update(real, frozen, chosen, recovery, valid, loss, selector_loss)
        self.last_losses = {"loss": loss.detach(), "selector_loss": selector_loss.detach()}
        total: Tensor = loss + selector_loss
        return total

    def on_validation_epoch_start(self) -> None:
        """Forget the last evaluation."""
        self.held_out = HeldOut()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Mask held-out rows at random, the same ones at every evaluation, and measure."""
        rows, real = batch.rows, batch.real
        generator = generator_of(rows.device, self.seed, batch.step, _EVALUATION)
        scores = self.selector.scores(rows, batch.attend, generator) if self.selector.learns else None
        most = max(1, math.ceil(self.evaluation_rate * rows.shape[1]))
        counts = (self.evaluation_rate * real.sum(1)).ceil().long()
        noise = torch.rand(real.shape, device=rows.device, generator=generator)
        choice = choose(noise, real, counts, most)
        masked = rows.masked_fill(chosen_rows(choice, rows.shape[1])[..., None], MASK)
        hidden = self.backbone(masked, batch.attend)
        recovery = recover(self.heads(_gather(hidden, choice.places)), _gather(rows, choice.places))
        would = chosen_rows(choose(noise if scores is None else scores, real, counts, most), rows.shape[1])
        self.held_out.add(scores, real, would, *choice, recovery)

    def on_validation_epoch_end(self) -> None:
        """Write a line of history.

        Raises:
            ConfigError: If the run has diverged; before its state is saved, so that the last sound one is kept.
        """
        steps = self.global_step - self._flushed_at
        measured = self.held_out.summary()
        if not all(map(math.isfinite, measured.get("loss", {}).values())):
            raise ConfigError(
                f"The run diverged: at step {self.global_step} its held-out loss is no number any more. "
                "Start a new run with a lower --lr, or with --precision 32-true."
            )
        entry = {"step": self.global_step, "held_out": measured}
        if steps:
            entry["training"] = self.meter.flush(steps)
        elif self.history:
            # Measured again where the run stands already, as when a finished run is resumed.
            entry = {**self.history.pop(), **entry}
        self._flushed_at = self.global_step
        self.history.append(entry)

    @torch.no_grad()
    def freeze_scores(self, batch: Batch) -> tuple[Tensor, torch.Generator]:
        """(B, L) scores by which rows are retired, and the randomness to go with them."""
        generator = generator_of(batch.rows.device, self.seed, self.global_step, batch.step, _FREEZING)
        return self.selector.scores(batch.rows, batch.attend, generator), generator

    def configure_optimizers(self) -> Any:
        """AdamW with warm-up and cosine, over all parameters; nothing is shared, so one optimiser serves both."""
        matrices = [p for p in self.parameters() if p.ndim > 1]
        others = [p for p in self.parameters() if p.ndim <= 1]
        groups = [
            {"params": matrices, "weight_decay": self.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.lr, betas=(0.9, 0.98))
        rise = max(1, round(self.warmup * self.steps))

        def rate(step: int) -> float:
            done = min(1.0, max(0.0, (step - rise) / max(1, self.steps - rise)))
            return min((step + 1) / rise, 0.55 + 0.45 * math.cos(math.pi * done))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> None:
        """Clip either player by itself: a common norm would let one scale the other's step."""
        for part in (
            [*self.backbone.parameters(), *self.heads.parameters()],
            list(self.selector.parameters()),
        ):
            if part:
                torch.nn.utils.clip_grad_norm_(part, gradient_clip_val or 1.0)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what resuming needs beside the weights."""
        checkpoint["counterpoint"] = {
            "history": self.history,
            "frozen_version": self.book.version,
            "flushed_at": self._flushed_at,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it up again."""
        state = checkpoint["counterpoint"]
        self.history, self._flushed_at = state["history"], state["flushed_at"]
        self.book.use(state["frozen_version"])


def _gather(values: Tensor, places: Tensor) -> Tensor:
    """(B, L, C) at (B, K) -> (B, K, C)."""
    return values.gather(1, places[..., None].expand(-1, -1, values.shape[-1]))
