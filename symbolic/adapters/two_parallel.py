"""The Two Parallel Adapter: a bottleneck beside either feed-forward of a Conformer layer."""

from __future__ import annotations

from dataclasses import dataclass

from symbolic.adapters.contract import register
from symbolic.adapters.parallel import ParallelAdapter


@register
@dataclass(frozen=True, kw_only=True)
class TwoParallelAdapter(ParallelAdapter):
    """`x + (FFN(x) + A(x)) / 2` for both feed-forwards (Chen et al., arXiv 2306.08131, eq. 2 to 5).

    `A(u) = W_up relu(W_down u + b_down) + b_up`, fed the raw stream, without norm. The authors found it best to start
    `b_up` as PyTorch does, and not at zero: so a fresh one is near the backbone, and not equal to it. On a Transformer,
    whose layers have one feed-forward, it is the same beside that one, at full weight.
    """

    name = "two_parallel"
    starts_neutral = False

    zero_bias: bool = False
