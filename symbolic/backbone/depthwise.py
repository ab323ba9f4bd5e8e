"""A convolution within each channel, in the layout that is fast on CPUs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class Depthwise(nn.Conv1d):
    """Mix neighbouring tokens within each channel: (B, L, dim) to (B, L, dim).

    It is `nn.Conv1d` with as many groups as channels and the same parameters. Channels stay last. So a CPU works on
    many channels at once, and a forward pass takes a tenth of the time or less.

    Args:
        dim: Number of channels.
        kernel: Number of tokens that are mixed, odd.
    """

    def __init__(self, dim: int, kernel: int) -> None:
        super().__init__(dim, dim, kernel, padding=kernel // 2, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the tokens (B, L, dim)."""
        if x.device.type != "cpu":
            return super().forward(x.transpose(1, 2)).transpose(1, 2)
        if torch.is_grad_enabled() and not torch.compiler.is_compiling():
            if torch.is_autocast_enabled("cpu"):
                x = x.to(torch.get_autocast_dtype("cpu"))
            out: Tensor = _OnCpu.apply(x, self.weight, self.bias)  # type: ignore[no-untyped-call]
            return out
        return _mix(x, self.weight, self.bias)


class _OnCpu(torch.autograd.Function):
    """The same forward pass with another backward pass.

    PyTorch's gradient of the weights takes five times as long. With channels last it is longer still.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _mix(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        found: list[Tensor | None] = [None, None, None]
        if ctx.needs_input_grad[0]:
            found[0] = _mix(gradient, weight.to(gradient.dtype).flip(-1), None).to(x.dtype)
        if ctx.needs_input_grad[1]:
            found[1] = _weight_gradient(x, gradient, weight.shape[-1]).to(weight.dtype)
        if ctx.needs_input_grad[2]:
            found[2] = gradient.sum((0, 1), dtype=weight.dtype)
        return tuple(found)


def _mix(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve (B, L, dim) with weights (dim, 1, kernel)."""
    reach = weight.shape[-1] // 2
    image = x.transpose(1, 2).unsqueeze(2)  # one row high, channels last in memory
    out = F.conv2d(image, weight.unsqueeze(2), bias, padding=(0, reach), groups=len(weight))
    return out.squeeze(2).transpose(1, 2)


def _weight_gradient(x: Tensor, gradient: Tensor, kernel: int) -> Tensor:
    """Return (dim, 1, kernel): for each distance, the products of tokens and gradients so far apart, summed."""
    length, reach = x.shape[1], kernel // 2
    padded = F.pad(x, (0, 0, reach, reach))
    products = torch.empty_like(gradient, dtype=torch.promote_types(gradient.dtype, torch.float32))
    sums = [
        torch.mul(padded[:, place : place + length], gradient, out=products).sum((0, 1))
        for place in range(kernel)
    ]
    return torch.stack(sums, dim=-1).unsqueeze(1)
