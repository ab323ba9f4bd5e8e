"""The training loop around the objective, as Lightning wants it."""

from __future__ import annotations

import math
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor

from data.batches import Batch
from pretrain.objective.freezing import FreezeBook
from pretrain.objective.masked import EVALUATION, FREEZING, TRAINING, Objective, at, generator_of
from pretrain.selectors import SelectorInput
from pretrain.training.measure import HeldOut, TrainingMeter
from pretrain.training.muon import Muon
from pretrain.training.parallel import shard
from symbolic.errors import ConfigError
from symbolic.masking.losses import all_reduce, recover
from symbolic.masking.units import RowUnit
from symbolic.tokens.vocabulary import MASK

_LOOKED = 50
"""Steps between looks at the loss."""


class PretrainModule(lightning.LightningModule):
    """Pretraining by an `Objective`: optimiser, schedule, held-out measurements, and what resuming needs.

    Args:
        objective: Backbone, heads, selector and what they play.
        book: Freeze state of the training tokens.
        seed: Of everything random in a step.
        steps: Length of the run, for the learning-rate schedule.
        lr: Peak learning rate.
        warmup: Share of the run in which the rate rises; then it falls on a cosine to a tenth.
        weight_decay: Of matrices; norms and biases are spared.
        optimizer: "adamw", or "muon" for the matrices of the backbone's blocks.
        evaluation_rate: Share of held-out tokens that are masked.
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
        optimizer: str = "adamw",
        evaluation_rate: float = 0.15,
    ) -> None:
        super().__init__()
        self.objective, self.book = objective, book
        self.meter = TrainingMeter(tuple(objective.auxiliary))
        self.tokens = RowUnit(objective.heads.sizes)
        self.seed, self.steps, self.lr, self.warmup = seed, steps, lr, warmup
        self.weight_decay, self.optimizer = weight_decay, optimizer
        self.evaluation_rate = evaluation_rate
        self.held_out = HeldOut()
        self.history: list[dict[str, Any]] = []
        self.last_losses: dict[str, Tensor] = {}
        self._sharded = False
        self._moved_at = 0

    def configure_model(self) -> None:
        """Share the weights out, where the strategy has laid a mesh for that."""
        if self._device_mesh is not None and not self._sharded:
            shard(self.objective, self._device_mesh["data_parallel"])
            self._sharded = True

    def on_train_start(self) -> None:
        """Note where the run stands, which may be midway."""
        self._moved_at = self.global_step

    def training_step(self, batch: tuple[Batch, Tensor], batch_idx: int) -> Tensor:
        """One batch; the returned loss is the sum of the backbone's and the selector's.

        Args:
            batch: Windows and their (B, L) freeze state.
            batch_idx: Not used; the windows know which batch they are.
        """
        windows, frozen = batch
        # Dropout too is a function of the batch, so that a resumed run draws what an uninterrupted one would.
        torch.manual_seed(int(np.random.SeedSequence([self.seed, windows.step]).generate_state(1)[0]))
        generator = generator_of(windows.tokens.device, self.seed, windows.step, TRAINING)
        step = self.objective(windows, frozen, generator, self.global_step / self.steps)
        self.meter.update(windows.attention_mask, frozen, step)
        self.last_losses = {"loss": step.loss.detach(), "selector_loss": step.selector_loss.detach()}
        total: Tensor = step.loss + step.selector_loss
        return total

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Tell the selector when the weights have moved; look now and then whether the loss is still a number.

        Raises:
            ConfigError: If the run has diverged, in all processes alike.
        """
        if self.global_step == self._moved_at:
            return  # a batch of several in one step
        self._moved_at = self.global_step
        self.objective.selector.after_step()
        if self.global_step % _LOOKED == 0:
            loss = self.last_losses["loss"].clone()
            all_reduce(loss)
            self._refuse_divergence(bool(loss.isfinite()))

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """Take in how well each field fared in the batches of this step."""
        self.objective.field_weights.update()

    def on_validation_epoch_start(self) -> None:
        """Forget the last evaluation."""
        self.held_out = HeldOut()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Mask held-out tokens at random, the same ones at every evaluation whatever the selector, and measure."""
        tokens, attention_mask = batch.tokens, batch.attention_mask
        inputs = self._selector_input(batch, EVALUATION)
        selector = self.objective.selector
        scores = preferred = None
        if selector.learns:
            of_units = selector.scores(inputs)
            scores = selector.unit.tokens_of(of_units, tokens)
            preferred = selector.unit.tokens_of(selector.preference(of_units, inputs), tokens)
        most = max(1, math.ceil(self.evaluation_rate * tokens.shape[1]))
        counts = (self.evaluation_rate * attention_mask.sum(1)).ceil().long()
        noise = inputs.noise(*attention_mask.shape)
        choice = self.tokens.choose(noise, tokens, attention_mask, counts, most)
        masked = tokens.masked_fill(choice.spread(tokens.shape[1]), MASK)
        hidden = self.objective.backbone(masked, batch.attend)
        recovery = recover(self.objective.heads(at(hidden, choice.places)), at(tokens, choice.places))
        would = self.tokens.choose(
            noise if preferred is None else preferred, tokens, attention_mask, counts, most
        )
        would_choose = would.spread(tokens.shape[1]).any(-1)
        self.held_out.add(scores, attention_mask, would_choose, choice.places, choice.taken, recovery)

    def on_validation_epoch_end(self) -> None:
        """Write a line of history.

        Raises:
            ConfigError: If the run has diverged; before its state is saved, so that the last sound one is kept.
        """
        measured = self.held_out.summary()
        self._refuse_divergence(all(map(math.isfinite, measured.get("loss", {}).values())))
        entry = {"step": self.global_step, "held_out": measured}
        if self.history and self.history[-1]["step"] == self.global_step:
            # Measured again where the run stands already, as when a finished run is resumed.
            entry = {**self.history.pop(), **entry}
        elif self.global_step:
            rate = self.trainer.optimizers[0].param_groups[0]["lr"]
            entry["training"] = {**self.meter.flush(), "learning_rate": rate}
        self.history.append(entry)

    def _refuse_divergence(self, finite: bool) -> None:
        if not finite:
            raise ConfigError(
                f"The run diverged: at step {self.global_step} its loss is no number any more. Its state of the last "
                "measurement is kept. Start a new run with a lower --lr, or with --precision 32-true."
            )

    @torch.no_grad()
    def freeze_scores(self, batch: Batch) -> tuple[Tensor, torch.Generator]:
        """(B, L) scores by which tokens are retired, and the randomness to go with them."""
        inputs = self._selector_input(batch, self.global_step, FREEZING)
        return self.objective.selector.retirement(inputs), inputs.generator

    def _selector_input(self, batch: Batch, *key: int) -> SelectorInput:
        """A look at windows outside training, where nothing counts as frozen."""
        generator = generator_of(batch.tokens.device, self.seed, *key[:-1], batch.step, key[-1])
        return self.objective.selector_input(batch, torch.zeros_like(batch.attention_mask), generator)

    def configure_optimizers(self) -> Any:
        """Warm-up and cosine; the players' losses are summed, so one optimiser serves both."""
        learnt = [p for p in self.parameters() if p.requires_grad]
        # Four times as fast on a CPU. On a GPU it gains little, and would meet 16-bit gradients before they are
        # unscaled, which clipping must not.
        fused = True if all(p.device.type == "cpu" for p in learnt) else None
        # With AdamW alone no module's matrices are turned.
        turned = self.objective.backbone.blocks if self.optimizer == "muon" else ()
        optimizer = Muon(turned, learnt, self.lr, self.weight_decay, fused=fused)
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
        selector = list(self.objective.selector.parameters())
        theirs = {id(p) for p in selector}
        for part in ([p for p in self.parameters() if id(p) not in theirs], selector):
            if part:
                torch.nn.utils.clip_grad_norm_(part, gradient_clip_val or 1.0)

    def take_over(self, other: PretrainModule, weights: dict[str, Any]) -> PretrainModule:
        """Stand in for another module, whose weights lie in many places.

        Args:
            other: Trained.
            weights: All of its state.
        """
        self.load_state_dict(weights)
        self.history, self.held_out = other.history, other.held_out
        return self

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what resuming needs beside the weights."""
        checkpoint["counterpoint"] = {
            "history": self.history,
            "frozen_version": self.book.version,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it up again."""
        state = checkpoint["counterpoint"]
        self.history = state["history"]
        self.book.use(state["frozen_version"])
