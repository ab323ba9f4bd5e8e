"""Optimisers of pretraining: AdamW, or Muon for the matrices of the blocks and AdamW for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW, Muon, Optimizer

_BETAS = (0.9, 0.98)


def build_optimizer(
    name: str, blocks: nn.Module, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float
) -> Optimizer:
    """Build the optimiser of a run; norms and biases get no weight decay.

    Args:
        name: "adamw", or "muon" for GPUs. `torch.optim.Muon` computes in bfloat16, which CPUs do slowly.
        blocks: The blocks of the backbone; Muon takes their matrices.
        parameters: All parameters of the run.
        lr: Peak learning rate, for Muon and AdamW alike.
        weight_decay: Weight decay of matrices and embeddings.
    """
    inner = {id(p) for p in blocks.parameters() if p.ndim == 2} if name == "muon" else set()
    learnt = [p for p in parameters if p.requires_grad]
    others = [p for p in learnt if id(p) not in inner]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in others if p.ndim > 1]},
        {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0},
    ]
    # Four times as fast on a CPU. On a GPU it gains little, and clipping would see scaled 16-bit gradients.
    fused = True if all(p.device.type == "cpu" for p in learnt) else None
    adamw = AdamW(groups, lr=lr, betas=_BETAS, weight_decay=weight_decay, fused=fused)
    matrices = [p for p in learnt if id(p) in inner]
    if not matrices:
        return adamw
    muon = Muon(matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
    return JointOptimizer(muon, adamw)


class JointOptimizer(Optimizer):
    """Several optimisers as one, because a trainer steps, schedules and saves one.

    Args:
        parts: Optimisers of different parameters. Their groups and states become those of this one.
    """

    def __init__(self, *parts: Optimizer) -> None:
        self._parts = parts
        super().__init__([group for part in parts for group in part.param_groups], {})
        self._share()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a loaded state, and pass it to the parts."""
        super().__setstate__(state)
        self._share()

    def _share(self) -> None:
        first = 0
        for part in self._parts:
            last = first + len(part.param_groups)
            part.param_groups, part.state = self.param_groups[first:last], self.state
            first = last

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step of every part."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self._parts:
            part.step()
        return loss
