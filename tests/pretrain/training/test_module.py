"""The Lightning module of pretraining: the losses that it shows."""

from __future__ import annotations

import lightning
import pytest
import torch
from pretrain_helpers import LEARNED, make_module, tunes
from torch.utils.data import DataLoader

from data.toolkit.progress import StepProgress


class Spy(StepProgress):
    """Keeps the losses that the progress bar shows."""

    def __init__(self, steps):
        super().__init__("pretraining", steps)
        self.shown = []

    def _show(self, pl_module):
        self.shown.append(dict(pl_module.last_losses))
        super()._show(pl_module)


def fit(module, steps=41):
    """Train on the same windows over and over, with an evaluation every 20 steps."""
    windows = tunes()
    batch = (windows, torch.zeros_like(windows.attention_mask))
    spy = Spy(steps)
    trainer = lightning.Trainer(
        max_steps=steps, accelerator="cpu", callbacks=[spy], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, val_check_interval=20,
    )  # fmt: skip
    trainer.fit(
        module,
        *(DataLoader(batches, None, collate_fn=lambda x: x) for batches in ([batch] * steps, [windows])),
    )
    return spy.shown


@pytest.mark.parametrize("name", ["adversarial", "uniform"])
def test_the_bar_shows_held_out_loss_and_loss_at_a_fixed_rate(name, tmp_path):
    module = make_module(tmp_path, name)
    module.steps, module.lr = 41, 3e-3
    shown = fit(module)
    assert {"loss", "held_out_loss"} <= set(shown[-1])
    assert ("selector_loss" in shown[-1]) == (name in LEARNED)
    assert shown[-1]["held_out_loss"] == pytest.approx(
        sum(module.history[-1]["held_out"]["loss"].values()) / 8
    )
    # Trained on the very windows that are held out, so both losses fall together whatever the selector masks.
    first, last = next(one for one in shown if len(one) > 1), shown[-1]
    assert last["loss"] < first["loss"]
    assert abs(last["loss"] - last["held_out_loss"]) < 0.3
