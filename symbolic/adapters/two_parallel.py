"""The Two Parallel Adapter: a bottleneck parallel to each feed-forward of a Conformer layer."""

from __future__ import annotations

from dataclasses import dataclass

from symbolic.adapters.contract import register
from symbolic.adapters.parallel import ParallelAdapter


@register
@dataclass(frozen=True, kw_only=True)
class TwoParallelAdapter(ParallelAdapter):
    """Compute `x + (FFN(x) + A(x)) / 2` for both feed-forwards (Chen et al., arXiv 2306.08131, eq. 2 to 5).

    `A(u) = W_up relu(W_down u + b_down) + b_up` reads the raw stream without a norm. As the authors advise, `b_up`
    starts as in PyTorch and not at zero. So a new adapter is close to the backbone but not equal to it. Layers of a
    Transformer have one feed-forward and the adapter is parallel to it at full weight.
    """

    name = "two_parallel"
    starts_neutral = False

    zero_bias: bool = False
