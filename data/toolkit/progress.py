"""Progress of training in one line."""

from __future__ import annotations

import sys
import time
from typing import Any

import lightning
from tqdm import tqdm


class StepProgress(lightning.Callback):
    """A bar over optimiser steps with losses, tokens a second and time left.

    Args:
        label: What is going on.
        steps: Length of the run.
    """

    def __init__(self, label: str, steps: int) -> None:
        self.label, self.steps = label, steps
        self._bar: Any = None
        self._tokens, self._since = 0, 0.0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Open the bar at the step of the run."""
        # A log file gets a line now and then, not ten a second.
        interval = 0.2 if sys.stderr.isatty() else 10.0
        self._bar = tqdm(
            total=self.steps, initial=trainer.global_step, desc=self.label, unit=" steps",
            mininterval=interval, dynamic_ncols=True, disable=not trainer.is_global_zero,
        )  # fmt: skip
        self._tokens, self._since = 0, time.perf_counter()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move on. Losses are read rarely because reading them waits for the device."""
        windows = batch[0] if isinstance(batch, tuple) and not hasattr(batch, "tokens") else batch
        self._tokens += windows.tokens.shape[0] * windows.tokens.shape[1]
        self._bar.update(trainer.global_step - self._bar.n)
        if trainer.global_step % 20 == 0:
            self._show(pl_module)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Show the held-out loss as soon as it is known."""
        if self._bar is not None:
            self._show(pl_module)

    def _show(self, pl_module: Any) -> None:
        shown = {name: f"{float(value):.3f}" for name, value in pl_module.last_losses.items()}
        elapsed = time.perf_counter() - self._since
        self._bar.set_postfix(shown | {"tokens/s": f"{self._tokens / elapsed:,.0f}"}, refresh=False)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Leave the finished bar on the screen."""
        self._bar.close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Close the bar, so that an error message has a line of its own."""
        if self._bar is not None:
            self._bar.close()
