"""A training step and its measures, for `bench_train.py`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from data.batches import Batch
from pretrain.objective.freezing import FreezeBook
from pretrain.objective.masked import Objective
from pretrain.selectors import Schedule, build_selector
from pretrain.training.module import PretrainModule
from symbolic.backbone import BackboneConfig, build_backbone
from symbolic.heads import FieldHeads
from symbolic.tokens.vocabulary import RESERVED, Vocabulary

SIZES = Vocabulary().sizes


def now(device: str = "cpu") -> float:
    """Seconds: of this process's CPU where it has one thread, which other work on the machine disturbs least."""
    if device == "cuda":
        torch.cuda.synchronize()
    elif torch.get_num_threads() == 1:
        return time.process_time()
    return time.perf_counter()


def seconds(job: Callable[[], object], device: str = "cpu") -> float:
    """Return the seconds of a job."""
    begin = now(device)
    job()
    return now(device) - begin


def random_batch(windows: int, length: int, device: str = "cpu") -> Batch:
    """Full windows of random tokens; what they hold makes no difference to the time of a step."""
    columns = [torch.randint(RESERVED, size, (windows, length)) for size in SIZES]
    tokens = torch.stack(columns, dim=-1).to(device)
    attention_mask, index = (
        torch.ones(tokens.shape[:2], dtype=torch.bool, device=device),
        torch.arange(windows),
    )
    return Batch(tokens, attention_mask, index, index, 0, padded=False)


class Ours:
    """Our training step with the adversarial selector, as the command `pretrain` runs it, but for Lightning.

    Args:
        config: Shape of the backbone.
        bf16: Whether in mixed bfloat16.
        device: Where.
    """

    def __init__(self, config: BackboneConfig, bf16: bool = False, device: str = "cpu") -> None:
        torch.manual_seed(0)
        self.device, self.bf16 = device, bf16
        self.objective = Objective(
            build_backbone(config, SIZES),
            FieldHeads(config.dim, SIZES),
            build_selector("adversarial", Schedule(), SIZES, config),
        )
        self.module = PretrainModule(self.objective, FreezeBook("unused", 0), lr=1e-5).to(device)
        self.optimizer: Any = self.module.configure_optimizers()["optimizer"]

    def forward(self, batch: Batch) -> Tensor:
        """The loss of a step, with its gradient's graph."""
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bf16):
            return self.module.training_step((batch, torch.zeros_like(batch.attention_mask)), 0)

    def update(self) -> None:
        """Clip, and move the weights."""
        self.module.on_before_optimizer_step(self.optimizer)
        self.module.configure_gradient_clipping(self.optimizer, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def step(self, batch: Batch) -> None:
        """All of a step."""
        self.forward(batch).backward()
        self.update()

    def flops(self, batch: Batch) -> float:
        """Floating-point operations of a step's matrix products: two a multiplication, forward and twice backward.

        Norms, activations, dropout, losses, noise and the optimiser count as nothing.
        """
        windows, length = batch.attention_mask.shape
        masked = windows * round(0.15 * length)
        network = self.objective.selector.network
        return 6.0 * (
            _products(self.objective.backbone, windows, length)
            + _products(network.body, windows, length)
            + masked * _weights(self.objective.heads)
        )


def _products(backbone: nn.Module, windows: int, length: int) -> float:
    """Multiplications of one forward pass."""
    config = backbone.config
    attention = 2 * config.layers * length * length * config.dim
    return windows * (length * _weights(backbone.blocks) + attention)


def _weights(module: nn.Module) -> int:
    return sum(part.weight.numel() for part in module.modules() if isinstance(part, nn.Linear))


def peak(dtype: torch.dtype, size: int = 4096, device: str = "cpu") -> float:
    """Floating-point operations a second of one large square product."""
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / seconds(lambda: a @ b, device)


@dataclass
class Stopwatch:
    """Sums the time spent in the functions that it wraps."""

    device: str
    total: float = field(default=0.0)

    def around(self, owner: object, names: Sequence[str]) -> None:
        """Replace methods of an object by timed ones."""
        for name in names:
            object.__setattr__(owner, name, self._timed(getattr(owner, name)))

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            begin = now(self.device)
            result = method(*arguments, **named)
            self.total += now(self.device) - begin
            return result

        return timed
