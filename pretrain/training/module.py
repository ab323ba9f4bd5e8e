"""Pretraining as a LightningModule: optimiser, schedule, held-out evaluation and the state that resuming needs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import lightning
import numpy as np
import torch
from torch import Tensor

from data.batches import Batch
from pretrain.objective.auxiliary import AuxiliaryHead
from pretrain.objective.freezing import FreezeBook
from pretrain.objective.masked import EVALUATION, FREEZING, PROGRESS, TRAINING, Objective
from pretrain.selectors import SelectorInput
from pretrain.training.measure import HeldOut, TrainingMeter
from pretrain.training.optimizer import build_optimizer
from pretrain.training.parallel import shard
from symbolic.errors import ConfigError
from symbolic.masking.losses import Recovery, all_reduce, recover
from symbolic.masking.randomness import generator_of
from symbolic.masking.units import Choice, TokenUnit
from symbolic.tokens.vocabulary import MASK

_REPORT_EVERY = 20
"""Steps between two reports of the losses, to the progress bar and to the loggers."""


class RandomMasking(NamedTuple):
    """A batch with tokens masked at random, at the rate of the held-out evaluation.

    Attributes:
        choice: The masked tokens.
        counts: (B,) int64, their number in each window.
        most: The largest number possible.
        noise: (B, L) float, the random ranking by which they were chosen.
        recovery: Their recovery, (B, K, 8).
    """

    choice: Choice
    counts: Tensor
    most: int
    noise: Tensor
    recovery: Recovery


class PretrainModule(lightning.LightningModule):
    """Pretrain a backbone with an `Objective`, under any `lightning.Trainer`.

    Build it with `pretrain.build_module` from settings and a `PretrainDataModule`.

    Args:
        objective: Backbone, heads, selector and corruption.
        book: Freeze state of the training tokens.
        seed: Seed of everything random in a step.
        steps: Optimiser steps of the run for the learning-rate schedule.
        lr: Peak learning rate.
        warmup: Share of the run in which the rate rises. Then it falls on a cosine to a tenth.
        weight_decay: Weight decay of matrices and embeddings.
        evaluation_rate: Share of held-out tokens that are masked.
        callbacks: Callbacks that the trainer must have such as `Retirement`.
    """

    def __init__(
        self,
        objective: Objective,
        book: FreezeBook,
        *,
        seed: int = 0,
        steps: int = 1000,
        lr: float = 1e-3,
        warmup: float = 0.05,
        weight_decay: float = 0.01,
        evaluation_rate: float = 0.15,
        callbacks: Sequence[lightning.Callback] = (),
    ) -> None:
        super().__init__()
        self.objective, self.book = objective, book
        self.meter = TrainingMeter(tuple(objective.auxiliary))
        self.tokens = TokenUnit(objective.heads.sizes)
        self.seed, self.steps, self.lr, self.warmup = seed, steps, lr, warmup
        self.weight_decay, self.evaluation_rate = weight_decay, evaluation_rate
        self.callbacks = list(callbacks)
        self.held_out = HeldOut()
        self.history: list[dict[str, Any]] = []
        self.losses: dict[str, Tensor] = {}
        """Losses of the last step: "loss" of the backbone and its heads, "selector_loss"."""
        self.last_losses: dict[str, float] = {}
        """Losses that the progress bar shows."""
        self._sharded = False
        self._stepped_at = 0

    def configure_model(self) -> None:
        """Shard the weights if the strategy has a device mesh."""
        if self._device_mesh is not None and not self._sharded:
            shard(self.objective, self._device_mesh["data_parallel"])
            self._sharded = True

    def configure_callbacks(self) -> list[lightning.Callback]:
        """Return the callbacks that the trainer must have."""
        return self.callbacks

    def on_train_start(self) -> None:
        """Note the current step, which is above 0 in a resumed run."""
        self._stepped_at = self.global_step

    def training_step(self, batch: tuple[Batch, Tensor], batch_idx: int) -> Tensor:
        """Return the sum of the losses of backbone and selector.

        Args:
            batch: Windows and their (B, L) bool freeze state.
            batch_idx: Not used. The windows know which batch they are.
        """
        windows, frozen = batch
        if (self.global_step + 1) % _REPORT_EVERY == 0:
            self._report_losses(windows)
        # Dropout is a function of the batch too, so that a resumed run draws what an uninterrupted one would.
        torch.manual_seed(int(np.random.SeedSequence([self.seed, windows.step]).generate_state(1)[0]))
        generator = generator_of(windows.tokens.device, self.seed, windows.step, TRAINING)
        step = self.objective(windows, frozen, generator, self.global_step / self.steps)
        self.meter.update(windows.attention_mask, frozen, step)
        self.losses = {"loss": step.loss.detach(), "selector_loss": step.selector_loss.detach()}
        total: Tensor = step.loss + step.selector_loss
        return total

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Let the selector follow an optimiser step. A step may take several batches."""
        if self.global_step != self._stepped_at:
            self._stepped_at = self.global_step
            self.objective.selector.after_step()

    @torch.no_grad()
    def _report_losses(self, batch: Batch) -> None:
        """Report losses to the progress bar and the loggers.

        The training loss rises where the selector finds harder tokens. So the loss of a training batch is measured
        with tokens masked at random, at the fixed rate of the held-out evaluation. These two can be compared.

        Raises:
            ConfigError: If the run has diverged. All processes raise it together.
        """
        if not self.losses:
            return
        self.eval()
        recovery = self._mask_at_random(batch, PROGRESS).recovery
        self.train()
        counted = recovery.counted.sum((0, 1))
        at_random = (recovery.loss.sum((0, 1)) / counted.clamp(min=1)).mean()
        sums = torch.stack([at_random, *self.losses.values(), torch.ones_like(at_random)])
        all_reduce(sums)
        loss, objective, selector_loss = (sums[:-1] / sums[-1]).tolist()
        self._refuse_divergence(math.isfinite(objective))
        self.last_losses["loss"] = loss
        if self.objective.selector.learns:
            self.last_losses["selector_loss"] = selector_loss
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        self._log(self.last_losses | {"objective": objective, "learning_rate": rate})

    def _log(self, metrics: Mapping[str, float]) -> None:
        for logger in self.loggers:
            logger.log_metrics(dict(metrics), self.global_step)

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """Update the field weights from the batches of this step."""
        self.objective.field_weights.update()

    def on_validation_epoch_start(self) -> None:
        """Forget the last evaluation."""
        self.held_out = HeldOut()

    def _mask_at_random(self, batch: Batch, *key: int) -> RandomMasking:
        """Mask tokens at random at the evaluation rate and recover them. The selector has no influence."""
        tokens, attention_mask = batch.tokens, batch.attention_mask
        most = max(1, math.ceil(self.evaluation_rate * tokens.shape[1]))
        counts = (self.evaluation_rate * attention_mask.sum(1)).ceil().long()
        noise = self._selector_input(batch, *key).noise(*attention_mask.shape)
        choice = self.tokens.choose(noise, tokens, attention_mask, counts, most)
        masked = tokens.masked_fill(choice.spread(tokens.shape[1]), MASK)
        hidden = self.objective.backbone(masked, batch.attend)
        recovery = recover(self.objective.heads(choice.at(hidden)), choice.at(tokens))
        return RandomMasking(choice, counts, most, noise, recovery)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure recovery of held-out tokens, the same random ones at every evaluation and for every selector."""
        tokens, attention_mask, selector = batch.tokens, batch.attention_mask, self.objective.selector
        choice, counts, most, noise, recovery = self._mask_at_random(batch, EVALUATION)
        scores, preferred = None, noise
        if selector.learns:
            inputs = self._selector_input(batch, EVALUATION)
            of_units = selector.scores(inputs)
            scores = selector.unit.tokens_of(of_units, tokens)
            preferred = selector.unit.tokens_of(selector.preference(of_units, inputs), tokens)
        would = self.tokens.choose(preferred, tokens, attention_mask, counts, most)
        would_choose = would.spread(tokens.shape[1]).any(-1)
        self.held_out.add(scores, attention_mask, would_choose, choice.places, choice.taken, recovery)

    def on_validation_epoch_end(self) -> None:
        """Add an entry to the history and log it.

        Raises:
            ConfigError: If the run has diverged. Its state is not saved then, so that the last sound one remains.
        """
        measured = self.held_out.summary()
        losses = measured.get("loss", {})
        self._refuse_divergence(all(map(math.isfinite, losses.values())))
        entry: dict[str, Any] = {"step": self.global_step, "held_out": measured}
        if self.history and self.history[-1]["step"] == self.global_step:
            # Measured again at the same step, as when a finished run is resumed.
            entry = {**self.history.pop(), **entry}
        elif self.global_step:
            rate = self.trainer.optimizers[0].param_groups[0]["lr"]
            entry["training"] = {**self.meter.flush(), "learning_rate": rate}
            for name, head in self.objective.auxiliary.items():
                assert isinstance(head, AuxiliaryHead)  # nn.ModuleDict does not know
                if measures := head.flush():
                    entry["training"][name] = measures
        self.history.append(entry)
        if losses:
            self.last_losses["held_out_loss"] = sum(losses.values()) / len(losses)
            accuracy = {f"held_out_accuracy_{name}": value for name, value in measured["accuracy"].items()}
            self._log({"held_out_loss": self.last_losses["held_out_loss"], **accuracy})

    def _refuse_divergence(self, finite: bool) -> None:
        if not finite:
            raise ConfigError(
                f"The run diverged: at step {self.global_step} its loss is no finite number. The state of its last "
                "evaluation is kept. Start a new run with a lower --lr, or with --precision 32-true."
            )

    @torch.no_grad()
    def freeze_scores(self, batch: Batch) -> tuple[Tensor, torch.Generator]:
        """Return (B, L) scores by which tokens are retired, and the generator to use with them."""
        inputs = self._selector_input(batch, self.global_step, FREEZING)
        return self.objective.selector.retirement(inputs), inputs.generator

    def _selector_input(self, batch: Batch, *key: int) -> SelectorInput:
        """Return the selector's input outside training, where no token counts as frozen."""
        generator = generator_of(batch.tokens.device, self.seed, *key[:-1], batch.step, key[-1])
        return self.objective.selector_input(batch, torch.zeros_like(batch.attention_mask), generator)

    def configure_optimizers(self) -> Any:
        """Return the optimiser with warm-up and cosine decay. It serves backbone and selector."""
        optimizer = build_optimizer(self.parameters(), self.lr, self.weight_decay)
        rise = max(1, round(self.warmup * self.steps))

        def rate(step: int) -> float:
            done = min(1.0, max(0.0, (step - rise) / max(1, self.steps - rise)))
            return min((step + 1) / rise, 0.55 + 0.45 * math.cos(math.pi * done))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> None:
        """Clip backbone and selector separately because a joint norm would let one scale the step of the other."""
        selector = list(self.objective.selector.parameters())
        of_selector = {id(p) for p in selector}
        for part in ([p for p in self.parameters() if id(p) not in of_selector], selector):
            if part:
                torch.nn.utils.clip_grad_norm_(part, gradient_clip_val or 1.0)

    def take_over(self, other: PretrainModule, weights: dict[str, Any]) -> PretrainModule:
        """Return this module with the results of another one whose weights were sharded.

        Args:
            other: The trained module.
            weights: Its whole state.
        """
        self.load_state_dict(weights)
        self.history, self.held_out = other.history, other.held_out
        return self

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the history and the version of the freeze state with the weights."""
        checkpoint["counterpoint"] = {"history": self.history, "frozen_version": self.book.version}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Load what `on_save_checkpoint` saved."""
        state = checkpoint["counterpoint"]
        self.history = state["history"]
        self.book.use(state["frozen_version"])
