"""Muon: the matrices of a backbone's blocks move by orthogonal steps, everything else by AdamW."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic that pushes singular values towards 1: fast, and no further than 0.7 to 1.2 (Jordan)."""
_ROUNDS = 5
_LIKE_ADAM = 0.2
"""Root mean square of an AdamW step, as a share of its rate (Liu et al., 2.2)."""


class Muon(torch.optim.AdamW):
    """One optimiser for both kinds of parameters, so that a trainer need know of one.

    A matrix's momentum is replaced by the nearest orthogonal matrix, found by Newton and Schulz's iteration (Jordan et
    al., "Muon", 2024), and scaled so that its step is as large as one of AdamW would be (Liu et al., "Muon is scalable
    for LLM training", arXiv 2502.16982, equation 4): one rate then serves both. `torch.optim.Muon` takes matrices
    alone, one by one and in bfloat16, which a CPU multiplies slowly; here those of one shape go together, in their own
    precision on a CPU.

    Args:
        modules: The blocks whose matrices are meant.
        parameters: All that learn, those of other modules too.
        lr: Learning rate.
        weight_decay: Of matrices and embeddings; what has one dimension is spared.
        momentum: Of the matrices.
        betas: Of AdamW, for all else.
        fused: As of `torch.optim.AdamW`.
    """

    def __init__(
        self,
        modules: Iterable[nn.Module],
        parameters: Iterable[nn.Parameter],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.98),
        fused: bool | None = None,
    ) -> None:
        inner = {id(p) for module in modules for p in module.parameters() if p.ndim == 2}
        learnt = [p for p in parameters if p.requires_grad]
        matrices = [p for p in learnt if id(p) in inner]
        others = [p for p in learnt if id(p) not in inner]
        groups: list[dict[str, Any]] = [
            {"params": matrices, "momentum": momentum},
            {"params": [p for p in others if p.ndim > 1], "momentum": None},
            {"params": [p for p in others if p.ndim <= 1], "momentum": None, "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        super().__init__(groups, lr=lr, betas=betas, weight_decay=weight_decay, fused=fused)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take up a state, also of a plain AdamW, whose groups know no momentum."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        for group in self.param_groups:
            group.setdefault("momentum", None)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of all parameters."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()  # while every group is in its place: what it zeroes must be all
        every = self.param_groups
        self.param_groups = [group for group in every if group["momentum"] is None]
        try:
            super().step()  # AdamW's own, on what is not a block's matrix
        finally:
            self.param_groups = every
        for group in every:
            if group["momentum"] is not None:
                self._turn(group)
        return loss

    def _turn(self, group: dict[str, Any]) -> None:
        """Orthogonal steps of a group of matrices."""
        alike: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for matrix in group["params"]:
            if matrix.grad is None:
                continue
            state = self.state[matrix]
            if not state:
                # AdamW looks for a "step" wherever it takes up a state.
                state.update(step=torch.zeros(()), momentum=torch.zeros_like(matrix))
            state["step"] += 1
            kept = state["momentum"].lerp_(matrix.grad, 1 - group["momentum"])
            ahead = matrix.grad.lerp(kept, group["momentum"])  # as Nesterov looks
            # Of what is shared out among processes each computes the whole, and keeps its share.
            whole = ahead.full_tensor() if isinstance(ahead, DTensor) else ahead
            alike[tuple(matrix.shape)].append((matrix, whole))
        for shape, pairs in alike.items():
            size = _LIKE_ADAM * max(shape) ** 0.5 * group["lr"]
            turned = orthogonal(torch.stack([ahead for _, ahead in pairs]))
            for (matrix, _), direction in zip(pairs, turned, strict=True):
                if isinstance(matrix, DTensor):
                    direction = distribute_tensor(
                        direction, matrix.device_mesh, matrix.placements, src_data_rank=None
                    )
                matrix.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction, alpha=-size)


def orthogonal(matrices: Tensor) -> Tensor:
    """Nearly the nearest (semi-)orthogonal matrix of each: singular vectors are kept, singular values brought near 1.

    Args:
        matrices: (M, R, C), floating; with CUDA the work is done in bfloat16, which is exact enough.

    Returns:
        (M, R, C) of the same type; zeros where a matrix is zero.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    found = matrices.mT if tall else matrices
    if found.is_cuda:
        found = found.bfloat16()
    found = found / found.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(_ROUNDS):
        gram = found @ found.mT
        found = a * found + torch.baddbmm(gram, gram, gram, beta=b, alpha=c) @ found
    turned: Tensor = found.mT if tall else found
    return turned.to(matrices.dtype)
