"""Self-attention over tokens with rotary positions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

Rotation = tuple[Tensor, Tensor]
"""Cosines, and sines whose first half is negated. Each is (L, head dim) float32."""

_CACHED = 2**20
"""Attention scores computed at once: 2 MiB of bfloat16, which fit into a core's cache."""


def rotary_angles(length: int, head_dim: int, device: torch.device) -> Rotation:
    """Compute the rotations of tokens 0 .. length - 1 (Su et al., RoFormer, arXiv 2104.09864, base 10,000).

    They are computed in each forward pass, at little cost. A buffer would be rounded when a model is cast to
    bfloat16.
    """
    frequencies = 10_000.0 ** (-torch.arange(0, head_dim, 2, device=device, dtype=torch.float32) / head_dim)
    angles = torch.outer(torch.arange(length, device=device, dtype=torch.float32), frequencies)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Rotate queries or keys (B, H, L, head dim) by the angles of their tokens in the dtype of `x`.

    The two halves of a head are the two coordinates, so that one roll exchanges them.
    """
    cos, sin = (part.type_as(x) for part in rotation)
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, dims=-1), sin)


def attend(query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None = None) -> Tensor:
    """Compute scaled dot-product attention with the fastest kernel for the device and dtype.

    Args:
        query: (B, H, L, head dim).
        key: (B, H, K, head dim).
        value: (B, H, K, head dim).
        attention_mask: (B, K) bool. False is padding. None if there is none.

    Returns:
        (B, H, L, head dim).
    """
    mask = None if attention_mask is None else attention_mask[:, None, None, :]
    slow = query.device.type == "cpu" and query.dtype == torch.bfloat16 and torch.is_grad_enabled()
    if slow and query.shape == key.shape and not torch.compiler.is_compiling():
        out: Tensor = _HalfOnCpu.apply(query, key, value, mask)  # type: ignore[no-untyped-call]
        return out
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


class _HalfOnCpu(torch.autograd.Function):
    """PyTorch's fused forward pass with another backward pass for bfloat16 on CPUs.

    There, the fused backward pass takes 1.6 times (1,024 tokens) to 4 times (128 tokens) as long. This one computes
    the weights again for a few heads at a time and so takes no more memory.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        ctx.save_for_backward(query, key, value, mask)
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, mask = ctx.saved_tensors
        heads, scale = query.shape[1], query.shape[-1] ** -0.5
        q, k, v, g = (x.flatten(0, 1) for x in (query * scale, key, value, gradient))
        hidden = None if mask is None else ~mask.squeeze(1).repeat_interleave(heads, dim=0)
        found = [torch.empty_like(x) for x in (q, k, v)]
        at_once = max(1, _CACHED // (q.shape[1] * k.shape[1]))
        # Autocast would only slow the softmax of this pass.
        with torch.autocast("cpu", enabled=False):
            for start in range(0, len(q), at_once):
                part = slice(start, start + at_once)
                scores = torch.bmm(q[part], k[part].mT)
                if hidden is not None:
                    scores.masked_fill_(hidden[part], torch.finfo(scores.dtype).min)
                weights = scores.softmax(-1)
                torch.bmm(weights.mT, g[part], out=found[2][part])
                pull = torch.bmm(g[part], v[part].mT)
                pull = torch._softmax_backward_data(pull, weights, -1, pull.dtype)
                torch.bmm(pull, k[part], out=found[0][part])
                torch.bmm(pull.mT, q[part], out=found[1][part])
        found[0] *= scale
        return *(x.view(*query.shape[:2], *x.shape[1:]) for x in found), None


class SelfAttention(nn.Module):
    """Multi-head attention of every token to all tokens but padding.

    The four projections are separate linear layers, so that adapters can address each. There is no dropout on
    attention weights, since on a CPU it forces the unfused kernel, which is four times slower.

    Args:
        dim: Width of the hidden states.
        heads: Number of heads. `dim / heads` must be even.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, dim)

    def forward(self, x: Tensor, rotation: Rotation, attention_mask: Tensor | None = None) -> Tensor:
        """Attend and project the result: (B, L, dim) to (B, L, dim).

        Args:
            x: (B, L, dim) hidden states.
            rotation: The result of `rotary_angles` for L tokens.
            attention_mask: (B, L) bool, false for padding. None, if there is none, avoids the cost of a mask.
        """
        if torch.is_autocast_enabled(x.device.type):
            # Else autocast would repeat this for each projection and its gradient.
            x = x.to(torch.get_autocast_dtype(x.device.type))
        mixed = attend(*self.heads_of(x, rotation), self.mask(attention_mask))
        out: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return out

    def heads_of(self, x: Tensor, rotation: Rotation) -> tuple[Tensor, Tensor, Tensor]:
        """Compute queries, keys and values, each (B, H, L, head dim)."""
        query = rotate(self._split(self.query(x)), rotation)
        key = rotate(self._split(self.key(x)), rotation)
        return query, key, self._split(self.value(x))

    def mask(self, attention_mask: Tensor | None) -> Tensor | None:
        """Return (B, keys) bool. True for keys that may be attended to. None for all."""
        return attention_mask

    def _split(self, x: Tensor) -> Tensor:
        """Turn (B, L, dim) into (B, H, L, head dim)."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)
